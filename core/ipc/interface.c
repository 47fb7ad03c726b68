/* The interfaces known to the broker: provider, subscribers, and the last values of state topics.
 * An interface outlives its provider; the values of a provider that ended are dropped. */
#include "core/ipc/interface.h"

#include <string.h>

#include "core/base/xalloc.h"
#include "core/ipc/broker_internal.h"
#include "core/ipc/subs.h"

#define INTERFACES_MAX 1024
#define PEER_MAX_EARLY                                                                             \
    16 /* of the subscriptions of a peer to interfaces nothing has provided yet */

struct ipc_interface *interface_find(struct broker *broker, const char *name)
{
    for (struct ipc_interface *i = broker->interfaces; i; i = i->next)
        if (!strcmp(i->name, name))
            return i;
    return NULL;
}

static struct ipc_interface *make(struct broker *broker, const char *name)
{
    struct ipc_interface *interface = xcalloc(1, sizeof(*interface));

    interface->name = xstrdup(name);
    interface->next = broker->interfaces;
    broker->interfaces = interface;
    broker->interface_count++;
    return interface;
}

/* From now on it is kept: the number of known interfaces depends on packages, not on subscribers.
 * */
static void become_known(struct broker *broker, struct ipc_interface *interface)
{
    if (!interface->known)
        broker->early_interfaces--;
    interface->known = true;
}

struct ipc_interface *interface_get(struct broker *broker, const char *name, struct orb_err *err)
{
    struct ipc_interface *interface = interface_find(broker, name);

    if (interface && interface->known)
        return interface;
    if (broker->interface_count - broker->early_interfaces == INTERFACES_MAX) {
        orb_fail(err, ORB_E_LIMIT, "%d interfaces are known already", INTERFACES_MAX);
        return NULL;
    }
    if (!interface) {
        interface = make(broker, name);
        broker->early_interfaces++;
    }
    become_known(broker, interface);
    return interface;
}

struct ipc_interface *interface_get_early(struct ipc_peer *peer, const char *name,
                                          struct orb_err *err)
{
    struct broker *broker = peer->broker;
    struct ipc_interface *interface = interface_find(broker, name);

    if (peer->early_count == PEER_MAX_EARLY) {
        orb_fail(err, ORB_E_LIMIT, "%s waits for %d interfaces already that nothing provides",
                 peer->self.name, PEER_MAX_EARLY);
        return NULL;
    }
    if (interface)
        return interface;
    broker->early_interfaces++;
    return make(broker, name);
}

void interface_maybe_free(struct broker *broker, struct ipc_interface *interface)
{
    struct ipc_interface **at = &broker->interfaces;

    if (interface->known || interface->subs)
        return;
    while (*at != interface)
        at = &(*at)->next;
    *at = interface->next;
    broker->interface_count--;
    broker->early_interfaces--;
    free(interface->name);
    free(interface);
}

static void drop_values(struct ipc_interface *interface)
{
    while (interface->values) {
        struct topic_value *value = interface->values;

        interface->values = value->next;
        free(value->topic);
        free(value->text);
        free(value);
    }
}

int interface_provide(struct broker *broker, const struct contract *contract, struct ipc_peer *peer,
                      uint32_t base, bool early, struct ipc_interface **ret_interface,
                      struct orb_err *err)
{
    struct ipc_interface *interface = interface_get(broker, contract->interface, err);

    if (!interface)
        return err ? err->code : ORB_E_LIMIT;
    if (interface->provider && !interface->provider->conn.dead)
        return orb_fail(err, ORB_E_CONFLICT, "%s already provides the interface %s",
                        interface->provider->self.name, interface->name);
    drop_values(interface);
    interface->contract = contract;
    interface->provider = peer;
    interface->base = base;
    interface->early = early;
    *ret_interface = interface;
    return 0;
}

void interface_leave(struct broker *broker, struct ipc_peer *peer)
{
    for (struct ipc_interface *i = broker->interfaces; i; i = i->next) {
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

int interface_expect(struct broker *broker, const struct contract *contract, struct orb_err *err)
{
    struct ipc_interface *interface = interface_get(broker, contract->interface, err);

    if (!interface)
        return err ? err->code : ORB_E_LIMIT;
    if (interface->contract == interface->expected)
        interface->contract = contract;
    release(interface->expected);
    interface->expected = contract_ref(contract);
    return 0;
}

void interface_unexpect(struct broker *broker, const struct contract *contract)
{
    for (struct ipc_interface *i = broker->interfaces; i; i = i->next) {
        if (i->expected != contract)
            continue;
        i->expected = NULL;
        if (!i->provider)
            i->contract = NULL;
        release(contract);
    }
}

int interface_may_keep(const struct ipc_interface *interface, const char *topic, size_t len,
                       struct orb_err *err)
{
    size_t others = 0;

    for (const struct topic_value *v = interface->values; v; v = v->next)
        if (strcmp(v->topic, topic))
            others += v->len;
    if (others + len <= INTERFACE_VALUES_MAX)
        return 0;
    return orb_fail(err, ORB_E_LIMIT,
                    "the last values of the state topics of %s would have %zu bytes; at most %u",
                    interface->name, others + len, INTERFACE_VALUES_MAX);
}

void interface_keep(struct ipc_interface *interface, const char *topic, const char *text,
                    size_t len)
{
    struct topic_value *value = interface->values;

    while (value && strcmp(value->topic, topic))
        value = value->next;
    if (!value) {
        value = xcalloc(1, sizeof(*value));
        value->topic = xstrdup(topic);
        value->next = interface->values;
        interface->values = value;
    }
    free(value->text);
    value->text = xstrndup(text, len);
    value->len = len;
}

void interface_free_all(struct broker *broker)
{
    while (broker->interfaces) {
        struct ipc_interface *interface = broker->interfaces;

        broker->interfaces = interface->next;
        drop_values(interface);
        while (interface->subs) {
            struct sub *sub = interface->subs;

            interface->subs = sub->next;
            free(sub);
        }
        release(interface->expected);
        free(interface->name);
        free(interface);
    }
}
