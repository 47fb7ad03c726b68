/* Text that came from elsewhere, made safe to show to users: orbctl prints it so, and the log
 * keeps it so, as its files, the journal and stderr are read on terminals as well.
 *
 * Escaped are: what is below 0x20 or 0x7f, C1 controls, bytes that are not UTF-8, and every code
 * point without a visible shape of its own: bidirectional controls, line separators, format
 * characters, tags, variation selectors, fillers. A user sees \x1b, \u202e or
 * \U000e0001; in JSON like \u202e. */
#ifndef CORE_BASE_TEXT_H
#define CORE_BASE_TEXT_H

#include <stdbool.h>

#include "core/base/buf.h"

/* Adds text, escaped; of an escaped text it changes nothing. */
void text_plain(const char *text, struct buf *ret_text);
/* Is there nothing to escape? */
bool text_is_plain(const char *text);
/* As text_plain, newlines and tabs are kept. */
void text_lines(const char *text, struct buf *ret_text);
/* JSON stays JSON: inside strings \u escapes, outside of them white space only. */
void text_json(const char *text, struct buf *ret_text);
/* The first len bytes at most (what they cut of a sequence counts as no UTF-8); lines: newlines and
 * tabs are kept. */
void text_plain_most(struct buf *b, const char *text, size_t len, bool lines);
/* Columns on the terminal: counts code points, which suffices for escaped text. */
int text_width(const char *text);

#endif
