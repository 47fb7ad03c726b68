/* Files of /proc that are read many times a second. Opening one takes several times as long as
 * reading it, so it stays open. */
#ifndef DATAPLANE_KEPT_FILE_H
#define DATAPLANE_KEPT_FILE_H

#include <stddef.h>
#include <sys/types.h>

/* Zero-initialised: not open. One thread's. */
struct kept_file {
    int descriptor; /* + 1; 0: not open */
};

/* Reads the file at path from its beginning: at most size - 1 bytes, text ends with NUL. kept: the
 * file stays open there, NULL: it is closed again. One that vanished meanwhile (a module unloaded,
 * an interface removed or renamed) is opened by its path again. Returns the bytes, or negative
 * errno; then text is "". */
ssize_t kept_file_read(struct kept_file *kept, const char *path, char *text, size_t size);
/* Closes it, and leaves it as zero-initialised. */
void kept_file_close(struct kept_file *kept);

#endif
