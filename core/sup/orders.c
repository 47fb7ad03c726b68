/* Orders of people and of /services in the configuration. */
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/suggest.h"
#include "core/sup/internal.h"

static const char *name_of(const struct service *service)
{
    return service->package->manifest.name;
}

int supervisor_find_or_fail(struct supervisor *sup, const char *name, struct service **ret_service,
                            struct orb_err *err)
{
    const char *names[PACKAGE_MAX];
    AUTO(buf) struct buf all = {0};
    const char *near;

    *ret_service = supervisor_find(sup, name);
    if (*ret_service)
        return 0;
    for (unsigned i = 0; i < sup->count; i++) {
        names[i] = name_of(sup->services[i]);
        buf_addf(&all, "%s%s", i ? ", " : "", names[i]);
    }
    near = suggest_nearest(name, names, sup->count);
    return orb_fail(err, ORB_E_NOT_FOUND, "no service \"%s\"; there are: %s%s%s%s", name,
                    buf_str(&all), near ? "; did you mean " : "", near ? near : "",
                    near ? "?" : "");
}

int supervisor_known(struct supervisor *sup, const char *name, struct orb_err *err)
{
    struct service *service;

    return supervisor_find_or_fail(sup, name, &service, err);
}

/* What runs is the configuration's word; orders are about what it lets run. */
static int may_run(const struct service *service, struct orb_err *err)
{
    const char *name = name_of(service), *lacks = service_lacks(service);

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

int supervisor_service_start(struct supervisor *sup, const char *name, struct orb_err *err)
{
    struct service *service;
    int r = supervisor_find_or_fail(sup, name, &service, err);

    if (r == 0)
        r = may_run(service, err);
    if (r < 0)
        return r;
    if (sup->stopping)
        return orb_fail(err, ORB_E_STATE, "the host is stopping");
    service->wanted = true;
    service->stopped_by[0] = '\0';
    if (service->worker && service->worker->stopping) {
        service->again = true;
        return 0;
    }
    restart_reset(&service->restart);
    service_event(service, EVENT_START);
    return 0;
}

int supervisor_service_stop(struct supervisor *sup, const char *name, const char *by,
                            struct orb_err *err)
{
    struct service *service;
    int r = supervisor_find_or_fail(sup, name, &service, err);

    if (r < 0)
        return r;
    service->wanted = service->again = false;
    snprintf(service->stopped_by, sizeof(service->stopped_by), "%s", by);
    service_event(service, EVENT_STOP);
    return 0;
}

int supervisor_service_restart(struct supervisor *sup, const char *name, struct orb_err *err)
{
    struct service *service;
    int r = supervisor_find_or_fail(sup, name, &service, err);

    if (r == 0)
        r = may_run(service, err);
    if (r < 0)
        return r;
    if (!service->worker)
        return supervisor_service_start(sup, name, err);
    service->wanted = service->again = true;
    service->stopped_by[0] = '\0';
    service_event(service, EVENT_STOP);
    return 0;
}

int supervisor_service_late(struct supervisor *sup, const char *name, const char *why,
                            struct orb_err *err)
{
    struct service *service;
    int r = supervisor_find_or_fail(sup, name, &service, err);

    if (r == 0 && service->worker)
        worker_kill(service->worker, why);
    return r;
}

int supervisor_service_needed(struct supervisor *sup, const char *name, const char *why,
                              struct orb_err *err)
{
    struct service *service;
    int r = supervisor_find_or_fail(sup, name, &service, err);

    if (r < 0 || !service_enabled(service) || (service->wanted && service->state != SERVICE_FAILED))
        return r;
    log_notice(sup->log, "service.needed", KV("service", name), KV("why", why),
               KV("stopped_by", service->stopped_by));
    return supervisor_service_start(sup, name, err);
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
    copy = xcalloc(n + 1, sizeof *copy);
    for (unsigned i = 0; i < n; i++)
        copy[i] = xstrdup(list[i]);
    return copy;
}

int supervisor_configure(struct supervisor *sup, const char *name, int enabled,
                         const char *const *grants, const struct limits *limits,
                         struct orb_err *err)
{
    struct service *service;
    char old[sizeof service->plan.hash], **granted;
    bool was, wanted, same;
    int r = supervisor_find_or_fail(sup, name, &service, err);

    if (r < 0)
        return r;
    memcpy(old, service->plan.hash, sizeof old);
    granted = copy_strings((const char *const *)service->capabilities);
    service->bounds = *limits;
    strings_free(service->grants);
    service->grants = copy_strings(grants);
    r = service_replan(service, err);
    same =
        r == 0 && same_strings(granted, service->capabilities) && !strcmp(old, service->plan.hash);
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
        return wanted ? supervisor_service_start(sup, name, err)
                      : supervisor_service_stop(sup, name, "the configuration", err);
    if (service->wanted && service->worker && !same)
        return supervisor_service_restart(sup, name, err);
    return 0;
}
