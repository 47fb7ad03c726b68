/* The routes that are one request to the host each. */
#include <string.h>

#include "api/call.h"
#include "api/plain.h"
#include "api/response.h"
#include "core/base/json_write.h"
#include "core/base/own.h"

#define HOST "host@1"

/* {"key": text} as the input of the call. */
static void one_member(struct request *q, const char *key, const char *text)
{
    struct json_write w = json_write_to(&q->input);

    buf_clear(&q->input);
    json_write_object(&w, NULL);
    json_write_string(&w, key, text);
    json_write_end(&w);
}

/* The host answers in pages. */
static void on_metrics(struct request *q, const char *text, size_t len, const struct orb_err *err)
{
    static const char type[] = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    cJSON *tree = err ? NULL : cJSON_ParseWithLength(text, len);
    const char *page = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tree, "text"));
    const char *next = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tree, "next"));

    if (page)
        buf_adds(&q->value, page);
    if (err) {
        response_problem(q, 0, err);
    } else if (!page || q->value.len > API_VALUE_MAX) {
        response_error(q, ORB_E_INTERNAL, "", "the host gave no metrics, or too many");
    } else if (next) {
        one_member(q, "from", next);
        call_user(q, HOST, "metrics", on_metrics);
    } else {
        response_text(q, 200, type, buf_str(&q->value), q->value.len);
    }
    cJSON_Delete(tree);
}

void plain_metrics(struct request *q)
{
    call_user(q, HOST, "metrics", on_metrics);
}

void plain_index(struct request *q)
{
    AUTO(buf) struct buf text = {0};
    struct json_write w = json_write_to(&text);

    json_write_object(&w, NULL);
    json_write_array(&w, "routes");
    for (const struct route *row = route_table(); row->pattern; row++) {
        json_write_object(&w, NULL);
        json_write_string(&w, "method", row->method);
        json_write_format(&w, "path", "/%s", row->pattern);
        json_write_end(&w);
    }
    json_write_end(&w);
    json_write_end(&w);
    buf_addc(&text, '\n');
    response_json(q, 200, buf_str(&text), text.len);
}

void plain_whoami(struct request *q)
{
    call_user(q, "auth@1", "whoami", call_on_reply);
}

/* ---- services ---- */

void plain_services(struct request *q)
{
    call_user(q, HOST, "services", call_on_reply);
}

/* The segment after "services" is the name. */
static void service(struct request *q, const char *method)
{
    one_member(q, "name", q->url.segments[q->first]);
    call_user(q, HOST, method, call_on_reply);
}

void plain_service(struct request *q)
{
    service(q, "service");
}

void plain_service_start(struct request *q)
{
    service(q, "service-start");
}

void plain_service_stop(struct request *q)
{
    service(q, "service-stop");
}

void plain_service_restart(struct request *q)
{
    service(q, "service-restart");
}

/* ---- pages ---- */

/* Adds the page parameters of the query. false: invalid, and answered already. */
static bool add_page(struct request *q, struct json_write *w)
{
    static const char *const numbers[] = {"after", "limit"};

    for (unsigned i = 0; i < 2; i++) {
        const char *value = url_query(&q->url, numbers[i]);
        int64_t n;

        if (!value)
            continue;
        if (!url_number(value, &n)) {
            response_error(q, ORB_E_INVALID, "",
                           i ? "limit: expected a number" : "after: expected a number");
            return false;
        }
        json_write_integer(w, numbers[i], n);
    }
    return true;
}

static void page(struct request *q, const char *to, const char *method, const char *const texts[])
{
    struct json_write w = json_write_to(&q->input);
    bool good;

    json_write_object(&w, NULL);
    for (unsigned i = 0; texts[i]; i++) {
        const char *value = url_query(&q->url, texts[i]);

        if (value)
            json_write_string(&w, texts[i], value);
    }
    good = add_page(q, &w);
    json_write_end(&w);
    if (good)
        call_user(q, to, method, call_on_reply);
}

void plain_logs(struct request *q)
{
    static const char *const texts[] = {"service", "level", NULL};

    page(q, HOST, "logs", texts);
}

void plain_counters(struct request *q)
{
    static const char *const texts[] = {NULL};

    page(q, "firewall@1", "counters", texts);
}

/* ---- changes of the configuration ---- */

/* Numbers of the query, by these names, as the input. */
static void numbers(struct request *q, const char *method, const char *const names[])
{
    struct json_write w = json_write_to(&q->input);

    json_write_object(&w, NULL);
    for (unsigned i = 0; names[i]; i++) {
        const char *value = url_query(&q->url, names[i]);
        struct orb_err err;
        int64_t n;

        if (!value)
            continue;
        if (!url_number(value, &n)) {
            orb_fail(&err, ORB_E_INVALID, "%s: expected a number; got \"%.40s\"", names[i], value);
            response_problem(q, 0, &err);
            json_write_abandon(&w);
            return;
        }
        json_write_integer(&w, names[i], n);
    }
    json_write_end(&w);
    call_user(q, "config@1", method, call_on_reply);
}

void plain_diff(struct request *q)
{
    static const char *const names[] = {"from", "to", NULL};

    numbers(q, "diff", names);
}

void plain_history(struct request *q)
{
    static const char *const names[] = {"limit", NULL};

    numbers(q, "history", names);
}

/* ---- any method of any interface ---- */

static bool is_name(const char *text, size_t max, const char *more)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < len; i++)
        if (!((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= '0' && text[i] <= '9') ||
              strchr(more, text[i])))
            return false;
    return len > 0 && len < max;
}

void plain_operation(struct request *q)
{
    const char *to = q->url.segments[q->first], *method = q->url.segments[q->first + 1];

    if (!is_name(to, sizeof(q->to), "-@.") || !is_name(method, sizeof(q->call_method), "-_.")) {
        response_error(q, ORB_E_INVALID, "",
                       "expected operations/INTERFACE[@MAJOR[.MINOR]]/METHOD");
        return;
    }
    buf_add(&q->input, buf_str(&q->body), q->body.len);
    call_user(q, to, method, call_on_reply);
}
