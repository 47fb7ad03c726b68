/* Patterns given by users: compiled once, matched with limits, so that none blocks the thread. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <ctype.h>
#include <pcre2.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/obs/logline.h"
#include "core/obs/logread.h"

#define STEPS_MOST 20000 /* of one match */
#define DEPTH_MOST 500

struct loggrep {
    pcre2_code *code;
    pcre2_match_context *limits;
    pcre2_match_data *data;
    struct buf text;
};

/* A letter after a backslash is an escape. */
static bool has_capital(const char *p)
{
    for (; *p; p++) {
        if (*p == '\\' && p[1])
            p++;
        else if (isupper((unsigned char)*p))
            return true;
    }
    return false;
}

int loggrep_new(const char *pattern, struct loggrep **ret_grep, struct orb_err *err)
{
    struct loggrep *g;
    PCRE2_SIZE at;
    PCRE2_UCHAR why[120];
    int code;
    pcre2_code *compiled;

    if (strlen(pattern) > LOGREAD_PATTERN)
        return orb_fail(err, ORB_E_LIMIT, "the pattern has %zu bytes; at most %d are taken",
                        strlen(pattern), LOGREAD_PATTERN);
    compiled = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                             PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C |
                                 (has_capital(pattern) ? 0 : PCRE2_CASELESS),
                             &code, &at, NULL);
    if (!compiled) {
        pcre2_get_error_message(code, why, sizeof(why));
        return orb_fail(err, ORB_E_INVALID, "the pattern \"%s\" is wrong at byte %zu: %s", pattern,
                        (size_t)at, (const char *)why);
    }
    g = xcalloc(1, sizeof(*g));
    g->code = compiled;
    g->limits = pcre2_match_context_create(NULL);
    g->data = pcre2_match_data_create(1, NULL);
    if (!g->limits || !g->data) {
        loggrep_free(g);
        return orb_fail(err, ORB_E_NOMEM, "no memory for the pattern");
    }
    pcre2_set_match_limit(g->limits, STEPS_MOST);
    pcre2_set_depth_limit(g->limits, DEPTH_MOST);
    *ret_grep = g;
    return 0;
}

void loggrep_free(struct loggrep *g)
{
    if (!g)
        return;
    pcre2_match_data_free(g->data);
    pcre2_match_context_free(g->limits);
    pcre2_code_free(g->code);
    buf_fini(&g->text);
    free(g);
}

int loggrep_match(struct loggrep *g, const char *line, size_t len, struct orb_err *err)
{
    int r;

    buf_clear(&g->text);
    logline_sentence(line, len, &g->text);
    r = pcre2_match(g->code, (PCRE2_SPTR)buf_str(&g->text), g->text.len, 0, 0, g->data, g->limits);
    if (r >= 0 || r == PCRE2_ERROR_NOMATCH)
        return r >= 0;
    return orb_fail(err, ORB_E_LIMIT,
                    "the pattern costs too much; write it simpler, without repeats of repeats");
}
