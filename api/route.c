/* The table of routes and the search in it; see route.h. */
#include "api/route.h"

#include <stdio.h>
#include <string.h>

#include "core/base/suggest.h"

#define CANDIDATE "api/v1/config/candidates/mine/{path*}"

const struct route *route_table(void)
{
    static const struct route rows[] = {
        {"GET", "healthz", ROUTE_HEALTH, ROUTE_OPEN, ""},
        {"GET", "readyz", ROUTE_READY, ROUTE_OPEN, ""},
        {"GET", "metrics", ROUTE_METRICS, ROUTE_QUIET, ""},
        {"GET", "api/v1", ROUTE_INDEX, 0, ""},
        {"GET", "api/v1/whoami", ROUTE_WHOAMI, 0, ""},
        {"GET", "api/v1/services", ROUTE_SERVICES, 0, ""},
        {"GET", "api/v1/services/{name}", ROUTE_SERVICE, 0, ""},
        {"POST", "api/v1/services/{name}/start", ROUTE_SERVICE_START, ROUTE_MAY_BODY, ""},
        {"POST", "api/v1/services/{name}/stop", ROUTE_SERVICE_STOP, ROUTE_MAY_BODY, ""},
        {"POST", "api/v1/services/{name}/restart", ROUTE_SERVICE_RESTART, ROUTE_MAY_BODY, ""},
        {"GET", "api/v1/config/running/{path*}", ROUTE_RUNNING, 0, "revision"},
        {"GET", CANDIDATE, ROUTE_CANDIDATE, 0, ""},
        {"PUT", CANDIDATE, ROUTE_PUT, ROUTE_BODY, ""},
        {"PATCH", CANDIDATE, ROUTE_MERGE, ROUTE_BODY, ""},
        {"DELETE", CANDIDATE, ROUTE_DELETE, 0, ""},
        {"GET", "api/v1/config/diff", ROUTE_DIFF, 0, "from to"},
        {"POST", "api/v1/config/commits", ROUTE_COMMIT, ROUTE_MAY_BODY, "dry-run"},
        {"POST", "api/v1/config/confirm", ROUTE_CONFIRM, ROUTE_MAY_BODY, ""},
        {"POST", "api/v1/config/discard", ROUTE_DISCARD, ROUTE_MAY_BODY, ""},
        {"POST", "api/v1/config/rollback", ROUTE_ROLLBACK, ROUTE_BODY, ""},
        {"GET", "api/v1/config/history", ROUTE_HISTORY, 0, "limit"},
        {"GET", "api/v1/schema/{path*}", ROUTE_SCHEMA, 0, ""},
        {"POST", "api/v1/operations/{interface}/{method}", ROUTE_OPERATION, ROUTE_MAY_BODY, ""},
        {"GET", "api/v1/logs", ROUTE_LOGS, 0, "service level after limit"},
        {"GET", "api/v1/firewall/counters", ROUTE_COUNTERS, 0, "after limit"},
        {NULL, NULL, ROUTE_COUNT, 0, NULL},
    };

    return rows;
}

/* Next segment of a pattern: its length, 0 at the end. */
static size_t next(const char **pattern)
{
    if (**pattern == '/')
        ++*pattern;
    return strcspn(*pattern, "/");
}

static bool is_rest(const char *segment, size_t len)
{
    return len > 3 && segment[0] == '{' && segment[len - 2] == '*';
}

static bool matches(const char *pattern, const struct url *url, unsigned *ret_first)
{
    unsigned at = 0, first = url->count;

    for (;;) {
        size_t len = next(&pattern);

        if (!len) {
            *ret_first = first;
            return at == url->count;
        }
        if (is_rest(pattern, len)) {
            *ret_first = first < at ? first : at;
            return true;
        }
        if (at == url->count)
            return false;
        if (pattern[0] == '{')
            first = first < at ? first : at;
        else if (strlen(url->segments[at]) != len || memcmp(url->segments[at], pattern, len))
            return false;
        at++;
        pattern += len;
    }
}

/* ---- suggestion of the nearest route ---- */

/* How far the URL is from a pattern, with the pattern written out in ret_text. */
static unsigned cost_of(const char *pattern, const struct url *url, char *ret_text, size_t size)
{
    unsigned cost = 0, at = 0;
    size_t used = 0;

    ret_text[0] = '\0';
    for (;;) {
        size_t len = next(&pattern);
        const char *given = at < url->count ? url->segments[at] : NULL;
        bool rest = len && is_rest(pattern, len), any = len && pattern[0] == '{';

        if (!len || (rest && !given))
            break;
        if (!given)
            cost += any ? 4 : (unsigned)len;
        else if (!any)
            cost += suggest_distance(given, strlen(given), pattern, len);
        used += (size_t)snprintf(ret_text + used, size - used, "/%.*s",
                                 any && given ? 60 : (int)len, any && given ? given : pattern);
        if (used >= size)
            used = size - 1;
        if (given)
            at++;
        if (!rest)
            pattern += len;
    }
    for (; at < url->count; at++)
        cost += 4 + (unsigned)strnlen(url->segments[at], SUGGEST_MAX);
    return cost;
}

static int unknown(const struct url *url, struct orb_err *err)
{
    char asked[120] = "", best[120] = "", text[120];
    unsigned best_cost;
    size_t used = 0;

    for (unsigned i = 0; i < url->count && used < sizeof(asked) - 1; i++)
        used += (size_t)snprintf(asked + used, sizeof(asked) - used, "/%s", url->segments[i]);
    best_cost = used > 28 ? 9 : 2 + (unsigned)used / 4; /* beyond this a guess does not help */
    for (const struct route *row = route_table(); row->pattern; row++) {
        unsigned cost = cost_of(row->pattern, url, text, sizeof(text));

        if (cost < best_cost) {
            best_cost = cost;
            memcpy(best, text, sizeof(best));
        }
    }
    orb_fail(err, ORB_E_NOT_FOUND, "there is no \"%s\"%s%s%s", used ? asked : "/",
             best[0] ? "; did you mean " : "; GET /api/v1 lists what there is", best,
             best[0] ? "?" : "");
    return ROUTE_UNKNOWN;
}

/* ---- */

static bool has_word(const char *words, const char *word)
{
    size_t len = strlen(word);

    for (const char *p = words; *p; p += strspn(p, " ")) {
        size_t n = strcspn(p, " ");

        if (n == len && !memcmp(p, word, n))
            return true;
        p += n;
    }
    return false;
}

static int check_query(const struct url *url, const struct route *row, struct orb_err *err)
{
    for (unsigned i = 0; i < url->pair_count; i++)
        if (!has_word(row->queries, url->pairs[i].key))
            return orb_fail(err, ORB_E_INVALID, "the query name \"%.60s\" is unknown here; %s%s",
                            url->pairs[i].key, row->queries[0] ? "expected: " : "there are none",
                            row->queries);
    return 0;
}

int route_find(const struct url *url, const char *method, const struct route **ret_route,
               unsigned *ret_first, char ret_allow[64], struct orb_err *err)
{
    const char *wanted = strcmp(method, "HEAD") ? method : "GET";
    char allow[64] = "";
    unsigned first;

    for (const struct route *row = route_table(); row->pattern; row++) {
        size_t used = strlen(allow);

        if (!matches(row->pattern, url, &first))
            continue;
        if (!strcmp(row->method, wanted)) {
            int r = check_query(url, row, err);

            if (r == 0) {
                *ret_route = row;
                *ret_first = first;
            }
            return r;
        }
        snprintf(allow + used, sizeof(allow) - used, "%s%s", used ? ", " : "",
                 strcmp(row->method, "GET") ? row->method : "GET, HEAD");
    }
    if (!allow[0])
        return unknown(url, err);
    memcpy(ret_allow, allow, sizeof(allow));
    orb_fail(err, ORB_E_INVALID, "%.16s is not possible here; expected: %s", method, allow);
    return ROUTE_WRONG_METHOD;
}

void route_pointer(const struct url *url, unsigned first, struct buf *ret_pointer)
{
    for (unsigned i = first; i < url->count; i++)
        buf_add_pointer(ret_pointer, url->segments[i]);
}
