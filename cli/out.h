/* The only way to the terminal: nothing orbctl writes bypasses these functions (tools/printer reads
 * the objects). Whatever came from elsewhere is escaped on its way, so that no text of a service, a
 * file or a user moves the cursor, sets a title, forges a line or changes its reading order.
 * core/base/text.h says what is escaped. */
#ifndef CLI_OUT_H
#define CLI_OUT_H

#include <stdarg.h>
#include <stdbool.h>

#include "core/base/buf.h"
#include "core/base/text.h"

/* ---- to the terminal ---- */

/* printf for stdout and stderr: the bytes of the format are ours and go as they are, each %s is
 * escaped (also newlines and tabs). Conversions: s d i u x z-, l- and ll-integers, c, %; with
 * width,
 * `-`, `0`, `*` and precision. Width counts code points. */
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
