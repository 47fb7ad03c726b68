/* Reading the configuration. A value is passed on as the text it is; one that is too large for a
 * request to the host is read in slices. */
#include "api/config_get.h"

#include <stdio.h>
#include <string.h>

#include "api/call.h"
#include "api/response.h"
#include "api/value.h"
#include "core/base/json_write.h"
#include "core/base/own.h"
#include "core/json/json.h"

#define CONFIG "config@1"

static bool is_running(const struct request *q)
{
    return q->route->id == ROUTE_RUNNING;
}

/* Does If-None-Match name this tag? */
static bool etag_matches(const struct request *q, const char *tag)
{
    const char *given =
        MHD_lookup_connection_value(q->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_IF_NONE_MATCH);

    return given && (!strcmp(given, "*") || strstr(given, tag));
}

static void answer_value(struct request *q, const char *value, size_t len, int64_t revision)
{
    char tag[32];

    if (len == 4 && !memcmp(value, "null", 4)) {
        AUTO(buf) struct buf pointer = {0};

        route_pointer(&q->url, q->first, &pointer);
        response_error(q, ORB_E_NOT_FOUND, buf_str(&pointer), "nothing is configured here");
        return;
    }
    snprintf(tag, sizeof(tag), "\"%lld\"", (long long)revision);
    if (is_running(q) && etag_matches(q, tag))
        response_empty(q, 304);
    else if (value == q->value.data)
        response_value(q);
    else
        response_json(q, 200, value, len);
    if (is_running(q))
        response_header(q, MHD_HTTP_HEADER_ETAG, tag);
}

/* {"path", "source", "revision"?, "offset"?}; returns false after having answered. */
static bool read_input(struct request *q, bool slices)
{
    const char *wanted = url_query(&q->url, "revision");
    struct json_write w = json_write_to(&q->input);
    AUTO(buf) struct buf pointer = {0};
    int64_t n;

    if (wanted && !url_number(wanted, &n)) {
        response_error(q, ORB_E_INVALID, "", "revision: expected a number");
        return false;
    }
    route_pointer(&q->url, q->first, &pointer);
    buf_clear(&q->input);
    json_write_object(&w, NULL);
    json_write_string(&w, "path", buf_str(&pointer));
    json_write_string(&w, "source", is_running(q) ? "running" : "candidate");
    if (wanted)
        json_write_integer(&w, "revision", n);
    if (slices)
        json_write_integer(&w, "offset", (int64_t)q->value.len);
    json_write_end(&w);
    return true;
}

static void on_slice(struct request *q, const char *text, size_t len, const struct orb_err *err);

static void add_slice(struct request *q, const char *data, size_t bytes, int64_t revision)
{
    buf_adds(&q->value, data);
    if (q->value.len >= bytes)
        answer_value(q, buf_str(&q->value), q->value.len, revision);
    else if (read_input(q, true))
        call_user(q, CONFIG, "get-part", on_slice);
}

static void on_slice(struct request *q, const char *text, size_t len, const struct orb_err *err)
{
    cJSON *tree = err ? NULL : cJSON_ParseWithLength(text, len);
    const char *data = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tree, "data"));
    int64_t bytes = 0, revision = 0;
    struct orb_err why;

    if (err) {
        response_problem(q, 0, err);
        return;
    }
    orb_int64(cJSON_GetObjectItemCaseSensitive(tree, "bytes"), &bytes);
    orb_int64(cJSON_GetObjectItemCaseSensitive(tree, "revision"), &revision);
    if (!data || !*data || (int64_t)(q->value.len + strlen(data)) > bytes)
        response_error(q, ORB_E_INTERNAL, "", "the value could not be put together");
    else if (value_take(q, (size_t)bytes, &why) < 0)
        response_problem(q, 0, &why);
    else
        add_slice(q, data, (size_t)bytes, revision);
    cJSON_Delete(tree);
}

static void on_read_session(struct request *q, const struct orb_err *err)
{
    if (err)
        response_problem(q, 0, err);
    else if (read_input(q, true))
        call_user(q, CONFIG, "get-part", on_slice);
}

static void on_get(struct request *q, const char *text, size_t len, const struct orb_err *err)
{
    struct json_slice value, number;
    int64_t revision = 0;

    struct orb_err busy;

    if (err && err->code == ORB_E_LIMIT) {
        if (value_begin(q, &busy) < 0)
            response_problem(q, 0, &busy);
        else
            call_afresh(q, on_read_session);
        return;
    }
    if (err) {
        response_problem(q, 0, err);
        return;
    }
    if (!json_member(text, len, "value", &value) || !json_member(text, len, "revision", &number) ||
        json_int64(&number, &revision) < 0) {
        response_error(q, ORB_E_INTERNAL, "", "the configuration service gave no value");
        return;
    }
    answer_value(q, value.p, value.len, revision);
}

void config_get(struct request *q)
{
    if (read_input(q, false))
        call_user(q, CONFIG, "get", on_get);
}
