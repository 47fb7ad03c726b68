/* Loads a package's shared object; errors are explained as text. */
#ifndef CORE_WORKER_LIBRARY_H
#define CORE_WORKER_LIBRARY_H

#include <stddef.h>

/* Checks the file before the loader, which crashes where a part is missing. 0, or an errno with
 * text filled: a sentence without the directory. */
int library_check(const char *path, char *text, size_t size);

#endif
