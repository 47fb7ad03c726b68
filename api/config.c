/* The routes of the configuration. A value is passed on as the text it is; one too big for a
 * request to the host travels in slices. */
#include <stdio.h>
#include <string.h>

#include "api/api.h"

#define CONFIG "config@1"

static void fail(struct request *q, int code, const char *path, const char *text)
{
    struct orb_err err;

    orb_fail_at(&err, code, path, "%s", text);
    answer_problem(q, 0, &err);
}

/* ---- reading ---- */

static bool is_running(const struct request *q)
{
    return q->route->id == ROUTE_RUNNING;
}

/* Does If-None-Match name this tag? */
static bool have_it(const struct request *q, const char *tag)
{
    const char *given =
        MHD_lookup_connection_value(q->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_IF_NONE_MATCH);

    return given && (!strcmp(given, "*") || strstr(given, tag));
}

static void answer_value(struct request *q, const char *value, size_t len,
                         unsigned long long revision)
{
    char tag[32];

    if (len == 4 && !memcmp(value, "null", 4)) {
        AUTO_TEXT pointer = {0};

        route_pointer(&q->url, q->first, &pointer);
        fail(q, ORB_E_NOT_FOUND, text_str(&pointer), "nothing is configured here");
        return;
    }
    snprintf(tag, sizeof tag, "\"%llu\"", revision);
    if (is_running(q) && have_it(q, tag))
        answer_empty(q, 304);
    else
        answer_json(q, 200, value, len);
    if (is_running(q))
        answer_header(q, MHD_HTTP_HEADER_ETAG, tag);
}

/* {"path", "source", "revision"?, "offset"?}; returns false after having answered. */
static bool read_input(struct request *q, bool slices)
{
    const char *wanted = url_query(&q->url, "revision");
    AUTO_TEXT pointer = {0};
    unsigned long long n;

    route_pointer(&q->url, q->first, &pointer);
    text_fini(&q->input);
    text_adds(&q->input, "{");
    text_add_member(&q->input, "path", text_str(&pointer));
    text_add_member(&q->input, "source", is_running(q) ? "running" : "candidate");
    if (wanted && !body_number(wanted, strlen(wanted), &n)) {
        fail(q, ORB_E_INVALID, "", "revision: expected a number");
        return false;
    }
    if (wanted)
        text_addf(&q->input, ",\"revision\":%llu", n);
    if (slices)
        text_addf(&q->input, ",\"offset\":%zu", q->value.len);
    text_adds(&q->input, "}");
    return true;
}

static void on_slice(struct request *q, const char *text, size_t len, const struct orb_err *err)
{
    cJSON *tree = err ? NULL : cJSON_ParseWithLength(text, len);
    const char *data = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tree, "data"));
    int64_t bytes = 0, revision = 0;

    if (err) {
        answer_problem(q, 0, err);
        return;
    }
    orb_int64(cJSON_GetObjectItemCaseSensitive(tree, "bytes"), &bytes);
    orb_int64(cJSON_GetObjectItemCaseSensitive(tree, "revision"), &revision);
    if (data)
        text_adds(&q->value, data);
    if (!data || !*data || q->value.failed) {
        fail(q, ORB_E_INTERNAL, "", "the value could not be put together");
    } else if (bytes > (int64_t)API_VALUE_MAX) {
        fail(q, ORB_E_LIMIT, "", "the value is larger than 24 MiB; read parts of it");
    } else if ((int64_t)q->value.len >= bytes) {
        answer_value(q, text_str(&q->value), q->value.len, (unsigned long long)revision);
    } else if (read_input(q, true)) {
        call_user(q, CONFIG, "get-part", on_slice);
    }
    cJSON_Delete(tree);
}

static void on_read_session(struct request *q, const struct orb_err *err)
{
    if (err)
        answer_problem(q, 0, err);
    else if (read_input(q, true))
        call_user(q, CONFIG, "get-part", on_slice);
}

static void on_get(struct request *q, const char *text, size_t len, const struct orb_err *err)
{
    unsigned long long revision = 0;
    const char *value, *number;
    size_t value_len, number_len;

    if (err && err->code == ORB_E_LIMIT) {
        call_afresh(q, on_read_session);
        return;
    }
    if (err) {
        answer_problem(q, 0, err);
        return;
    }
    if (!body_member(text, len, "value", &value, &value_len) ||
        !body_member(text, len, "revision", &number, &number_len) ||
        !body_number(number, number_len, &revision)) {
        fail(q, ORB_E_INTERNAL, "", "the configuration service gave no value");
        return;
    }
    answer_value(q, value, value_len, revision);
}

/* ---- editing the caller's candidate ---- */

static void on_part_loaded(struct request *q, const char *text, size_t len,
                           const struct orb_err *err);

/* The end of a slice must not cut a UTF-8 sequence. */
static size_t slice_end(const struct text *t, size_t from)
{
    size_t end = from + API_SLICE < t->len ? from + API_SLICE : t->len;

    while (end < t->len && ((unsigned char)t->data[end] & 0xc0) == 0x80)
        end--;
    return end;
}

static void load_part(struct request *q)
{
    size_t from = q->at, end = slice_end(&q->value, from);

    text_fini(&q->input);
    text_addf(&q->input, "{\"offset\":%zu,\"last\":%s,\"mode\":\"%s\",\"data\":", from,
              end == q->value.len ? "true" : "false",
              q->route->id == ROUTE_PUT ? "replace" : "merge");
    text_add_json(&q->input, q->value.data + from, end - from);
    text_adds(&q->input, "}");
    q->at = end;
    call_user(q, CONFIG, "load-part", on_part_loaded);
}

static void on_part_loaded(struct request *q, const char *text, size_t len,
                           const struct orb_err *err)
{
    if (err || q->at == q->value.len)
        call_on_reply(q, text, len, err);
    else
        load_part(q);
}

/* The service collects the parts by user: two at once would be mixed. */
static bool user_loads(const struct request *q)
{
    for (const struct request *other = q->api->requests; other; other = other->next)
        if (other != q && other->loading && other->session &&
            !strcmp(other->session->user, q->session->user))
            return true;
    return false;
}

/* The body, wrapped to stand at its path: {"a":{"b":BODY}}. */
static void load(struct request *q)
{
    if (q->route->id == ROUTE_PUT && q->first < q->url.count) {
        fail(q, ORB_E_LIMIT, "",
             "a PUT of more than 200 KiB replaces the whole configuration only; PATCH merges one "
             "anywhere");
        return;
    }
    if (user_loads(q)) {
        fail(q, ORB_E_BUSY, "", "another large body of yours is being loaded");
        return;
    }
    q->loading = true;
    for (unsigned i = q->first; i < q->url.count; i++) {
        text_adds(&q->value, "{");
        text_add_json(&q->value, q->url.segments[i], strlen(q->url.segments[i]));
        text_adds(&q->value, ":");
    }
    text_add(&q->value, q->body.data, q->body.len);
    for (unsigned i = q->first; i < q->url.count; i++)
        text_adds(&q->value, "}");
    if (q->value.failed)
        fail(q, ORB_E_NOMEM, "", "no memory for the body");
    else
        load_part(q);
}

static void edit(struct request *q, const char *op)
{
    AUTO_TEXT pointer = {0};

    route_pointer(&q->url, q->first, &pointer);
    if (q->body.len > API_INLINE_MAX) {
        load(q);
        return;
    }
    text_adds(&q->input, "{\"ops\":[{");
    text_add_member(&q->input, "op", op);
    text_add_member(&q->input, "path", text_str(&pointer));
    if (q->body.len) {
        text_adds(&q->input, ",\"value\":");
        text_add(&q->input, q->body.data, q->body.len);
    }
    text_adds(&q->input, "}]}");
    call_user(q, CONFIG, "edit", call_on_reply);
}

/* ---- committing ---- */

static void on_committed(struct request *q, const char *text, size_t len, const struct orb_err *err)
{
    const char *by;
    size_t by_len;

    call_on_reply(q, text, len, err);
    /* Confirming takes a connection made after the commit: make the client open one. */
    if (!err && body_member(text, len, "confirm_by", &by, &by_len)) {
        q->api->committed_ms = orb_now_ms();
        answer_header(q, MHD_HTTP_HEADER_CONNECTION, "close");
    }
}

static bool is_true(const char *value)
{
    return !*value || !strcmp(value, "true") || !strcmp(value, "1");
}

static void commit(struct request *q)
{
    const char *dry = url_query(&q->url, "dry-run"), *given;
    const char *body = q->body.len ? q->body.data : "{}";
    size_t len = q->body.len ? q->body.len : 2, given_len;
    const char *brace;

    if (dry && !is_true(dry) && strcmp(dry, "false") && strcmp(dry, "0")) {
        fail(q, ORB_E_INVALID, "", "dry-run: expected true or false");
        return;
    }
    if (!dry || !is_true(dry) || body_first(body, len) != '{') {
        text_add(&q->input, body, len);
        call_user(q, CONFIG, "commit", on_committed);
        return;
    }
    if (body_member(body, len, "dry_run", &given, &given_len)) {
        if (given_len != 4) {
            fail(q, ORB_E_INVALID, "/dry_run", "the query says dry-run, the body does not");
            return;
        }
        text_add(&q->input, body, len);
    } else {
        brace = (const char *)memchr(body, '{', len) + 1;
        text_adds(&q->input, "{\"dry_run\":true");
        if (body_first(brace, len - (size_t)(brace - body)) != '}')
            text_adds(&q->input, ",");
        text_add(&q->input, brace, len - (size_t)(brace - body));
    }
    call_user(q, CONFIG, "commit", on_committed);
}

static void on_confirm_session(struct request *q, const struct orb_err *err)
{
    if (err)
        answer_problem(q, 0, err);
    else
        call_user(q, CONFIG, "confirm", call_on_reply);
}

/* Proof that the box can still be reached: a connection and a login made after the commit. */
static void confirm(struct request *q)
{
    if (q->opened_ms >= q->api->committed_ms) {
        call_afresh(q, on_confirm_session);
        return;
    }
    fail(q, ORB_E_STATE, "",
         "this connection was open before the commit and proves nothing; confirm on a new one");
    answer_header(q, MHD_HTTP_HEADER_CONNECTION, "close");
}

static void numbers(struct request *q, const char *method, const char *const names[])
{
    text_adds(&q->input, "{");
    for (unsigned i = 0; names[i]; i++) {
        const char *value = url_query(&q->url, names[i]);
        unsigned long long n;
        struct orb_err err;

        if (!value)
            continue;
        if (!body_number(value, strlen(value), &n)) {
            orb_fail(&err, ORB_E_INVALID, "%s: expected a number; got \"%.40s\"", names[i], value);
            answer_problem(q, 0, &err);
            return;
        }
        text_addf(&q->input, "%s\"%s\":%llu", q->input.len > 1 ? "," : "", names[i], n);
    }
    text_adds(&q->input, "}");
    call_user(q, CONFIG, method, call_on_reply);
}

static void schema(struct request *q)
{
    AUTO_TEXT pointer = {0};

    route_pointer(&q->url, q->first, &pointer);
    text_adds(&q->input, "{");
    text_add_member(&q->input, "path", text_str(&pointer));
    text_adds(&q->input, "}");
    call_user(q, CONFIG, "schema", call_on_reply);
}

static void with_body(struct request *q, const char *method)
{
    text_add(&q->input, text_str(&q->body), q->body.len);
    call_user(q, CONFIG, method, call_on_reply);
}

bool config_start(struct request *q)
{
    static const char *const diff_names[] = {"from", "to", NULL};
    static const char *const history_names[] = {"limit", NULL};

    switch (q->route->id) {
    case ROUTE_RUNNING:
    case ROUTE_CANDIDATE:
        if (read_input(q, false))
            call_user(q, CONFIG, "get", on_get);
        return true;
    case ROUTE_PUT:
        edit(q, "set");
        return true;
    case ROUTE_MERGE:
        edit(q, "merge");
        return true;
    case ROUTE_DELETE:
        edit(q, "delete");
        return true;
    case ROUTE_DIFF:
        numbers(q, "diff", diff_names);
        return true;
    case ROUTE_COMMIT:
        commit(q);
        return true;
    case ROUTE_CONFIRM:
        confirm(q);
        return true;
    case ROUTE_DISCARD:
        with_body(q, "discard");
        return true;
    case ROUTE_ROLLBACK:
        with_body(q, "rollback");
        return true;
    case ROUTE_HISTORY:
        numbers(q, "history", history_names);
        return true;
    case ROUTE_SCHEMA:
        schema(q);
        return true;
    default:
        return false;
    }
}
