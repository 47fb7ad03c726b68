/* Access decisions. Errors name what is missing: the capability of a service, the role of a user.
 * */
#include "core/ipc/access.h"

#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"

static const char *const roles[] = {"metrics", "viewer", "operator", "admin"};

enum contract_rank access_rank(const char *role)
{
    for (unsigned i = 0; i < ARRAY_LEN(roles); i++)
        if (!strcmp(role, roles[i]))
            return (enum contract_rank)(i + 1);
    return 0;
}

static bool granted(const struct ipc_peer *peer, enum grant_kind kind, const char *interface,
                    const char *name)
{
    for (char **c = peer->capabilities; *c; c++)
        if (grant_covers(*c, kind, interface, name))
            return true;
    return false;
}

static int check_user(const struct principal *who, enum contract_rank needed, const char *verb,
                      const char *interface, const char *name, struct orb_err *err)
{
    if (needed == RANK_INTERNAL)
        return orb_fail(err, ORB_E_DENIED, "%s may not %s %s/%s: it is for services only",
                        who->name, verb, interface, name);
    if (who->rank < needed)
        return orb_fail(err, ORB_E_DENIED, "%s may not %s %s/%s: it requires the role %s, %s is %s",
                        who->name, verb, interface, name, roles[needed - 1], who->name, who->role);
    return 0;
}

/* As names of interfaces, methods and topics are made. */
static bool is_name(const char *text)
{
    return *text && text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789.-*")] == '\0';
}

int access_names(const struct principal *who, enum grant_kind kind, const char *to,
                 const char *name, struct orb_err *err)
{
    AUTO_FREE char *interface = xstrndup(to, strcspn(to, "@"));

    if (who->kind != PEER_SERVICE || !*interface || granted(who->owner, kind, interface, name))
        return 0; /* without a name nothing is looked up */
    if (is_name(interface) && is_name(name))
        return grant_refuse(who->name, kind, interface, name, err);
    return orb_fail(err, ORB_E_DENIED, "service %s lacks the capability for \"%.60s\" of \"%.60s\"",
                    who->name, name, interface);
}

int access_method(const struct principal *who, const struct target *target, struct orb_err *err)
{
    const char *interface = target->interface->name, *name = target->method->name;

    if (who->kind == PEER_HOST)
        return 0;
    if (peer_kind_is_user(who->kind))
        return check_user(who, target->method->rank, "call", interface, name, err);
    if (granted(who->owner, GRANT_CALL, interface, name))
        return 0;
    return grant_refuse(who->name, GRANT_CALL, interface, name, err);
}

int access_topic(const struct principal *who, const struct ipc_interface *interface,
                 const char *topic, struct orb_err *err)
{
    enum contract_rank needed = RANK_OBSERVE;

    if (who->kind == PEER_HOST)
        return 0;
    if (who->kind == PEER_SERVICE) {
        if (granted(who->owner, GRANT_SUBSCRIBE, interface->name, topic))
            return 0;
        return grant_refuse(who->name, GRANT_SUBSCRIBE, interface->name, topic, err);
    }
    for (size_t i = 0; i < interface->contract->event_count; i++) {
        const struct contract_event *e = &interface->contract->events[i];

        if ((!strcmp(topic, "*") || !strcmp(topic, e->name)) && e->rank > needed)
            needed = e->rank;
    }
    return check_user(who, needed, "subscribe to", interface->name, topic, err);
}
