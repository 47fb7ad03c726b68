/* A process ended: by policy and breaker the service is restarted now, later, or left. */
#include "core/sup/internal.h"

#include <string.h>
#include <sys/random.h>

#include "core/base/own.h"

static void on_timer(uv_timer_t *timer)
{
    struct service *service = container_of(timer, struct service, timer);

    service->next_ms = 0;
    service_event(service, service->state == SERVICE_FAILED ? EVENT_PROBE : EVENT_RETRY);
}

static uint32_t random_u32(void)
{
    uint32_t value = 0;

    if (getrandom(&value, sizeof value, GRND_NONBLOCK) != sizeof value)
        value = (uint32_t)now_ns();
    return value;
}

static void stopped(struct service *service)
{
    service_set_state(service, SERVICE_DISABLED);
    service->reason[0] = '\0';
    if (service->again && !service->sup->stopping) {
        service->again = false;
        restart_reset(&service->restart);
        service_event(service, EVENT_START);
    }
}

static void degrade_dependants(struct service *service)
{
    const char *name = service->package->manifest.name;

    for (unsigned i = 0; i < service->sup->count; i++) {
        struct service *s = service->sup->services[i];

        if (s->state == SERVICE_RUNNING && strings_have(s->package->manifest.requires, name))
            log_notice(service->sup->log, "service.dependency-gone",
                       KV("service", s->package->manifest.name), KV("dependency", name));
    }
}

void service_judge(struct service *service, bool clean, const char *reason)
{
    struct supervisor *sup = service->sup;
    const struct manifest *m = &service->package->manifest;
    uint32_t wait = 0;
    enum judgement judgement;

    if (!service->wanted || service->again || sup->stopping) {
        stopped(service);
        supervisor_consider(sup);
        return;
    }
    snprintf(service->reason, sizeof service->reason, "%s", reason);
    judgement = restart_judge(&service->restart, m, clean, now_ms(), random_u32(), &wait);
    log_warn(sup->log, "service.ended", KV("service", m->name), KV("reason", reason),
             KV("next", judgement == JUDGE_RETRY  ? "restart"
                        : judgement == JUDGE_OPEN ? "breaker open"
                                                  : "stays down"),
             KV("wait_ms", wait));
    service->next_ms = judgement == JUDGE_GIVE_UP ? 0 : now_ms() + wait;
    service_set_state(service, judgement == JUDGE_RETRY              ? SERVICE_RESTARTING
                               : judgement == JUDGE_GIVE_UP && clean ? SERVICE_DISABLED
                                                                     : SERVICE_FAILED);
    degrade_dependants(service);
    if (judgement != JUDGE_GIVE_UP)
        uv_timer_start(&service->timer, on_timer, wait, 0);
    supervisor_consider(sup);
}
