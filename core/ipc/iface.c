/* The interfaces known here: who provides each, who listens, and the last values of its state
 * topics. An interface outlives its provider; what was said by a dead one does not. */
#include <string.h>

#include "core/ipc/room.h"

struct iface *iface_find(struct broker *broker, const char *name)
{
    for (struct iface *i = broker->ifaces; i; i = i->next)
        if (strcmp(i->name, name) == 0)
            return i;
    return NULL;
}

struct iface *iface_get(struct broker *broker, const char *name, struct orb_err *err)
{
    struct iface *iface = iface_find(broker, name);

    if (iface)
        return iface;
    if (broker->iface_count == IFACES_MAX) {
        orb_fail(err, ORB_E_LIMIT, "%d interfaces are known already", IFACES_MAX);
        return NULL;
    }
    iface = xcalloc(1, sizeof(*iface));
    iface->name = xstrdup(name);
    iface->next = broker->ifaces;
    broker->ifaces = iface;
    broker->iface_count++;
    return iface;
}

static void drop_values(struct iface *iface)
{
    while (iface->values) {
        struct topic_value *value = iface->values;

        iface->values = value->next;
        free(value->topic);
        free(value->text);
        free(value);
    }
}

int iface_provide(struct broker *broker, const struct contract *contract, struct ipc_peer *peer,
                  uint32_t base, bool early, struct iface **ret_iface, struct orb_err *err)
{
    struct iface *iface = iface_get(broker, contract->interface, err);

    if (!iface)
        return err ? err->code : ORB_E_LIMIT;
    if (iface->provider && !iface->provider->dead)
        return orb_fail(err, ORB_E_CONFLICT, "%s already provides the interface %s",
                        iface->provider->self.name, iface->name);
    drop_values(iface);
    iface->contract = contract;
    iface->provider = peer;
    iface->base = base;
    iface->early = early;
    *ret_iface = iface;
    return 0;
}

void iface_leave(struct broker *broker, struct ipc_peer *peer)
{
    for (struct iface *i = broker->ifaces; i; i = i->next) {
        if (i->provider != peer)
            continue;
        i->provider = NULL;
        i->contract = i->expected;
        drop_values(i);
    }
}

static void release(const struct contract *contract)
{
    contract_free((struct contract *)(uintptr_t)contract);
}

int broker_expect(struct broker *broker, const struct contract *contract, struct orb_err *err)
{
    struct iface *iface = iface_get(broker, contract->interface, err);

    if (!iface)
        return err ? err->code : ORB_E_LIMIT;
    if (iface->contract == iface->expected)
        iface->contract = contract;
    release(iface->expected);
    iface->expected = contract_ref(contract);
    return 0;
}

void broker_unexpect(struct broker *broker, const struct contract *contract)
{
    for (struct iface *i = broker->ifaces; i; i = i->next) {
        if (i->expected != contract)
            continue;
        i->expected = NULL;
        if (!i->provider)
            i->contract = NULL;
        release(contract);
    }
}

void iface_keep(struct iface *iface, const char *topic, const char *text, size_t len)
{
    struct topic_value *value = iface->values;

    while (value && strcmp(value->topic, topic) != 0)
        value = value->next;
    if (!value) {
        value = xcalloc(1, sizeof(*value));
        value->topic = xstrdup(topic);
        value->next = iface->values;
        iface->values = value;
    }
    free(value->text);
    value->text = xstrndup(text, len);
    value->len = len;
}

void ifaces_free(struct broker *broker)
{
    while (broker->ifaces) {
        struct iface *iface = broker->ifaces;

        broker->ifaces = iface->next;
        drop_values(iface);
        while (iface->subs) {
            struct sub *sub = iface->subs;

            iface->subs = sub->next;
            free(sub);
        }
        release(iface->expected);
        free(iface->name);
        free(iface);
    }
}
