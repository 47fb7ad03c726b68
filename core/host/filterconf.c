/* A configured firewall needs its service. While that is missing – not installed, refused, or
 * disabled by the configuration – boot does not complete, unless /firewall is empty: otherwise
 * nothing would show that changes of it are not enforced. */
#include "core/host/filterconf.h"

#include <stdio.h>
#include <string.h>

#include "core/base/own.h"
#include "core/host/confpart.h"
#include "core/host/host_internal.h"
#include "core/host/problem.h"
#include "core/host/health.h"
#include "core/sup/report.h"

#define PACKAGE "firewall"
#define PROBLEM "firewall.not-there"

struct found {
    bool installed, disabled;
    char not_granted[128]; /* the first capability requested but not granted */
};

/* Adds the reason: stopped by a user, not serviceable by this host (no data plane), or other. */
static void on_service(void *arg, const struct service_view *s)
{
    struct found *found = arg;

    if (!s->shipped || strcmp(s->name, PACKAGE))
        return;
    found->installed = true;
    snprintf(found->not_granted, sizeof(found->not_granted), "%s",
             s->not_granted ? s->not_granted : "");
    found->disabled = !s->wanted && !s->lacks &&
                      (!s->stopped_by[0] || !strcmp(s->stopped_by, "the configuration"));
}

static bool is_missed(const struct found *found)
{
    return !found->installed || found->disabled || found->not_granted[0];
}

static void complain(struct orbitald *host, const struct found *found)
{
    AUTO_FREE char *curtailed = NULL;

    if (!found->installed) {
        problem_set(host, PROBLEM, HEALTH_FAILED,
                    "/firewall is configured, and no package firewall is installed: nothing is "
                    "filtered, and the boot does not come to its end",
                    "/firewall", "install the package firewall again, or delete /firewall");
        return;
    }
    if (found->disabled) {
        problem_set(host, PROBLEM, HEALTH_FAILED,
                    "/firewall is configured, and /services/firewall/enabled is false: no change "
                    "of it is enforced, and the boot does not come to its end",
                    "/services/firewall/enabled", "set it to true, or delete /firewall");
        return;
    }
    curtailed = buf_format("/firewall is configured, and /services/firewall/grants leaves out %s: "
                           "it is not enforced, and the boot does not come to its end",
                           found->not_granted);
    problem_set(host, PROBLEM, HEALTH_FAILED, curtailed, "/services/firewall/grants",
                "delete it: firewall is then granted what it requests");
}

static void tell(struct orbitald *host, const struct found *found)
{
    bool missed = is_missed(found) && host->filter_wanted != FILTERCONF_NONE;

    if (missed && host->filter_wanted == FILTERCONF_WANTED)
        complain(host, found);
    else
        problem_clear(host, PROBLEM);
    supervisor_lacks(host->supervisor, missed ? PACKAGE : NULL); /* also while it is not known */
}

static void follow(struct orbitald *host, const json_t *firewall, const struct orb_err *err)
{
    bool none = firewall ? json_is_null(firewall) ||
                               (json_is_object(firewall) && json_object_size(firewall) == 0)
                         : err->code == ORB_E_NOT_FOUND || err->code == ORB_E_SCHEMA;
    struct found found = {0};

    if (host->stopping)
        return;
    if (none || firewall)
        host->filter_wanted = none ? FILTERCONF_NONE : FILTERCONF_WANTED;
    report_each(host->supervisor, on_service, &found);
    tell(host, &found);
}

int filterconf_check(struct orbitald *host, bool configured, struct orb_err *err)
{
    struct found found = {0};
    int r = 0;

    if (host->stopping)
        return 0;
    report_each(host->supervisor, on_service, &found);
    if (!configured)
        found = (struct found){.installed = found.installed};
    if (!host->filter && is_missed(&found)) {
        r = confpart_new(host, "/firewall", follow, &host->filter, err);
        if (r == 0)
            confpart_refresh(host->filter);
    }
    tell(host, &found);
    return r;
}
