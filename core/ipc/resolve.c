/* Routes: finding the provider of a method, and the handles of OPEN. */
#include "core/ipc/resolve.h"

#include <string.h>

#include "core/base/suggest.h"
#include "core/base/xalloc.h"
#include "core/ipc/access.h"
#include "core/ipc/broker_internal.h"
#include "core/ipc/refusal.h"

#define TO_SIZE 96
#define METHOD_SIZE 64

static bool is_service(const struct principal *who)
{
    return who && who->kind == PEER_SERVICE;
}

static int unknown_interface(struct broker *broker, const char *name, bool list,
                             struct orb_err *err)
{
    AUTO_FREE const char **names = xcalloc(broker->interface_count, sizeof(*names));
    AUTO(buf) struct buf all = {0};
    const struct ipc_interface *own =
        strncmp(name, "service.", 8) ? NULL : interface_find(broker, name + 8);
    const char *near;
    size_t n = 0;

    if (broker->starting[0])
        return orb_fail(err, ORB_E_UNAVAILABLE, "orbitald is starting (%s)", broker->starting);
    if (own && own->contract) /* its own methods exist while its worker runs */
        return orb_fail(err, ORB_E_UNAVAILABLE, "service %s is not running", name + 8);
    if (!list)
        return orb_fail(err, ORB_E_NOT_FOUND, "no interface \"%.60s\"", name);
    for (struct ipc_interface *i = broker->interfaces; i; i = i->next)
        if (i->contract && strncmp(i->name, "service.", 8))
            names[n++] = i->name;
    for (size_t i = 0; i < n && all.len < 200; i++)
        buf_addf(&all, "%s%s", i ? ", " : "", names[i]);
    near = suggest_nearest(name, names, n);
    if (near)
        return orb_fail(err, ORB_E_NOT_FOUND, "no interface \"%.60s\"; did you mean %s?", name,
                        near);
    return orb_fail(err, ORB_E_NOT_FOUND, "no interface \"%.60s\"; there are %s", name,
                    n ? buf_str(&all) : "none yet");
}

int resolve_interface(struct broker *broker, const char *to, const struct principal *who,
                      struct ipc_interface **ret_interface, struct orb_err *err)
{
    char name[TO_SIZE];
    const char *at = strchr(to, '@');
    size_t len = at ? (size_t)(at - to) : strlen(to);
    unsigned major = 0, minor = 0;
    struct ipc_interface *interface;
    bool has_minor;

    if (len == 0 || len >= sizeof(name))
        return orb_fail(err, ORB_E_INVALID,
                        "\"to\" is missing or too long; expected interface@MAJOR.MINOR");
    memcpy(name, to, len);
    name[len] = '\0';
    if (at && contract_version_parse(at + 1, &major, &minor, &has_minor) < 0)
        return orb_fail(err, ORB_E_INVALID,
                        "\"%.60s\" names no version; expected interface@MAJOR or "
                        "interface@MAJOR.MINOR",
                        to);
    interface = interface_find(broker, name);
    if (!interface || !interface->contract)
        return unknown_interface(broker, name, !is_service(who), err);
    if (at && (major != interface->contract->major || minor > interface->contract->minor))
        return orb_fail(err, ORB_E_VERSION,
                        "%s is version %s here; %.60s requires major %u and a minor of at least %u",
                        name, interface->contract->version, to, major, minor);
    *ret_interface = interface;
    return 0;
}

static int unknown_method(const struct ipc_interface *interface, const char *method, bool list,
                          struct orb_err *err)
{
    const struct contract *c = interface->contract;
    AUTO_FREE const char **names = xcalloc(c->method_count, sizeof(*names));
    AUTO(buf) struct buf all = {0};
    const char *near;

    if (!list)
        return orb_fail(err, ORB_E_NOT_FOUND, "%s has no method \"%.60s\"", interface->name,
                        method);
    for (size_t i = 0; i < c->method_count; i++) {
        names[i] = c->methods[i].name;
        if (all.len < 250)
            buf_addf(&all, "%s%s", i ? ", " : "", names[i]);
    }
    near = suggest_nearest(method, names, c->method_count);
    if (near)
        return orb_fail(err, ORB_E_NOT_FOUND, "%s has no method \"%.60s\"; did you mean %s?",
                        interface->name, method, near);
    return orb_fail(err, ORB_E_NOT_FOUND, "%s has no method \"%.60s\"; it has %s", interface->name,
                    method, c->method_count ? buf_str(&all) : "none");
}

int resolve_method(struct broker *broker, const char *to, const char *method,
                   const struct principal *who, struct target *ret_target, struct orb_err *err)
{
    struct ipc_interface *interface;
    int r = resolve_interface(broker, to, who, &interface, err);

    if (r < 0)
        return r;
    ret_target->interface = interface;
    ret_target->method = contract_method(interface->contract, method);
    ret_target->provider = interface->provider;
    if (!ret_target->method)
        return unknown_method(interface, method,
                              !is_service(who) || access_names(who, GRANT_CALL, to, "*", NULL) == 0,
                              err);
    return 0;
}

int resolve_available(const struct target *target, struct orb_err *err)
{
    const struct ipc_peer *provider = target->provider;
    const char *name = target->interface->name;

    if (!strncmp(name, "service.", 8))
        name += 8;
    if (!provider)
        return orb_fail(err, ORB_E_UNAVAILABLE, "service %s is not running", name);
    if (provider->conn.dead)
        return orb_fail(err, ORB_E_GONE, "service %s went away", name);
    if (provider->conn.fd >= 0 && !(target->interface->early ? provider->greeted : provider->open))
        return orb_fail(err, ORB_E_UNAVAILABLE, "service %s is starting", name);
    return 0;
}

static struct method_handle *find_handle(struct ipc_peer *peer, const char *to, const char *method)
{
    for (unsigned i = 0; i < peer->handle_count; i++)
        if (!strcmp(peer->handles[i].to, to) && !strcmp(peer->handles[i].method_name, method))
            return &peer->handles[i];
    return NULL;
}

/* A handle is never reused for another target, so a stale one is reported as gone. */
static struct method_handle *make_handle(struct ipc_peer *peer, const char *to, const char *method,
                                         struct orb_err *err)
{
    struct method_handle *handle = find_handle(peer, to, method);

    if (handle)
        return handle;
    if (peer->handle_count == HANDLES_MAX) {
        orb_fail(err, ORB_E_LIMIT, "%s has %d methods open already", peer->self.name, HANDLES_MAX);
        return NULL;
    }
    if ((peer->handle_count & (peer->handle_count - 1)) == 0)
        peer->handles =
            xrealloc(peer->handles,
                     (peer->handle_count ? peer->handle_count * 2u : 1u) * sizeof(*peer->handles));
    handle = &peer->handles[peer->handle_count++];
    *handle = (struct method_handle){.to = xstrdup(to), .method_name = xstrdup(method)};
    return handle;
}

static int open_handle(struct ipc_peer *peer, struct inframe *in, uint32_t *ret_handle,
                       struct orb_err *err)
{
    struct principal *who = principal_of(peer, in->h.src, err);
    char to[TO_SIZE], method[METHOD_SIZE];
    struct target target;
    struct method_handle *handle;
    bool allowed;
    int r;

    if (!who)
        return err->code;
    r = inframe_string(in, "to", to, sizeof(to), err);
    if (r == 0)
        r = inframe_string(in, "method", method, sizeof(method), err);
    if (r == 0)
        r = access_names(who, GRANT_CALL, to, method, err);
    if (r == 0)
        r = resolve_method(peer->broker, to, method, who, &target, err);
    if (r == 0)
        r = access_method(who, &target, err);
    if (r == 0)
        r = resolve_available(&target, err);
    if (r < 0)
        return r;
    allowed = who == &peer->self || access_method(&peer->self, &target, NULL) == 0;
    handle = make_handle(peer, to, method, err);
    if (!handle)
        return err->code;
    handle->target = target;
    handle->allowed = allowed;
    *ret_handle = (uint32_t)(handle - peer->handles) + 1;
    return 0;
}

void resolve_on_open(struct ipc_peer *peer, struct inframe *in)
{
    struct orb_err err;
    uint32_t handle = 0;
    int r = open_handle(peer, in, &handle, &err);

    if (r == ORB_E_PROTOCOL) {
        refusal_disconnect(peer, &err);
    } else if (r < 0) {
        refusal_answer(peer, in->h.corr, &err);
    } else {
        peer_send(peer, &(struct frame){.type = FRAME_OPENED, .corr = in->h.corr, .handle = handle},
                  NULL, NULL, 0);
    }
}

struct method_handle *resolve_handle(struct ipc_peer *peer, uint32_t handle)
{
    return handle && handle <= peer->handle_count ? &peer->handles[handle - 1] : NULL;
}

void resolve_leave(struct broker *broker, struct ipc_peer *provider)
{
    for (struct ipc_peer *peer = broker->peers; peer; peer = peer->next)
        for (unsigned i = 0; i < peer->handle_count; i++)
            if (peer->handles[i].target.provider == provider) {
                peer->handles[i].target.provider = NULL;
                if (peer !=
                    provider) /* the handle is void: tell callers at once, not at the next use */
                    peer_send(peer, &(struct frame){.type = FRAME_GONE, .handle = i + 1}, NULL,
                              NULL, 0);
            }
}

void resolve_free_all(struct ipc_peer *peer)
{
    for (unsigned i = 0; i < peer->handle_count; i++) {
        free(peer->handles[i].to);
        free(peer->handles[i].method_name);
    }
    free(peer->handles);
}
