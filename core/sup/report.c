/* See report.h. */
#include "core/sup/report.h"

#include <string.h>

#include "core/base/own.h"
#include "core/base/strings.h"
#include "core/sup/boot.h"
#include "core/sup/supervisor_internal.h"

/* Of a text in the list of all services: with 128 of them it still fits a frame. */
#define LISTED_MOST 480

static uint64_t uptime_ms(const struct service *service)
{
    if (service->shown != SERVICE_RUNNING || !service->worker)
        return 0;
    return supervisor_now(service->sup) - service->ready_ms;
}

/* Why it does not run, "" when it does: shows whether it failed or was stopped. */
static void write_reason(const struct service *service, struct json_write *w)
{
    bool disabled = service->shown == SERVICE_DISABLED;

    if (!service->wanted && service->stopped_by[0]) /* also while it still ends */
        json_write_format(w, "reason", "%s by %s", disabled ? "stopped" : "being stopped",
                          service->stopped_by);
    else if (disabled && service_lacks(service))
        json_write_format(w, "reason", "it uses %s, which this daemon does not serve",
                          service_lacks(service));
    else if (disabled && !service->reason[0] && !service_enabled(service))
        json_write_format(w, "reason", "not enabled%s",
                          service->package->shipped ? ""
                                                    : ": a third-party package runs once /services "
                                                      "enables it and grants what it needs");
    else
        json_write_most(w, "reason", service->shown == SERVICE_RUNNING ? "" : service->reason,
                        LISTED_MOST);
}

/* Members of the open object. */
static void write_summary(const struct service *service, struct json_write *w)
{
    const struct manifest *m = &service->package->manifest;
    uint64_t now = supervisor_now(service->sup);

    json_write_string(w, "name", m->name);
    json_write_string(w, "state", machine_state_name(service->shown));
    json_write_most(w, "version", m->version, LISTED_MOST);
    json_write_string(w, "phase", manifest_phase_name(m->phase));
    json_write_integer(w, "pid", service->pid);
    json_write_integer(w, "uptime-ms", (int64_t)uptime_ms(service));
    json_write_integer(w, "restarts", service->restart.restarts);
    json_write_string(w, "breaker", restart_breaker_name(service->restart.breaker));
    json_write_integer(w, "next-ms",
                       service->next_ms > now ? (int64_t)(service->next_ms - now) : 0);
    json_write_most(w, "degraded", service_degraded(service), LISTED_MOST);
    write_reason(service, w);
}

static const char *not_granted(const struct service *service)
{
    for (char *const *asked = service->package->manifest.capabilities; asked && *asked; asked++)
        if (!strings_have(service->spec.capabilities, *asked))
            return *asked;
    return NULL;
}

void report_each(const struct supervisor *sup,
                 void (*see)(void *arg, const struct service_view *service), void *arg)
{
    for (unsigned i = 0; i < sup->count; i++) {
        const struct service *s = sup->services[i];
        const struct manifest *m = &s->package->manifest;
        const struct service_view view = {
            .name = m->name,
            .state = s->shown,
            .phase = m->phase,
            .breaker = s->restart.breaker,
            .shipped = s->package->shipped,
            .critical = m->critical,
            .wanted = s->wanted,
            .holds_boot = boot_held_by(s),
            .not_granted = not_granted(s),
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

void report_list(struct supervisor *sup, struct json_write *w, const char *key)
{
    json_write_array(w, key);
    for (unsigned i = 0; i < sup->count; i++) {
        json_write_object(w, NULL);
        write_summary(sup->services[i], w);
        json_write_end(w);
    }
    json_write_end(w);
}

static void write_list(struct json_write *w, const char *key, char *const *list)
{
    json_write_array(w, key);
    for (; list && *list; list++)
        json_write_string(w, NULL, *list);
    json_write_end(w);
}

int report_show(struct supervisor *sup, const char *name, struct buf *ret_json, struct orb_err *err)
{
    struct json_write w = json_write_to(ret_json);
    struct service *service;
    int r = supervisor_lookup(sup, name, &service, err);

    if (r < 0)
        return r;
    json_write_object(&w, NULL);
    write_summary(service, &w);
    json_write_string(&w, "description", service->package->manifest.description);
    json_write_string(&w, "package", service->package->dir);
    json_write_string(&w, "interface", contract_interface(service->package->contract));
    json_write_string(&w, "interface-version", contract_version(service->package->contract));
    json_write_string(&w, "plan", service->spec.plan.hash);
    write_list(&w, "requires", service->package->manifest.requires);
    write_list(&w, "capabilities", service->spec.capabilities);
    write_list(&w, "asked", service->package->manifest.capabilities);
    problems_write(&service->problems, &w, "problems");
    json_write_integer(&w, "more-problems", service->problems.more);
    json_write_integer(&w, "revision", (int64_t)service->revision);
    json_write_integer(&w, "revision-due", (int64_t)service->due);
    json_write_integer(&w, "since-ms", (int64_t)(supervisor_now(service->sup) - service->since_ms));
    json_write_integer(&w, "crashes", service->crashes.count);
    json_write_end(&w);
    return 0;
}

int report_sandbox(struct supervisor *sup, const char *name, const struct sandbox *sandbox,
                   struct buf *ret_json, struct orb_err *err)
{
    struct json_write w = json_write_to(ret_json);
    AUTO(buf) struct buf reason = {0};
    struct service *service;
    int r = supervisor_lookup(sup, name, &service, err);

    if (r < 0)
        return r;
    json_write_object(&w, NULL);
    launch_plan_describe(&service->spec.plan, &w, "plan");
    write_list(&w, "capabilities", service->spec.capabilities);
    limits_write(&service->spec.limits, &w, "limits");
    json_write_integer(&w, "tier", sandbox_tier(sandbox, &reason));
    if (service->worker && service->attested.len)
        json_write_raw(&w, "attested", service->attested.data, service->attested.len);
    else
        json_write_null(&w, "attested");
    json_write_string(&w, "not-enforced", buf_str(&reason));
    json_write_end(&w);
    return 0;
}

int report_crashes(struct supervisor *sup, const char *name, struct buf *ret_json,
                   struct orb_err *err)
{
    struct json_write w = json_write_to(ret_json);
    struct service *service;
    int r = supervisor_lookup(sup, name, &service, err);

    if (r < 0)
        return r;
    json_write_object(&w, NULL);
    crash_write(service, &w, "crashes");
    json_write_end(&w);
    return 0;
}

void report_boot(struct supervisor *sup, struct json_write *w)
{
    json_write_string(w, "phase", manifest_phase_name(sup->phase));
    json_write_array(w, "waiting");
    for (unsigned i = 0; i < sup->count; i++)
        if (boot_held_by(sup->services[i]))
            json_write_string(w, NULL, sup->services[i]->package->manifest.name);
    if (sup->lacks && sup->phase < PHASE_OPERATIONAL)
        json_write_string(w, NULL, sup->lacks);
    json_write_end(w);
    json_write_array(w, "phases");
    for (int p = PHASE_CORE; p <= (int)sup->phase; p++) {
        json_write_object(w, NULL);
        json_write_string(w, "phase", manifest_phase_name((enum boot_phase)p));
        json_write_integer(w, "ms", (int64_t)sup->phase_ms[p]);
        json_write_end(w);
    }
    json_write_end(w);
}

void report_metrics(struct supervisor *sup, struct buf *b)
{
    buf_adds(b, "# TYPE orbital_service_up gauge\n");
    for (unsigned i = 0; i < sup->count; i++)
        buf_addf(b, "orbital_service_up{service=\"%s\"} %d\n",
                 sup->services[i]->package->manifest.name,
                 sup->services[i]->shown == SERVICE_RUNNING);
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
