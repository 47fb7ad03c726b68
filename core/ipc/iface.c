/* The interfaces known here: who provides each, who listens, and the last values of its state
 * topics. An interface outlives its provider; what was said by a dead one does not. */
#include "core/ipc/iface.h"

#include <string.h>

#include "core/base/xalloc.h"
#include "core/ipc/broker_internal.h"
#include "core/ipc/subs.h"

#define IFACES_MAX 1024
#define PEER_MAX_EARLY                                                                             \
    16 /* of the subscriptions of a peer to interfaces nothing has provided yet */

struct iface *iface_find(struct broker *broker, const char *name)
{
    for (struct iface *i = broker->ifaces; i; i = i->next)
        if (!strcmp(i->name, name))
            return i;
    return NULL;
}

static struct iface *make(struct broker *broker, const char *name)
{
    struct iface *iface = xcalloc(1, sizeof(*iface));

    iface->name = xstrdup(name);
    iface->next = broker->ifaces;
    broker->ifaces = iface;
    broker->iface_count++;
    return iface;
}

/* From here on it stays: how many there are is the matter of packages, not of who asks for what. */
static void become_known(struct broker *broker, struct iface *iface)
{
    if (!iface->known)
        broker->early_ifaces--;
    iface->known = true;
}

struct iface *iface_get(struct broker *broker, const char *name, struct orb_err *err)
{
    struct iface *iface = iface_find(broker, name);

    if (iface && iface->known)
        return iface;
    if (broker->iface_count - broker->early_ifaces == IFACES_MAX) {
        orb_fail(err, ORB_E_LIMIT, "%d interfaces are known already", IFACES_MAX);
        return NULL;
    }
    if (!iface) {
        iface = make(broker, name);
        broker->early_ifaces++;
    }
    become_known(broker, iface);
    return iface;
}

struct iface *iface_get_early(struct ipc_peer *peer, const char *name, struct orb_err *err)
{
    struct broker *broker = peer->broker;
    struct iface *iface = iface_find(broker, name);

    if (peer->early_count == PEER_MAX_EARLY) {
        orb_fail(err, ORB_E_LIMIT, "%s waits for %d interfaces already that nothing provides",
                 peer->self.name, PEER_MAX_EARLY);
        return NULL;
    }
    if (iface)
        return iface;
    broker->early_ifaces++;
    return make(broker, name);
}

void iface_maybe_free(struct broker *broker, struct iface *iface)
{
    struct iface **at = &broker->ifaces;

    if (iface->known || iface->subs)
        return;
    while (*at != iface)
        at = &(*at)->next;
    *at = iface->next;
    broker->iface_count--;
    broker->early_ifaces--;
    free(iface->name);
    free(iface);
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
    if (iface->provider && !iface->provider->conn.dead)
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

int iface_expect(struct broker *broker, const struct contract *contract, struct orb_err *err)
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

void iface_unexpect(struct broker *broker, const struct contract *contract)
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

int iface_may_keep(const struct iface *iface, const char *topic, size_t len, struct orb_err *err)
{
    size_t others = 0;

    for (const struct topic_value *v = iface->values; v; v = v->next)
        if (strcmp(v->topic, topic))
            others += v->len;
    if (others + len <= IFACE_VALUES_MAX)
        return 0;
    return orb_fail(err, ORB_E_LIMIT,
                    "the last values of the state topics of %s would have %zu bytes; at most %u",
                    iface->name, others + len, IFACE_VALUES_MAX);
}

void iface_keep(struct iface *iface, const char *topic, const char *text, size_t len)
{
    struct topic_value *value = iface->values;

    while (value && strcmp(value->topic, topic))
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

void iface_free_all(struct broker *broker)
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
