/* The routes that are one request to the host each. */
#include <string.h>

#include "api/api.h"

static void invalid(struct request *q, const char *path, const char *text)
{
    struct orb_err err;

    orb_fail_at(&err, ORB_E_INVALID, path, "%s", text);
    answer_problem(q, 0, &err);
}

/* The host answers in pages. */
static void on_metrics(struct request *q, const char *text, size_t len, const struct orb_err *err)
{
    static const char type[] = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    cJSON *tree = err ? NULL : cJSON_ParseWithLength(text, len);
    const char *page = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tree, "text"));
    const char *next = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tree, "next"));
    struct orb_err none;

    if (page)
        text_adds(&q->value, page);
    if (err) {
        answer_problem(q, 0, err);
    } else if (!page || q->value.failed || q->value.len > API_VALUE_MAX) {
        orb_fail(&none, ORB_E_INTERNAL, "the host gave no metrics, or too many");
        answer_problem(q, 0, &none);
    } else if (next) {
        text_fini(&q->input);
        text_adds(&q->input, "{");
        text_add_member(&q->input, "from", next);
        text_adds(&q->input, "}");
        call_user(q, "host@1", "metrics", on_metrics);
    } else {
        answer_text(q, 200, type, text_str(&q->value), q->value.len);
    }
    cJSON_Delete(tree);
}

static void index_of_routes(struct request *q)
{
    AUTO_TEXT t = {0};

    text_adds(&t, "{\"routes\":[");
    for (const struct route *row = route_table(); row->pattern; row++) {
        text_addf(&t, "%s{\"method\":\"%s\",\"path\":\"/%s\"}", row == route_table() ? "" : ",",
                  row->method, row->pattern);
    }
    text_adds(&t, "]}\n");
    answer_json(q, 200, text_str(&t), t.len);
}

/* {"name": second segment behind "services"} */
static void service(struct request *q, const char *method)
{
    text_adds(&q->input, "{");
    text_add_member(&q->input, "name", q->url.segments[q->first]);
    text_adds(&q->input, "}");
    call_user(q, "host@1", method, call_on_reply);
}

/* The page asked for. false: answered already, with what is wrong. */
static bool add_page(struct request *q)
{
    static const char *const numbers[] = {"after", "limit"};

    for (unsigned i = 0; i < 2; i++) {
        const char *value = url_query(&q->url, numbers[i]);
        unsigned long long n;

        if (!value)
            continue;
        if (!body_number(value, strlen(value), &n)) {
            invalid(q, "", i ? "limit: expected a number" : "after: expected a number");
            return false;
        }
        text_addf(&q->input, "%s\"%s\":%llu", q->input.len > 1 ? "," : "", numbers[i], n);
    }
    return true;
}

static void logs(struct request *q)
{
    static const char *const texts[] = {"service", "level"};

    text_adds(&q->input, "{");
    for (unsigned i = 0; i < 2; i++) {
        const char *value = url_query(&q->url, texts[i]);

        if (value)
            text_add_member(&q->input, texts[i], value);
    }
    if (!add_page(q))
        return;
    text_adds(&q->input, "}");
    call_user(q, "host@1", "logs", call_on_reply);
}

static void counters(struct request *q)
{
    text_adds(&q->input, "{");
    if (!add_page(q))
        return;
    text_adds(&q->input, "}");
    call_user(q, "firewall@1", "counters", call_on_reply);
}

static bool is_name(const char *text, size_t max, const char *more)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < len; i++)
        if (!((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= '0' && text[i] <= '9') ||
              strchr(more, text[i])))
            return false;
    return len > 0 && len < max;
}

static void operation(struct request *q)
{
    const char *to = q->url.segments[q->first], *method = q->url.segments[q->first + 1];

    if (!is_name(to, sizeof q->to, "-@.") || !is_name(method, sizeof q->call_method, "-_.")) {
        invalid(q, "", "expected operations/INTERFACE[@MAJOR[.MINOR]]/METHOD");
        return;
    }
    text_add(&q->input, text_str(&q->body), q->body.len);
    call_user(q, to, method, call_on_reply);
}

void plain_start(struct request *q)
{
    switch (q->route->id) {
    case ROUTE_HEALTH:
        open_start(q, API_OPEN_HEALTH);
        break;
    case ROUTE_READY:
        open_start(q, API_OPEN_READY);
        break;
    case ROUTE_METRICS:
        call_user(q, "host@1", "metrics", on_metrics);
        break;
    case ROUTE_INDEX:
        index_of_routes(q);
        break;
    case ROUTE_WHOAMI:
        call_user(q, "auth@1", "whoami", call_on_reply);
        break;
    case ROUTE_SERVICES:
        call_user(q, "host@1", "services", call_on_reply);
        break;
    case ROUTE_SERVICE:
        service(q, "service");
        break;
    case ROUTE_SERVICE_START:
        service(q, "service-start");
        break;
    case ROUTE_SERVICE_STOP:
        service(q, "service-stop");
        break;
    case ROUTE_SERVICE_RESTART:
        service(q, "service-restart");
        break;
    case ROUTE_OPERATION:
        operation(q);
        break;
    case ROUTE_LOGS:
        logs(q);
        break;
    case ROUTE_COUNTERS:
        counters(q);
        break;
    default: /* config_start() has the others; request_continue() notices a route nobody has */
        invalid(q, "", "this route is not served");
    }
}
