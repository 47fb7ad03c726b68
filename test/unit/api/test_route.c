/* api/route.c */
#include <string.h>

#include "api/route.h"
#include "core/base/own.h"
#include "test/lib/harness.h"

static int find(const char *method, const char *raw, const struct route **ret_route,
                unsigned *ret_first, char allow[64], struct orb_err *err)
{
    static const struct url none;
    struct url url = none;

    ck_assert_msg(url_parse(raw, &url, err) == 0, "%s: %s", raw, err->text);
    return route_find(&url, method, ret_route, ret_first, allow, err);
}

TEST(each_route_is_found_by_its_own_pattern)
{
    static const struct {
        const char *method, *raw;
        enum route_id id;
        unsigned first;
    } rows[] = {
        {"GET", "/healthz", ROUTE_HEALTH, 1},
        {"HEAD", "/healthz", ROUTE_HEALTH, 1},
        {"GET", "/metrics", ROUTE_METRICS, 1},
        {"GET", "/api/v1/", ROUTE_INDEX, 2},
        {"GET", "/api/v1/services", ROUTE_SERVICES, 3},
        {"GET", "/api/v1/services/api", ROUTE_SERVICE, 3},
        {"POST", "/api/v1/services/api/restart", ROUTE_SERVICE_RESTART, 3},
        {"GET", "/api/v1/config/running", ROUTE_RUNNING, 4},
        {"GET", "/api/v1/config/running/a/b?revision=1", ROUTE_RUNNING, 4},
        {"GET", "/api/v1/config/candidates/mine", ROUTE_CANDIDATE, 5},
        {"PUT", "/api/v1/config/candidates/mine/a", ROUTE_PUT, 5},
        {"PATCH", "/api/v1/config/candidates/mine", ROUTE_MERGE, 5},
        {"DELETE", "/api/v1/config/candidates/mine/a/b/c", ROUTE_DELETE, 5},
        {"POST", "/api/v1/config/commits?dry-run", ROUTE_COMMIT, 4},
        {"GET", "/api/v1/schema", ROUTE_SCHEMA, 3},
        {"POST", "/api/v1/operations/host/services", ROUTE_OPERATION, 3},
        {"GET", "/api/v1/logs?service=a&level=info&after=1&limit=2", ROUTE_LOGS, 3},
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct route *route;
        struct orb_err err = {0};
        char allow[64];
        unsigned first;
        int r = find(rows[i].method, rows[i].raw, &route, &first, allow, &err);

        ck_assert_msg(r == 0, "%s %s: %s", rows[i].method, rows[i].raw, err.text);
        ck_assert_int_eq(route->id, rows[i].id);
        ck_assert_uint_eq(first, rows[i].first);
    }
}

TEST(every_row_of_the_table_can_be_reached)
{
    for (const struct route *row = route_table(); row->pattern; row++) {
        const struct route *route;
        struct orb_err err = {0};
        char raw[200] = "/", allow[64];
        unsigned first;

        for (const char *p = row->pattern; *p; p++) /* variables get the name x */
            if (*p == '{') {
                strcat(raw, "x");
                p = strchr(p, '}');
            } else {
                strncat(raw, p, 1);
            }
        ck_assert_int_eq(find(row->method, raw, &route, &first, allow, &err), 0);
        ck_assert_ptr_eq(route, row);
    }
}

TEST(a_wrong_method_is_told_the_right_ones)
{
    const struct route *route;
    struct orb_err err;
    char allow[64];
    unsigned first;

    ck_assert_int_eq(find("POST", "/api/v1/config/candidates/mine/a", &route, &first, allow, &err),
                     ROUTE_WRONG_METHOD);
    ck_assert_str_eq(allow, "GET, HEAD, PUT, PATCH, DELETE");
    ck_assert_int_eq(find("OPTIONS", "/healthz", &route, &first, allow, &err), ROUTE_WRONG_METHOD);
    ck_assert_str_eq(allow, "GET, HEAD");
    ck_assert_int_eq(find("get", "/healthz", &route, &first, allow, &err), ROUTE_WRONG_METHOD);
}

TEST(a_mistyped_path_is_told_the_nearest)
{
    static const struct {
        const char *raw, *shown;
    } rows[] = {
        {"/api/v1/servics", "did you mean /api/v1/services?"},
        {"/api/v1/service/config/restart", "did you mean /api/v1/services/config/restart?"},
        {"/api/v1/config/runing/firewall/rules/10",
         "did you mean /api/v1/config/running/firewall/rules/10?"},
        {"/api/v1/config/comit", "did you mean /api/v1/config/commits?"},
        {"/api/v2/logs", "did you mean /api/v1/logs?"},
        {"/health", "did you mean /healthz?"},
        {"/nothing/at/all/like/it", "there is no \"/nothing/at/all/like/it\"; GET /api/v1 lists"},
        {"/nothing", "there is no \"/nothing\"; GET /api/v1 lists"},
        {"/", "there is no \"/\""},
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct route *route;
        struct orb_err err = {0};
        char allow[64];
        unsigned first;

        ck_assert_int_eq(find("GET", rows[i].raw, &route, &first, allow, &err), ROUTE_UNKNOWN);
        ck_assert_int_eq(err.code, ORB_E_NOT_FOUND);
        ck_assert_msg(strstr(err.text, rows[i].shown) != NULL, "%s: %s", rows[i].raw, err.text);
    }
}

TEST(an_unknown_query_name_is_refused_with_the_known_ones)
{
    const struct route *route;
    struct orb_err err;
    char allow[64];
    unsigned first;

    ck_assert_int_eq(find("GET", "/api/v1/logs?levle=info", &route, &first, allow, &err),
                     ORB_E_INVALID);
    ck_assert_ptr_nonnull(strstr(err.text, "\"levle\" is unknown here; expected: service level"));
    ck_assert_int_eq(find("GET", "/healthz?x", &route, &first, allow, &err), ORB_E_INVALID);
    ck_assert_ptr_nonnull(strstr(err.text, "there are none"));
}

TEST(segments_become_a_json_pointer)
{
    AUTO(buf) struct buf pointer = {0};
    struct url url;

    ck_assert_int_eq(url_parse("/a/10.0.0.0%2F8/t~x", &url, NULL), 0);
    route_pointer(&url, 1, &pointer);
    ck_assert_str_eq(buf_str(&pointer), "/10.0.0.0~18/t~0x");
}
