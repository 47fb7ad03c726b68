/* Error values that cross every boundary of Orbital: function results in C, error frames on the
 * wire, problem details in HTTP, exit codes of orbctl. One table below gives all four.
 *
 * A function that can fail returns int: 0 done, below 0 failed (one of the negative codes below),
 * above 0 an outcome its own comment names. The text is shown to users of the CLI. */
#ifndef ORBITAL_ERROR_H
#define ORBITAL_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif
/* Plugins resolve these in the host binary, which hides everything else. */
#pragma GCC visibility push(default)

#define ORB_ERR_TEXT 400
#define ORB_ERR_PATH 200

/* Filled by the function that fails, owned by the caller, may be passed as NULL.
 * path: JSON pointer (RFC 6901) of the offending place or "" when there is none. */
struct orb_err {
    int code;
    char path[ORB_ERR_PATH];
    char text[ORB_ERR_TEXT];
};

/* X(enum, value, wire name, HTTP status, CLI exit code, default sentence) */
#define ORB_ERRORS(X)                                                                              \
    X(ORB_E_INVALID, -1001, "invalid", 400, 2, "the request is not valid")                         \
    X(ORB_E_SYNTAX, -1002, "syntax", 400, 2, "the text is not valid JSON")                         \
    X(ORB_E_SCHEMA, -1003, "schema", 422, 3, "the value does not fit its schema")                  \
    X(ORB_E_NOT_FOUND, -1004, "not-found", 404, 4, "there is no such thing")                       \
    X(ORB_E_DENIED, -1005, "denied", 403, 5, "not allowed")                                        \
    X(ORB_E_UNAUTHENTICATED, -1006, "unauthenticated", 401, 5, "authentication required")          \
    X(ORB_E_CONFLICT, -1007, "conflict", 409, 6, "changed elsewhere in the meantime")              \
    X(ORB_E_LOCKED, -1008, "config.locked", 423, 6, "the configuration is locked")                 \
    X(ORB_E_VETO, -1009, "config.veto", 422, 7, "a service refused the change")                    \
    X(ORB_E_DEADLINE, -1010, "deadline", 504, 8, "the answer did not come in time")                \
    X(ORB_E_GONE, -1011, "peer-gone", 503, 8, "the service went away before it answered")          \
    X(ORB_E_UNAVAILABLE, -1012, "unavailable", 503, 8, "no service provides this now")             \
    X(ORB_E_BUSY, -1013, "busy", 429, 8, "too much is in flight; try again")                       \
    X(ORB_E_LIMIT, -1014, "limit", 413, 9, "a limit would be exceeded")                            \
    X(ORB_E_VERSION, -1015, "version", 409, 9, "the versions do not fit together")                 \
    X(ORB_E_PROTOCOL, -1016, "protocol", 400, 9, "the peer broke the protocol")                    \
    X(ORB_E_IO, -1017, "io", 500, 10, "a system call failed")                                      \
    X(ORB_E_KERNEL, -1018, "kernel", 500, 10, "the kernel refused an operation")                   \
    X(ORB_E_NOMEM, -1019, "no-memory", 503, 10, "out of memory")                                   \
    X(ORB_E_INTERNAL, -1020, "internal", 500, 11, "internal error")                                \
    X(ORB_E_STATE, -1021, "state", 409, 6, "not possible in the present state")

enum orb_code {
#define ORB_ERROR_ENUM(name, value, wire, http, exit_code, text) name = value,
    ORB_ERRORS(ORB_ERROR_ENUM)
#undef ORB_ERROR_ENUM
};

/* Fills err (may be NULL) and returns code. code: ORB_E_* or a negative errno, whose strerror text
 * is appended after ": ". The path is cleared. */
int orb_fail(struct orb_err *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As orb_fail, with the JSON pointer of the offending place. */
int orb_fail_at(struct orb_err *err, int code, const char *path, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Puts "what: " before the text err already holds; returns err->code (ORB_E_INTERNAL if err is
 * NULL). */
int orb_wrap(struct orb_err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Table lookups. A negative errno maps to the row of ORB_E_IO. Never NULL. */
const char *orb_code_name(int code);
/* HTTP status of a code: see orb_code_name. */
int orb_code_http(int code);
/* orbctl's exit status for a code: see orb_code_name. */
int orb_code_exit(int code);
/* Default sentence of a code: see orb_code_name. */
const char *orb_code_text(int code);
/* Code of a wire name; ORB_E_INTERNAL when unknown. */
int orb_code_parse(const char *name);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
