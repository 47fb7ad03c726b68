/* The routes that are one request to the host each. */
#include <string.h>

#include "api/api.h"

static void invalid(struct request *q, const char *path, const char *text)
{
    struct orb_err err;

    orb_fail_at(&err, ORB_E_INVALID, path, "%s", text);
    answer_problem(q, 0, &err);
}

/* ---- open routes ---- */

static void unwell(struct request *q, const struct orb_err *err)
{
    answer_problem(q, 503, err);
}

static void on_health(struct request *q, const char *text, size_t len, const struct orb_err *err)
{
    static const char well[] = "{\"status\":\"ok\"}\n";

    if (err)
        unwell(q, err);
    else
        answer_json(q, 200, well, sizeof well - 1);
}

/* Text member of an object, "" when there is none. */
static const char *text_of(const cJSON *object, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));

    return text ? text : "";
}

static void on_verdict(struct request *q, const char *text, size_t len, const struct orb_err *err)
{
    cJSON *tree = err ? NULL : cJSON_ParseWithLength(text, len);
    const char *verdict = text_of(tree, "verdict"), *phase = text_of(tree, "phase");
    const cJSON *first = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(tree, "reasons"), 0);
    struct orb_err why;
    AUTO_TEXT t = {0};

    if (err) {
        unwell(q, err);
    } else if (strcmp(phase, "operational") || !strcmp(verdict, "failed")) {
        orb_fail(&why, ORB_E_UNAVAILABLE,
                 "the appliance is not ready (boot phase %s, verdict %s): %s", phase, verdict,
                 text_of(first, "what"));
        unwell(q, &why);
    } else {
        text_adds(&t, "{\"status\":\"ready\"");
        text_add_member(&t, "verdict", verdict);
        text_adds(&t, "}\n");
        answer_json(q, 200, text_str(&t), t.len);
    }
    cJSON_Delete(tree);
}

static void on_metrics(struct request *q, const char *text, size_t len, const struct orb_err *err)
{
    static const char type[] = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    cJSON *tree = err ? NULL : cJSON_ParseWithLength(text, len);
    const char *metrics = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tree, "text"));
    struct orb_err none;

    if (err) {
        unwell(q, err);
    } else if (!metrics) {
        orb_fail(&none, ORB_E_INTERNAL, "the host gave no metrics");
        answer_problem(q, 0, &none);
    } else {
        answer_text(q, 200, type, metrics, strlen(metrics));
    }
    cJSON_Delete(tree);
}

/* ---- with a token ---- */

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
        call_host(q, "version", 2000, on_health);
        break;
    case ROUTE_READY:
        call_host(q, "health", 2000, on_verdict);
        break;
    case ROUTE_METRICS:
        call_host(q, "metrics", 5000, on_metrics);
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
