/* A growable text. When memory runs out it becomes empty and stays `failed`; whoever sends it looks
 * once, at the end, instead of after each step. */
#ifndef API_TEXT_H
#define API_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct text {
    char *data; /* NUL-terminated when not NULL */
    size_t len, cap;
    bool failed;
};

void text_fini(struct text *t);
void text_add(struct text *t, const char *data, size_t len);
void text_adds(struct text *t, const char *s);
void text_addf(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Length of the UTF-8 sequence at text, 0 when it is none (overlong, surrogate, beyond U+10FFFF).
 * left is at least 1. */
size_t text_utf8_len(const char *text, size_t left);
/* Adds s as a JSON string with its quotes. What is not UTF-8 in s (a sentence cut in a character)
 * becomes U+FFFD. */
void text_add_json(struct text *t, const char *s, size_t len);
/* Adds `"key":"value"`, after a comma unless an object was just opened. */
void text_add_member(struct text *t, const char *key, const char *value);
/* Appends one reference token to a JSON pointer (RFC 6901): "/", then ~ and / escaped. */
void text_add_pointer(struct text *t, const char *token);
/* The text, "" while empty. */
const char *text_str(const struct text *t);

static inline void own_text(struct text *t)
{
    text_fini(t);
}
#define AUTO_TEXT __attribute__((cleanup(own_text))) struct text

#endif
