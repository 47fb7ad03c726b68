/* What is configured to be filtered needs the package that filters. Without one – it is not
 * installed, or was refused – the boot does not come to its end, until /firewall is empty: nothing
 * would tell otherwise that all is let through. */
#include "core/host/filterconf.h"

#include <string.h>

#include "core/base/own.h"
#include "core/host/confpart.h"
#include "core/host/host_internal.h"
#include "core/host/problem.h"
#include "core/host/verdict.h"

#define PACKAGE "firewall"
#define PROBLEM "firewall.not-there"

static bool is_installed(const struct orbitald *host)
{
    for (unsigned i = 0; i < host->packages.count; i++)
        if (host->packages.items[i]->shipped &&
            !strcmp(host->packages.items[i]->manifest.name, PACKAGE))
            return true;
    return false;
}

static void follow(struct orbitald *host, const json_t *firewall, const struct orb_err *err)
{
    bool none = firewall ? json_is_null(firewall) ||
                               (json_is_object(firewall) && json_object_size(firewall) == 0)
                         : err->code == ORB_E_NOT_FOUND || err->code == ORB_E_SCHEMA;

    if (host->stopping)
        return;
    if (none)
        problem_clear(host, PROBLEM);
    else if (firewall)
        problem_set(host, PROBLEM, VERDICT_FAILED,
                    "/firewall is configured, and no package firewall is installed: nothing is "
                    "filtered, and the boot does not come to its end",
                    "/firewall", "install the package firewall again, or delete /firewall");
    supervisor_lacks(host->supervisor, none ? NULL : PACKAGE);
}

int filterconf_new(struct orbitald *host, struct confpart **ret_part, struct orb_err *err)
{
    if (is_installed(host))
        return 0;
    supervisor_lacks(host->supervisor, PACKAGE); /* until it is known that none is wanted */
    return confpart_new(host, "/firewall", follow, ret_part, err);
}
