/* What people are shown of services: JSON for host@1 and OpenMetrics lines. */
#include <string.h>

#include "core/base/own.h"
#include "core/sup/internal.h"

static void add_text(struct buf *b, const char *key, const char *text)
{
    buf_addf(b, ",\"%s\":", key);
    buf_add_json(b, text, strlen(text));
}

static uint64_t uptime_ms(const struct service *service)
{
    if (service->state != SERVICE_RUNNING || !service->worker)
        return 0;
    return now_ms() - service->worker->ready_ms;
}

/* Why it does not run, "" when it does: people see at once whether it failed or was stopped. */
static void add_reason(const struct service *service, struct buf *b)
{
    char text[160];

    if (!service->wanted && service->stopped_by[0]) { /* also while it still ends */
        snprintf(text, sizeof(text), "%s by %s",
                 service->state == SERVICE_DISABLED ? "stopped" : "being stopped",
                 service->stopped_by);
        add_text(b, "reason", text);
    } else if (service->state == SERVICE_DISABLED && service_lacks(service)) {
        snprintf(text, sizeof(text), "it uses %s, which this daemon does not serve",
                 service_lacks(service));
        add_text(b, "reason", text);
    } else if (service->state == SERVICE_DISABLED && !service->reason[0] &&
               !service_enabled(service)) {
        snprintf(text, sizeof(text), "not enabled%s",
                 service->package->shipped ? ""
                                           : ": a third-party package runs once /services "
                                             "enables it and grants what it needs");
        add_text(b, "reason", text);
    } else {
        add_text(b, "reason", service->state == SERVICE_RUNNING ? "" : service->reason);
    }
}

static void add_summary(const struct service *service, struct buf *b)
{
    const struct manifest *m = &service->package->manifest;
    uint64_t now = now_ms();

    buf_adds(b, "{\"name\":");
    buf_add_json(b, m->name, strlen(m->name));
    add_text(b, "state", state_name(service->state));
    add_text(b, "version", m->version);
    add_text(b, "phase", phase_name(m->phase));
    buf_addf(b, ",\"pid\":%d,\"uptime_ms\":%llu,\"restarts\":%u",
             service->worker ? (int)service->worker->child.pid : 0,
             (unsigned long long)uptime_ms(service), service->restart.restarts);
    add_text(b, "breaker", breaker_name(service->restart.breaker));
    buf_addf(b, ",\"next_ms\":%llu",
             (unsigned long long)(service->next_ms > now ? service->next_ms - now : 0));
    add_text(b, "degraded", service_degraded(service));
    add_reason(service, b);
}

void supervisor_each(const struct supervisor *sup,
                     void (*see)(void *arg, const struct service_view *service), void *arg)
{
    for (unsigned i = 0; i < sup->count; i++) {
        const struct service *s = sup->services[i];
        const struct manifest *m = &s->package->manifest;
        const struct service_view view = {
            .name = m->name,
            .state = s->state,
            .phase = m->phase,
            .breaker = s->restart.breaker,
            .shipped = s->package->shipped,
            .critical = m->critical,
            .wanted = s->wanted,
            .holds_boot = service_holds_boot(s),
            .failures_in_a_row = s->restart.streak,
            .reason = s->reason,
            .health = s->degraded,
            .health_since_ms = s->degraded_ms,
            .lacks = service_lacks(s),
            .stopped_by = s->stopped_by,
            .problems = &s->problems,
            .since_ms = s->since_ms,
            .revision = s->revision,
            .due = s->due,
            .behind_ms = s->behind_ms,
            .configured = s->configured,
        };

        see(arg, &view);
    }
}

void supervisor_list(struct supervisor *sup, struct buf *ret_json)
{
    buf_adds(ret_json, "{\"services\":[");
    for (unsigned i = 0; i < sup->count; i++) {
        if (i)
            buf_addc(ret_json, ',');
        add_summary(sup->services[i], ret_json);
        buf_addc(ret_json, '}');
    }
    buf_adds(ret_json, "]}");
}

static void add_list(struct buf *b, const char *key, char *const *list)
{
    unsigned n = 0;

    buf_addf(b, ",\"%s\":[", key);
    for (; list && *list; list++) {
        if (n++)
            buf_addc(b, ',');
        buf_add_json(b, *list, strlen(*list));
    }
    buf_addc(b, ']');
}

int supervisor_show(struct supervisor *sup, const char *name, struct buf *ret_json,
                    struct orb_err *err)
{
    struct service *service;
    int r = supervisor_find_or_fail(sup, name, &service, err);

    if (r < 0)
        return r;
    add_summary(service, ret_json);
    add_text(ret_json, "description", service->package->manifest.description);
    add_text(ret_json, "package", service->package->dir);
    add_text(ret_json, "interface", contract_interface(service->package->contract));
    add_text(ret_json, "interface_version", contract_version(service->package->contract));
    add_text(ret_json, "plan", service->plan.hash);
    add_list(ret_json, "requires", service->package->manifest.requires);
    add_list(ret_json, "capabilities", service->capabilities);
    add_list(ret_json, "asked", service->package->manifest.capabilities);
    buf_adds(ret_json, ",\"problems\":");
    problems_add_json(&service->problems, ret_json);
    buf_addf(ret_json, ",\"more_problems\":%u", service->problems.more);
    buf_addf(ret_json, ",\"revision\":%llu,\"revision_due\":%llu,\"since_ms\":%llu,\"crashes\":%u}",
             (unsigned long long)service->revision, (unsigned long long)service->due,
             (unsigned long long)(now_ms() - service->since_ms), service->crash_count);
    return 0;
}

int supervisor_sandbox(struct supervisor *sup, const char *name, struct buf *ret_json,
                       struct orb_err *err)
{
    AUTO(buf) struct buf reason = {0};
    struct service *service;
    int r = supervisor_find_or_fail(sup, name, &service, err);

    if (r < 0)
        return r;
    buf_adds(ret_json, "{\"plan\":");
    plan_describe(&service->plan, ret_json);
    add_list(ret_json, "capabilities", service->capabilities);
    buf_addf(ret_json, ",\"tier\":%d,\"attested\":%s", sandbox_tier(sup->setup.sandbox, &reason),
             service->worker && service->attested.len ? buf_str(&service->attested) : "null");
    add_text(ret_json, "not_enforced", buf_str(&reason));
    buf_addc(ret_json, '}');
    return 0;
}

void supervisor_boot(struct supervisor *sup, struct buf *ret_json)
{
    buf_adds(ret_json, "{\"phase\":");
    buf_addf(ret_json, "\"%s\",\"waiting\":[", phase_name(sup->phase));
    for (unsigned i = 0, n = 0; i < sup->count; i++)
        if (service_holds_boot(sup->services[i]))
            buf_addf(ret_json, "%s\"%s\"", n++ ? "," : "",
                     sup->services[i]->package->manifest.name);
    buf_adds(ret_json, "],\"phases\":[");
    for (int p = PHASE_CORE; p <= (int)sup->phase; p++)
        buf_addf(ret_json, "%s{\"phase\":\"%s\",\"ms\":%llu}", p > PHASE_CORE ? "," : "",
                 phase_name((enum boot_phase)p), (unsigned long long)sup->phase_ms[p]);
    buf_adds(ret_json, "]}");
}

void supervisor_metrics(struct supervisor *sup, struct buf *b)
{
    buf_adds(b, "# TYPE orbital_service_up gauge\n");
    for (unsigned i = 0; i < sup->count; i++)
        buf_addf(b, "orbital_service_up{service=\"%s\"} %d\n",
                 sup->services[i]->package->manifest.name,
                 sup->services[i]->state == SERVICE_RUNNING);
    buf_adds(b, "# TYPE orbital_service_restarts counter\n");
    for (unsigned i = 0; i < sup->count; i++)
        buf_addf(b, "orbital_service_restarts_total{service=\"%s\"} %u\n",
                 sup->services[i]->package->manifest.name, sup->services[i]->restart.restarts);
    buf_adds(b, "# TYPE orbital_service_breaker_open gauge\n");
    for (unsigned i = 0; i < sup->count; i++)
        buf_addf(b, "orbital_service_breaker_open{service=\"%s\"} %d\n",
                 sup->services[i]->package->manifest.name,
                 sup->services[i]->restart.breaker != BREAKER_CLOSED);
}
