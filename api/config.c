/* The routes that change the configuration. A body that is too large for a request to the host is
 * sent in slices. */
#include <string.h>

#include "api/call.h"
#include "api/config.h"
#include "api/response.h"
#include "api/session.h"
#include "core/base/json_write.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/json/json.h"

#define CONFIG "config@1"

/* ---- editing the caller's candidate ---- */

static void on_part_loaded(struct request *q, const char *text, size_t len,
                           const struct orb_err *err);

/* The end of a slice must not cut a UTF-8 sequence. */
static size_t slice_end(const struct buf *t, size_t from)
{
    size_t end = from + API_SLICE < t->len ? from + API_SLICE : t->len;

    while (end < t->len && ((unsigned char)t->data[end] & 0xc0) == 0x80)
        end--;
    return end;
}

static void load_part(struct request *q)
{
    size_t from = q->at, end = slice_end(&q->value, from);
    struct json_write w = json_write_to(&q->input);

    buf_clear(&q->input);
    json_write_object(&w, NULL);
    json_write_integer(&w, "offset", (int64_t)from);
    json_write_boolean(&w, "last", end == q->value.len);
    json_write_string(&w, "mode", q->route->id == ROUTE_PUT ? "replace" : "merge");
    json_write_string_len(&w, "data", q->value.data + from, end - from);
    json_write_end(&w);
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
static bool has_upload_in_progress(const struct request *q)
{
    for (const struct request *other = q->api->requests; other; other = other->next)
        if (other != q && other->loading && other->session &&
            !strcmp(other->session->user, q->session->user))
            return true;
    return false;
}

/* The body, wrapped into objects for its path: {"a":{"b":BODY}}. A path has more segments than the
 * writer has levels. */
static void wrap_body(struct request *q)
{
    for (unsigned i = q->first; i < q->url.count; i++) {
        buf_addc(&q->value, '{');
        buf_add_json(&q->value, q->url.segments[i], strlen(q->url.segments[i]));
        buf_addc(&q->value, ':');
    }
    buf_add(&q->value, q->body.data, q->body.len);
    for (unsigned i = q->first; i < q->url.count; i++)
        buf_addc(&q->value, '}');
}

static void load(struct request *q)
{
    if (q->route->id == ROUTE_PUT && q->first < q->url.count) {
        response_error(
            q, ORB_E_LIMIT, "",
            "a PUT of more than 200 KiB replaces the whole configuration only; PATCH merges one "
            "anywhere");
        return;
    }
    if (has_upload_in_progress(q)) {
        response_error(q, ORB_E_BUSY, "", "another large body of yours is being loaded");
        return;
    }
    q->loading = true;
    wrap_body(q);
    load_part(q);
}

static void edit(struct request *q, const char *op)
{
    struct json_write w = json_write_to(&q->input);
    AUTO(buf) struct buf pointer = {0};

    if (q->body.len > API_INLINE_MAX) {
        load(q);
        return;
    }
    route_pointer(&q->url, q->first, &pointer);
    json_write_object(&w, NULL);
    json_write_array(&w, "ops");
    json_write_object(&w, NULL);
    json_write_string(&w, "op", op);
    json_write_string(&w, "path", buf_str(&pointer));
    if (q->body.len)
        json_write_raw(&w, "value", q->body.data, q->body.len);
    json_write_end(&w);
    json_write_end(&w);
    json_write_end(&w);
    call_user(q, CONFIG, "edit", call_on_reply);
}

void config_set(struct request *q)
{
    edit(q, "set");
}

void config_merge(struct request *q)
{
    edit(q, "merge");
}

void config_delete(struct request *q)
{
    edit(q, "delete");
}

/* ---- committing ---- */

static void on_committed(struct request *q, const char *text, size_t len, const struct orb_err *err)
{
    struct json_slice by;

    call_on_reply(q, text, len, err);
    /* Confirming takes a connection made after the commit: make the client open one. */
    if (!err && json_member(text, len, "confirm-by", &by)) {
        q->api->committed_ms = orb_now_ms();
        response_header(q, MHD_HTTP_HEADER_CONNECTION, "close");
    }
}

static bool is_true(const char *value)
{
    return !*value || !strcmp(value, "true") || !strcmp(value, "1");
}

/* The body's members, and that it is a dry run. */
static void write_dry_run(struct request *q, struct json_iter *members)
{
    struct json_write w = json_write_to(&q->input);
    struct json_item item;

    json_write_object(&w, NULL);
    json_write_boolean(&w, "dry-run", true);
    while (json_iter_next(members, &item)) {
        AUTO_FREE char *key = xcalloc(1, item.key_len + 1);

        json_unescape(item.key, item.key_len, key);
        json_write_raw(&w, key, item.value.p, item.value.len);
    }
    json_write_end(&w);
}

void config_commit(struct request *q)
{
    const char *dry = url_query(&q->url, "dry-run");
    const char *body = q->body.len ? q->body.data : "{}";
    size_t len = q->body.len ? q->body.len : 2;
    struct json_slice given;
    struct json_iter members;

    if (dry && !is_true(dry) && strcmp(dry, "false") && strcmp(dry, "0")) {
        response_error(q, ORB_E_INVALID, "", "dry-run: expected true or false");
        return;
    }
    if (dry && is_true(dry) && json_member(body, len, "dry-run", &given) && given.type != 't') {
        response_error(q, ORB_E_INVALID, "/dry-run",
                       "dry-run is set in the query, not in the body");
        return;
    }
    if (dry && is_true(dry) && !json_member(body, len, "dry-run", &given) &&
        json_iter_init(&members, '{', body, len))
        write_dry_run(q, &members);
    else
        buf_add(&q->input, body, len);
    call_user(q, CONFIG, "commit", on_committed);
}

static void on_confirm_session(struct request *q, const struct orb_err *err)
{
    if (err)
        response_problem(q, 0, err);
    else
        call_user(q, CONFIG, "confirm", call_on_reply);
}

/* Proof that the box can still be reached: a connection and a login made after the commit. */
void config_confirm(struct request *q)
{
    if (q->opened_ms >= q->api->committed_ms) {
        call_afresh(q, on_confirm_session);
        return;
    }
    response_error(
        q, ORB_E_STATE, "",
        "this connection was open before the commit and proves nothing; confirm on a new one");
    response_header(q, MHD_HTTP_HEADER_CONNECTION, "close");
}

void config_schema(struct request *q)
{
    struct json_write w = json_write_to(&q->input);
    AUTO(buf) struct buf pointer = {0};

    route_pointer(&q->url, q->first, &pointer);
    json_write_object(&w, NULL);
    json_write_string(&w, "path", buf_str(&pointer));
    json_write_end(&w);
    call_user(q, CONFIG, "schema", call_on_reply);
}

static void with_body(struct request *q, const char *method)
{
    buf_add(&q->input, buf_str(&q->body), q->body.len);
    call_user(q, CONFIG, method, call_on_reply);
}

void config_discard(struct request *q)
{
    with_body(q, "discard");
}

void config_rollback(struct request *q)
{
    with_body(q, "rollback");
}
