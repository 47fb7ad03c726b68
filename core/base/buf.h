/* A growing byte buffer, always NUL-terminated after its length. Out of memory ends the process
 * (core/base/xalloc.h); callers limit sizes that come from outside. */
#ifndef CORE_BASE_BUF_H
#define CORE_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>

struct buf {
    char *data; /* NULL while empty */
    size_t len;
    size_t cap;
};

/* Frees the memory; the buffer is empty and can be used again. */
void buf_fini(struct buf *b);
/* Empties it and keeps the memory. */
void buf_clear(struct buf *b);
/* Makes room for extra more bytes (and the NUL) and returns where they go; len is unchanged. */
char *buf_reserve(struct buf *b, size_t extra);
/* Appends len bytes, which may hold NULs. */
void buf_add(struct buf *b, const void *data, size_t len);
/* Appends a C string. */
void buf_adds(struct buf *b, const char *text);
/* Appends one byte. */
void buf_addc(struct buf *b, char c);
/* Appends text by a format of printf(3). */
void buf_addf(struct buf *b, const char *format, ...)
    __attribute__((format(printf, 2, 3), nonnull(2)));
/* As buf_addf(). */
void buf_addv(struct buf *b, const char *format, va_list args)
    __attribute__((format(printf, 2, 0), nonnull(2)));
/* Adds text as a quoted JSON string (RFC 8259 escapes; bytes that are not UTF-8, and NUL, which no
 * reader of the project takes, become U+FFFD). */
void buf_add_json(struct buf *b, const char *text, size_t len);
/* The same with at most `most` bytes between the quotes; what is left out is an ellipsis. */
void buf_add_json_most(struct buf *b, const char *text, size_t len, size_t most);
/* Appends one reference token to a JSON pointer (RFC 6901): "/", then ~ and / escaped. */
void buf_add_pointer(struct buf *b, const char *token);
/* The C string, "" while empty; the buffer keeps it. */
const char *buf_str(const struct buf *b);
/* Moves the memory to the caller (never NULL); the buffer is empty afterwards. */
char *buf_take(struct buf *b);

/* The text that the format gives, as memory of the caller's. */
char *buf_format(const char *format, ...) __attribute__((format(printf, 1, 2), nonnull(1)));

static inline void own_buf(struct buf *b)
{
    buf_fini(b);
}

#endif
