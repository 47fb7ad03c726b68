/* Loading a package's shared object, and saying in words what is wrong with one that cannot be. */
#ifndef CORE_WORKER_LIBRARY_H
#define CORE_WORKER_LIBRARY_H

#include <stddef.h>

/* Looks at the file before the loader does, which dies of a signal where a part of it is missing.
 * 0, or an errno with text filled: a sentence without the directory. */
int library_check(const char *path, char *text, size_t size);

#endif
