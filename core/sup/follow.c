/* Does what a service does follow the revision that was committed? The worker says which one it
 * follows, the config service which one it should: the newest that changed what the service reads.
 * While a transaction is under way the revision that may come of it is as good. */
#include "core/base/own.h"
#include "core/sup/internal.h"

void service_follow(struct service *service)
{
    const struct supervisor *sup = service->sup;
    bool follows = !service->due || service->revision == service->due ||
                   (sup->applying && service->revision == sup->applying);

    if (follows == !service->behind_ms)
        return;
    service->behind_ms = follows ? 0 : now_ms();
    service_health_changed(service);
}

void supervisor_applying(struct supervisor *sup, uint64_t applying)
{
    sup->applying = applying;
    for (unsigned i = 0; i < sup->count; i++) {
        sup->services[i]->configured = false;
        service_follow(sup->services[i]);
    }
}

void supervisor_due(struct supervisor *sup, const char *name, uint64_t due, bool configured)
{
    struct service *service = supervisor_find(sup, name);

    if (!service)
        return;
    service->configured = configured;
    if (due)
        service->due = due;
    service_follow(service);
}
