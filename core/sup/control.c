/* See control.h. */
#include "core/sup/control.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/strings.h"
#include "core/base/xalloc.h"
#include "core/sup/supervisor_internal.h"

/* Users can start and stop only what the configuration allows to run. */
static int may_run(const struct service *service, struct orb_err *err)
{
    const char *name = service_name(service), *lacks = service_lacks(service);

    if (service_enabled(service))
        return 0;
    if (lacks)
        return orb_fail(err, ORB_E_STATE, "%s is not started: this host serves no %s", name, lacks);
    if (service->sup->setup.shipped_only && !service->package->shipped)
        return orb_fail(err, ORB_E_STATE,
                        "%s is not started: only shipped packages run in safe mode", name);
    return orb_fail(
        err, ORB_E_STATE,
        "%s is not enabled in the configuration; to enable it: `orbctl config set services "
        "%s enabled true` and `orbctl config commit`",
        name, name);
}

int control_start(struct supervisor *sup, const char *name, struct orb_err *err)
{
    struct service *service;
    int r = supervisor_lookup(sup, name, &service, err);

    if (r == 0)
        r = may_run(service, err);
    if (r < 0)
        return r;
    if (sup->stopping)
        return orb_fail(err, ORB_E_STATE, "the host is stopping");
    service->wanted = true;
    service->stopped_by[0] = '\0';
    if (service->state != MACHINE_STOPPING)
        restart_reset(&service->restart);
    service_event(service, EVENT_START, NULL);
    return 0;
}

int control_stop(struct supervisor *sup, const char *name, const char *by, struct orb_err *err)
{
    struct service *service;
    int r = supervisor_lookup(sup, name, &service, err);

    if (r < 0)
        return r;
    service->wanted = service->again = false;
    snprintf(service->stopped_by, sizeof(service->stopped_by), "%s", by);
    service_event(service, EVENT_STOP, NULL);
    return 0;
}

int control_restart(struct supervisor *sup, const char *name, struct orb_err *err)
{
    struct service *service;
    int r = supervisor_lookup(sup, name, &service, err);

    if (r == 0)
        r = may_run(service, err);
    if (r < 0)
        return r;
    if (!service->worker)
        return control_start(sup, name, err);
    service->wanted = service->again = true;
    service->stopped_by[0] = '\0';
    service_event(service, EVENT_STOP, NULL);
    return 0;
}

int control_kill(struct supervisor *sup, const char *name, const char *why, struct orb_err *err)
{
    struct service *service;
    int r = supervisor_lookup(sup, name, &service, err);

    if (r == 0)
        service_event(service, EVENT_FAULT, why);
    return r;
}

int control_need(struct supervisor *sup, const char *name, const char *why, struct orb_err *err)
{
    struct service *service;
    int r = supervisor_lookup(sup, name, &service, err);

    if (r < 0 || !service_enabled(service) || (service->wanted && service->state != MACHINE_FAILED))
        return r;
    log_notice(sup->host.log, "service.needed", KV("service", name), KV("why", why),
               KV("stopped-by", service->stopped_by));
    return control_start(sup, name, err);
}

static bool same_strings(char *const *a, char *const *b)
{
    while (*a && *b && !strcmp(*a, *b)) {
        a++;
        b++;
    }
    return !*a && !*b;
}

static char **copy_strings(const char *const *list)
{
    char **copy;
    unsigned n = 0;

    if (!list)
        return NULL;
    while (list[n])
        n++;
    copy = xcalloc(n + 1, sizeof(*copy));
    for (unsigned i = 0; i < n; i++)
        copy[i] = xstrdup(list[i]);
    return copy;
}

int control_configure(struct supervisor *sup, const char *name, int enabled,
                      const char *const *grants, const struct limits *limits, struct orb_err *err)
{
    struct service *service;
    char old[sizeof(service->spec.plan.hash)], **granted;
    bool was, wanted, same;
    int r = supervisor_lookup(sup, name, &service, err);

    if (r < 0)
        return r;
    memcpy(old, service->spec.plan.hash, sizeof(old));
    granted = copy_strings((const char *const *)service->spec.capabilities);
    service->bounds = *limits;
    strings_free(service->grants);
    service->grants = copy_strings(grants);
    r = service_plan(service, err);
    same = r == 0 && same_strings(granted, service->spec.capabilities) &&
           !strcmp(old, service->spec.plan.hash);
    strings_free(granted);
    if (r < 0)
        return r;
    was = service_enabled(service);
    service->enabled = enabled;
    wanted = service_enabled(service);
    service_hold_ports(service);
    if (!sup->started_ms || sup->stopping)
        return 0;
    /* Only what changed: a service stopped by hand stays so when something else is committed. */
    if (wanted != was)
        return wanted ? control_start(sup, name, err)
                      : control_stop(sup, name, "the configuration", err);
    if (service->wanted && service->worker && !same)
        return control_restart(sup, name, err);
    return 0;
}
