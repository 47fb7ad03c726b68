/* The error table of include/orbital/error.h and the functions that fill an error. */
#include "orbital/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct row {
    int code;
    const char *name;
    int http;
    int exit_code;
    const char *text;
};

static const struct row rows[] = {
#define ORB_ERROR_ROW(code, value, wire, http, exit_code, text) {code, wire, http, exit_code, text},
    ORB_ERRORS(ORB_ERROR_ROW)
#undef ORB_ERROR_ROW
};

static const struct row *row_of(int code)
{
    size_t n = sizeof(rows) / sizeof(rows[0]);

    if (code < 0 && code > ORB_E_INVALID)
        code = code == -ENOMEM ? ORB_E_NOMEM : ORB_E_IO;
    for (size_t i = 0; i < n; i++)
        if (rows[i].code == code)
            return &rows[i];
    return row_of(ORB_E_INTERNAL);
}

static int __attribute__((format(printf, 4, 0)))
fill(struct orb_err *err, int code, const char *path, const char *format, va_list args)
{
    size_t used;

    if (!err)
        return code;
    err->code = code;
    snprintf(err->path, sizeof(err->path), "%s", path ? path : "");
    if (vsnprintf(err->text, sizeof(err->text), format, args) < 0)
        err->text[0] = '\0';
    used = strlen(err->text);
    if (code < 0 && code > ORB_E_INVALID && used < sizeof(err->text))
        snprintf(err->text + used, sizeof(err->text) - used, ": %s", strerror(-code));
    return code;
}

int orb_fail(struct orb_err *err, int code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fill(err, code, NULL, format, args);
    va_end(args);
    return code;
}

int orb_fail_at(struct orb_err *err, int code, const char *path, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fill(err, code, path, format, args);
    va_end(args);
    return code;
}

int orb_wrap(struct orb_err *err, const char *format, ...)
{
    char old[ORB_ERR_TEXT];
    va_list args;
    size_t used;

    if (!err)
        return ORB_E_INTERNAL;
    memcpy(old, err->text, sizeof(old));
    va_start(args, format);
    if (vsnprintf(err->text, sizeof(err->text), format, args) < 0)
        err->text[0] = '\0';
    va_end(args);
    used = strlen(err->text);
    if (used < sizeof(err->text))
        snprintf(err->text + used, sizeof(err->text) - used, ": %.*s",
                 (int)(sizeof(err->text) - used), old);
    return err->code;
}

const char *orb_code_name(int code)
{
    return row_of(code)->name;
}

int orb_code_http(int code)
{
    return row_of(code)->http;
}

int orb_code_exit(int code)
{
    return row_of(code)->exit_code;
}

const char *orb_code_text(int code)
{
    return row_of(code)->text;
}

int orb_code_parse(const char *name)
{
    size_t n = sizeof(rows) / sizeof(rows[0]);

    for (size_t i = 0; i < n; i++)
        if (!strcmp(rows[i].name, name))
            return rows[i].code;
    return ORB_E_INTERNAL;
}
