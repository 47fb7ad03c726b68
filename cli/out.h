/* The only way to the terminal: all output of orbctl uses these functions (tools/printer checks the
 * objects). Text from outside is escaped, so that no text of a service, a file or a user can move
 * the cursor, set a title, forge a line or change the reading order. core/base/text.h lists what is
 * escaped. */
#ifndef CLI_OUT_H
#define CLI_OUT_H

#include <stdarg.h>
#include <stdbool.h>

#include "core/base/buf.h"
#include "core/base/text.h"

/* ---- to the terminal ---- */

/* printf for stdout and stderr: the format is trusted and printed unchanged, each %s is escaped
 * (also newlines and tabs). Conversions: s d i u x z-, l- and ll-integers, c, %; with width, `-`,
 * `0`, `*` and precision. Width counts code points. */
void out(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* As out(), to stderr. */
void out_err(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Text of several lines: its newlines and tabs are kept, everything else is escaped. */
void out_lines(const char *text);
/* JSON text and a newline. Stays the same JSON value. */
void out_json(const char *text);
/* Everything written by now has left; false: the output is closed or full. */
bool out_flush(void);

/* ---- to a buffer ---- */

/* What out prints. */
void out_format(struct buf *ret_text, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

#endif
