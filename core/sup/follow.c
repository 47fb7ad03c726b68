/* Whether a service follows the committed revision. The worker reports the revision it follows, the
 * config service the one it should follow: the newest that changed what the service reads. */
#include "core/sup/follow.h"

#include "core/sup/supervisor_internal.h"

/* While a transaction is under way the revision that may come of it is as good. */
void follow_check(struct service *service)
{
    const struct supervisor *sup = service->sup;
    bool follows = !service->due || service->revision == service->due ||
                   (sup->applying && service->revision == sup->applying);

    if (follows == !service->behind_ms)
        return;
    service->behind_ms = follows ? 0 : supervisor_now(sup);
    service_health_changed(service);
}

void follow_applying(struct supervisor *sup, uint64_t applying)
{
    sup->applying = applying;
    for (unsigned i = 0; i < sup->count; i++) {
        sup->services[i]->configured = false;
        follow_check(sup->services[i]);
    }
}

void follow_due(struct supervisor *sup, const char *name, uint64_t due, bool configured)
{
    struct service *service = supervisor_find(sup, name);

    if (!service)
        return;
    service->configured = configured;
    if (due)
        service->due = due;
    follow_check(service);
}
