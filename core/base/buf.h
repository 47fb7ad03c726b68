/* A growing byte buffer, always NUL-terminated behind its length. Growth that fails ends the
 * process (a small allocation of our own); sizes chosen outside are limited before they get here.
 */
#ifndef CORE_BASE_BUF_H
#define CORE_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    char *data; /* NULL while empty */
    size_t len;
    size_t cap;
};

void buf_fini(struct buf *b);
void buf_clear(struct buf *b);
/* Makes room for extra more bytes (and the NUL) and returns where they go; len is unchanged. */
char *buf_reserve(struct buf *b, size_t extra);
void buf_add(struct buf *b, const void *data, size_t len);
void buf_adds(struct buf *b, const char *text);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *format, ...)
    __attribute__((format(printf, 2, 3), nonnull(2)));
void buf_addv(struct buf *b, const char *format, va_list args)
    __attribute__((format(printf, 2, 0), nonnull(2)));
/* Length of the UTF-8 sequence of several bytes at text (RFC 3629), 0 when there is none; left, at
 * least 1, is how many bytes are there. */
size_t utf8_len(const char *text, size_t left);
/* Adds text as a quoted JSON string (RFC 8259 escapes; bytes that are not UTF-8, and NUL, which no
 * reader of the project takes, become U+FFFD). */
void buf_add_json(struct buf *b, const char *text, size_t len);
/* The same with at most `most` bytes between the quotes; what is left out is an ellipsis. */
void buf_add_json_most(struct buf *b, const char *text, size_t len, size_t most);
/* Appends one reference token to a JSON pointer (RFC 6901): "/", then ~ and / escaped. */
void buf_add_pointer(struct buf *b, const char *token);
/* The C string, "" while empty; the buffer keeps it. */
const char *buf_str(const struct buf *b);
/* Hands the memory to the caller (never NULL), the buffer is empty afterwards. */
char *buf_take(struct buf *b);

static inline void own_buf(struct buf *b)
{
    buf_fini(b);
}

/* Abort with a message on allocation failure: for small fixed sizes only. */
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *text);
char *xstrndup(const char *text, size_t len);
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2), nonnull(1)));

/* CLOCK_MONOTONIC. */
uint64_t now_ms(void);
uint64_t now_us(void);
uint64_t now_ns(void);
/* CLOCK_REALTIME, microseconds since the epoch. */
uint64_t wall_us(void);
/* When a moment of now_ms() was, by the wall clock as it stands now, microseconds since the epoch.
 * What is kept as a moment of now_ms() is shown right after the clock was set, too. */
uint64_t wall_of(uint64_t at_ms);

/* Reads a whole file of at most limit bytes. Errors: negative errno, ORB_E_LIMIT. */
struct orb_err;
int file_read(const char *path, size_t limit, struct buf *ret_data, struct orb_err *err);
/* Opens for reading a file others have laid out: a FIFO, device or directory is refused at once,
 * and one of more than limit bytes. ret_size: its bytes now; may be NULL. Descriptor, or errors:
 * negative errno, ORB_E_INVALID, ORB_E_LIMIT. */
int file_open_regular(const char *path, size_t limit, size_t *ret_size, struct orb_err *err);
/* file_read of what file_open_regular opens. */
int file_read_regular(const char *path, size_t limit, struct buf *ret_data, struct orb_err *err);
/* A new, empty, regular file to write to, in the place of whatever file lies there (a FIFO would
 * hold the writer for ever, a link lead it elsewhere). Descriptor, or negative errno: EEXIST,
 * EISDIR or EPERM: a directory. */
int file_create(const char *path, unsigned mode);
/* Writes atomically: temporary file in the same directory, fdatasync, rename, fsync of the
 * directory. mode: permission bits of the new file. */
int file_replace(const char *path, const void *data, size_t len, unsigned mode,
                 struct orb_err *err);
/* mkdir -p with mode for what is created. */
int dir_make(const char *path, unsigned mode, struct orb_err *err);

#endif
