/* Whole files: reading with a limit, replacing atomically.
 */
#ifndef CORE_BASE_FILE_H
#define CORE_BASE_FILE_H

#include <stddef.h>

struct buf;
struct orb_err;

/* Reads a whole file of at most limit bytes. Errors: negative errno, ORB_E_LIMIT. */
int file_read(const char *path, size_t limit, struct buf *ret_data, struct orb_err *err);
/* Opens for reading a file others have laid out: a FIFO, device or directory is refused at once,
 * and one of more than limit bytes. ret_size: its bytes now; may be NULL. Descriptor, or errors:
 * negative errno, ORB_E_INVALID, ORB_E_LIMIT. */
int file_open_regular(const char *path, size_t limit, size_t *ret_size, struct orb_err *err);
/* file_read of what file_open_regular opens. */
int file_read_regular(const char *path, size_t limit, struct buf *ret_data, struct orb_err *err);
/* Creates an empty regular file, replacing whatever has that name: a FIFO would block the writer, a
 * link redirect it. Descriptor, or negative errno: EEXIST, EISDIR or EPERM for a directory. */
int file_create(const char *path, unsigned mode);
/* Writes atomically: temporary file in the same directory, fdatasync, rename, fsync of the
 * directory. mode: permission bits of the new file. */
int file_replace(const char *path, const void *data, size_t len, unsigned mode,
                 struct orb_err *err);
/* mkdir -p with mode for what is created. */
int file_make_dir(const char *path, unsigned mode, struct orb_err *err);

#endif
