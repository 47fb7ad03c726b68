/* Subscriptions: entered, found, dropped. */
#include "core/ipc/subs.h"

#include <string.h>

#include "core/base/xalloc.h"
#include "core/ipc/broker_internal.h"

struct sub *sub_find(struct ipc_interface *interface, const struct ipc_peer *peer,
                     const char *topic)
{
    struct sub *sub = interface->subs;

    while (sub && !(sub->peer == peer && !sub->cb && !strcmp(sub->topic, topic)))
        sub = sub->next;
    return sub;
}

struct sub *sub_add(struct ipc_interface *interface, struct ipc_peer *peer, const char *topic)
{
    struct sub *sub = xcalloc(1, sizeof(*sub));

    snprintf(sub->topic, sizeof(sub->topic), "%s", topic);
    sub->peer = peer;
    if (peer) {
        sub->early = !interface->known;
        peer->early_count += sub->early;
        peer->sub_count++;
    }
    sub->next = interface->subs;
    interface->subs = sub;
    return sub;
}

bool sub_matches(const struct sub *sub, const char *topic)
{
    return !strcmp(sub->topic, "*") || !strcmp(sub->topic, topic);
}

void sub_drop(struct sub **at)
{
    struct sub *sub = *at;

    *at = sub->next;
    sub->peer->sub_count--;
    sub->peer->early_count -= sub->early;
    free(sub);
}

void sub_leave(struct ipc_peer *peer)
{
    struct ipc_interface *next;

    for (struct ipc_interface *i = peer->broker->interfaces; i && peer->sub_count; i = next) {
        next = i->next;
        for (struct sub **at = &i->subs; *at;) {
            if ((*at)->peer == peer)
                sub_drop(at);
            else
                at = &(*at)->next;
        }
        interface_maybe_free(peer->broker, i);
    }
}
