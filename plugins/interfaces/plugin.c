/* The interfaces service: addresses, state and MTU of links follow /interfaces. Netlink requests
 * are synchronous (the kernel answers inside the call). A configured link that does not exist
 * refuses a commit, but at start the machine must come up with what it has: then it only degrades
 * the health and is configured when it appears. */
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/interfaces/plugin.h"

static const cJSON *part(const struct orb_change *change)
{
    return cJSON_GetObjectItemCaseSensitive(change->tree, "interfaces");
}

static void own_wants(struct wants *wants)
{
    wants_fini(wants);
}

static void note_absent(struct orb_ctx *ctx, struct interfaces *self, const struct applied *applied)
{
    if (applied->absent && strcmp(self->absent, applied->absent_name))
        orb_log(ctx, ORB_WARNING, "interfaces.absent", ORB_S("name", applied->absent_name),
                ORB_I("count", applied->absent));
    memcpy(self->absent, applied->absent_name, sizeof(self->absent));
}

/* One line for people about one interface that changes, from old to new (either may be NULL); ""
 * when nothing does. */
static void describe(const char *name, const struct want *old, const struct want *new, char *to,
                     size_t size)
{
    unsigned add = 0, del = 0;

    for (unsigned i = 0; new &&i < new->addr_count; i++)
        add += !want_has(old, &new->addrs[i]);
    for (unsigned i = 0; old && i < old->addr_count; i++)
        del += !want_has(new, &old->addrs[i]);
    snprintf(to, size, "%s:", name);
    if (add)
        snprintf(to + strlen(to), size - strlen(to), " add %u address%s", add, add > 1 ? "es" : "");
    if (del)
        snprintf(to + strlen(to), size - strlen(to), " remove %u address%s", del,
                 del > 1 ? "es" : "");
    if (new && (old ? old->mtu : 0) != new->mtu)
        snprintf(to + strlen(to), size - strlen(to), " MTU %u", new->mtu);
    if (new && (!old || old->enabled != new->enabled))
        snprintf(to + strlen(to), size - strlen(to), " %s", new->enabled ? "up" : "down");
    if (!new)
        snprintf(to + strlen(to), size - strlen(to), " no longer configured");
    if (to[strlen(to) - 1] == ':')
        *to = 0;
}

static void plan(struct orb_ctx *ctx, const struct wants *old, const struct wants *new)
{
    char text[160];

    for (unsigned i = 0; i < new->count; i++) {
        const char *name = new->items[i].name;

        describe(name, wants_find(old, name), &new->items[i], text, sizeof(text));
        if (*text)
            orb_plan_step(ctx, "live", text);
    }
    for (unsigned i = 0; i < old->count; i++) {
        if (wants_find(new, old->items[i].name))
            continue;
        describe(old->items[i].name, &old->items[i], NULL, text, sizeof(text));
        orb_plan_step(ctx, "live", text);
    }
}

static int on_prepare(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err)
{
    __attribute__((cleanup(own_wants))) struct wants wants = {0};
    struct interfaces *self = orb_user(ctx);
    struct rtnl_links links = {0};
    struct rtnl_addrs addrs = {0};
    int r;

    r = wants_read(part(change), &wants, err);
    if (r == 0)
        r = rtnl_get_links(self->follow.requests, &links, err);
    if (r == 0)
        r = rtnl_get_addrs(self->follow.requests, &addrs, err);
    if (r == 0)
        r = wants_check(&wants, &links, &addrs, change->initial, err);
    if (r == 0)
        plan(ctx, &self->current, &wants);
    free(links.items);
    free(addrs.items);
    return r;
}

/* Makes the tree so and remembers it as current. On failure the kernel is put back. */
static int change_to(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err)
{
    __attribute__((cleanup(own_wants))) struct wants wants = {0};
    struct interfaces *self = orb_user(ctx);
    struct applied applied;
    struct wants old;
    int r;

    r = wants_read(part(change), &wants, err);
    if (r < 0)
        return r;
    r = wants_apply(self->follow.requests, &self->current, &wants, &self->befores, false, &applied,
                    err);
    if (r < 0) {
        struct applied undone;

        wants_apply(self->follow.requests, &wants, &self->current, &self->befores, false, &undone,
                    NULL);
        return r;
    }
    old = self->current;
    self->current = wants;
    wants = old;
    note_absent(ctx, self, &applied);
    if (applied.not_kept)
        orb_log(ctx, ORB_WARNING, "interfaces.before_not_kept");
    orb_log(ctx, ORB_INFO, "interfaces.applied", ORB_I("added", applied.added),
            ORB_I("removed", applied.removed), ORB_I("links", applied.links));
    return 0;
}

static int on_apply(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err)
{
    return change_to(ctx, change, err);
}

static int on_abort(struct orb_ctx *ctx, const struct orb_change *change, bool applied,
                    struct orb_err *err)
{
    return applied ? change_to(ctx, change, err) : 0;
}

static void on_repair(struct orb_ctx *ctx, void *arg)
{
    struct interfaces *self = arg;
    struct applied applied;
    struct orb_err err = {0};

    if (wants_apply(self->follow.requests, &self->current, &self->current, &self->befores, true,
                    &applied, &err) < 0) {
        orb_log(ctx, ORB_WARNING, "interfaces.repair_failed", ORB_S("reason", err.text));
        return;
    }
    note_absent(ctx, self, &applied);
    if (applied.added || applied.links)
        orb_log(ctx, ORB_NOTICE, "interfaces.repaired", ORB_I("addresses", applied.added),
                ORB_I("links", applied.links));
}

/* Remembers the state of a link; true when it differs from what was known. */
static bool remember(struct interfaces *self, const struct rtnl_link *link, bool gone)
{
    bool up = !gone && (link->flags & IFF_UP), carrier = !gone && link->carrier;
    struct seen *seen = NULL, *items;
    bool differs;

    for (unsigned i = 0; i < self->seen_count && !seen; i++) {
        if (self->seen[i].index == link->index)
            seen = &self->seen[i];
    }
    if (gone) {
        if (seen)
            *seen = self->seen[--self->seen_count];
        return seen;
    }
    if (!seen) {
        items = realloc(self->seen, (self->seen_count + 1) * sizeof(*items));
        if (!items)
            return false;
        self->seen = items;
        seen = &items[self->seen_count++];
        seen->index = 0;
    }
    differs = seen->index != link->index || seen->up != up || seen->carrier != carrier ||
              strcmp(seen->name, link->name);
    *seen = (struct seen){.index = link->index, .up = up, .carrier = carrier};
    memcpy(seen->name, link->name, sizeof(seen->name));
    return differs;
}

static void publish(struct orb_ctx *ctx, const struct rtnl_link *link, bool gone)
{
    cJSON *payload = cJSON_CreateObject();

    cJSON_AddStringToObject(payload, "name", link->name);
    cJSON_AddBoolToObject(payload, "up", !gone && (link->flags & IFF_UP));
    cJSON_AddBoolToObject(payload, "carrier", !gone && link->carrier);
    orb_publish(ctx, "link", payload, NULL);
}

static void on_event(void *arg, struct nlmsghdr *header)
{
    struct orb_ctx *ctx = arg;
    struct interfaces *self = orb_user(ctx);
    bool gone = header->nlmsg_type == RTM_DELLINK;
    struct rtnl_link link;

    if (rtnl_read_link(header, &link)) {
        if (!remember(self, &link, gone))
            return;
        publish(ctx, &link, gone);
    }
    follow_repair_soon(&self->follow);
}

/* Events were lost: what happened shows in a fresh look. */
static void look_again(struct orb_ctx *ctx, struct interfaces *self)
{
    struct rtnl_links links = {0};
    struct rtnl_link gone = {0};

    orb_log(ctx, ORB_WARNING, "interfaces.events_lost");
    follow_repair_soon(&self->follow);
    if (rtnl_get_links(self->follow.requests, &links, NULL) < 0)
        return;
    for (unsigned i = self->seen_count; i-- > 0;) {
        if (rtnl_link_of(&links, self->seen[i].index))
            continue;
        gone.index = self->seen[i].index;
        memcpy(gone.name, self->seen[i].name, sizeof(gone.name));
        remember(self, &gone, true);
        publish(ctx, &gone, true);
    }
    for (unsigned i = 0; i < links.count; i++) {
        if (remember(self, &links.items[i], false))
            publish(ctx, &links.items[i], false);
    }
    free(links.items);
}

static void on_readable(struct orb_ctx *ctx, void *arg, int fd, unsigned events)
{
    struct interfaces *self = arg;

    (void)fd;
    (void)events;
    if (netlink_drain(self->follow.events, on_event, ctx) > 0)
        look_again(ctx, self);
}

static int on_init(struct orb_ctx *ctx, struct orb_err *err)
{
    static const int groups[] = {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, 0};
    struct interfaces *self = calloc(1, sizeof(*self));
    struct rtnl_links links = {0};
    int r;

    if (!self)
        return orb_fail(err, ORB_E_NOMEM, "no memory for the service");
    orb_set_user(ctx, self);
    befores_load(&self->befores, orb_state_dir(ctx));
    r = follow_open(ctx, &self->follow, groups, on_readable, on_repair, self, err);
    if (r < 0)
        return r;
    r = rtnl_get_links(self->follow.requests, &links, err);
    for (unsigned i = 0; r == 0 && i < links.count; i++)
        remember(self, &links.items[i], false);
    free(links.items);
    return r;
}

static void on_stop(struct orb_ctx *ctx)
{
    struct interfaces *self = orb_user(ctx);

    /* Addresses and links stay: a stopped service does not cut the network. */
    follow_close(&self->follow);
    wants_fini(&self->current);
    befores_fini(&self->befores);
    free(self->seen);
    free(self);
}

static int on_health(struct orb_ctx *ctx, struct orb_err *err)
{
    struct interfaces *self = orb_user(ctx);

    if (!self->absent[0])
        return 0;
    return orb_fail(err, ORB_E_STATE, "interface %s is configured but does not exist",
                    self->absent);
}

static const struct orb_method methods[] = {{"list", on_list, 0}, {0}};
static const char *const paths[] = {"/interfaces", NULL};
static const struct orb_config config = {
    .paths = paths, .prepare = on_prepare, .apply = on_apply, .abort = on_abort};

ORB_PLUGIN(.name = "interfaces", .methods = methods, .config = &config, .init = on_init,
           .stop = on_stop, .health = on_health);
