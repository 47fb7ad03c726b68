/* Settings, MTU and state of links: part of applying, see run.h. */
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "plugins/interfaces/link_state.h"
#include "plugins/interfaces/links.h"
#include "plugins/interfaces/model.h"
#include "plugins/interfaces/run.h"

#define KERNEL_TODO "see the kernel's reason; it is retried automatically"

static bool settings_right(const struct rtnl_link *link)
{
    return !link->has_inet || (link->promote_secondaries && link->ignore_linkdown);
}

bool links_settings_right(const struct desired_list *desired_list, const struct rtnl_links *links)
{
    for (unsigned i = 0; i < desired_list->count; i++) {
        const struct rtnl_link *link = rtnl_link_find(links, desired_list->items[i].name);

        if (link && !settings_right(link))
            return false;
    }
    return true;
}

/* What links were is kept before the kernel is changed, in one go. */
static int save_link_states(struct run *run, struct orb_err *err)
{
    bool changed = link_state_rename(run->saved, &run->links);

    for (unsigned i = 0; i < run->new->count; i++) {
        const struct desired *desired = &run->new->items[i];
        const struct rtnl_link *link = rtnl_link_find(&run->links, desired->name);
        struct link_state *b;
        bool fresh;

        if (!link)
            continue;
        b = link_state_get(run->saved, link, &fresh);
        if (!b)
            return orb_fail(err, ORB_E_NOMEM, "no memory for the state of %s", desired->name);
        changed |= fresh || (desired->mtu && !b->mtu_changed);
        b->fresh |= fresh;
        b->mtu_changed |= desired->mtu != 0;
    }
    if (changed)
        link_state_save(run->saved);
    return 0;
}

int links_settings(struct run *run, struct orb_err *err)
{
    int r = save_link_states(run, err);

    for (unsigned i = 0; r == 0 && i < run->new->count; i++) {
        const struct desired *desired = &run->new->items[i];
        const struct rtnl_link *link = rtnl_link_find(&run->links, desired->name);
        struct failure t = {.kind = "setting", .name = desired->name, .place = -1};
        struct orb_err why = {0};

        if (!link || settings_right(link))
            continue;
        if (rtnl_link_set_inet(run->socket, link->index, 1, 1, &why) == 0) {
            run->applied->settings++;
            continue;
        }
        t.doing = "cannot set promote_secondaries and ignore_routes_with_linkdown";
        t.todo = KERNEL_TODO;
        run_failure(run, false, &t, &why, err);
    }
    return r;
}

/* 1: changed, 0: it was so. */
static int set_link(struct run *run, const struct rtnl_link *link, unsigned mtu, int up,
                    struct orb_err *err)
{
    int r;

    if (mtu == link->mtu)
        mtu = 0;
    if (up >= 0 && !!(link->flags & IFF_UP) == up)
        up = -1;
    if (!mtu && up < 0)
        return 0;
    r = rtnl_link_set(run->socket, link->index, mtu, up, err);
    run->applied->links += r == 0;
    return r < 0 ? r : 1;
}

static int set_mtu(struct run *run, struct desired *desired, const struct rtnl_link *link,
                   struct link_state *b, struct orb_err *err)
{
    const struct desired *was = model_find(run->old, desired->name);
    struct failure t = {.kind = "mtu", .name = desired->name, .leaf = "mtu", .place = -1};
    unsigned mtu = desired->mtu ? (unsigned)desired->mtu : b->mtu_changed ? b->mtu : 0;
    struct orb_err why = {0};
    char doing[64];
    int r;

    r = model_check_mtu(desired, link, &why);
    if (r == 0) {
        snprintf(doing, sizeof(doing), "cannot set MTU %u", mtu);
        t.doing = doing;
        r = set_link(run, link, mtu, -1, &why);
    }
    desired->once_more = r < 0 && run->first_pass;
    if (desired->once_more)
        return 0;
    if (r < 0) {
        t.todo = "choose an MTU that the interface takes";
        return run_failure(run, !was || was->mtu != desired->mtu, &t, &why, err);
    }
    if (b->mtu_changed && !desired->mtu) {
        b->mtu_changed = false;
        link_state_save(run->saved);
    }
    return 0;
}

static int set_state(struct run *run, struct desired *desired, const struct rtnl_link *link,
                     bool fresh, struct orb_err *err)
{
    const struct desired *was = model_find(run->old, desired->name);
    bool touched = run->mode != APPLY_REPAIR && (!was || was->enabled != desired->enabled);
    struct failure t = {.kind = "state", .name = desired->name, .leaf = "enabled", .place = -1};
    struct orb_err why = {0};
    int r;

    if (!touched && !fresh && !desired->state_pending && run->mode != APPLY_START)
        return 0;
    r = set_link(run, link, 0, desired->enabled, &why);
    desired->state_pending = r < 0;
    desired->once_more |= r < 0 && run->first_pass;
    if (r >= 0 || run->first_pass)
        return 0;
    t.doing = desired->enabled ? "cannot take up the link" : "cannot take down the link";
    t.todo = KERNEL_TODO;
    return run_failure(run, touched, &t, &why, err);
}

static int set_one(struct run *run, struct desired *desired, const struct rtnl_link *link,
                   struct orb_err *err)
{
    struct link_state *b = link_state_find(run->saved, desired->name);
    int r = b ? set_mtu(run, desired, link, b, err) : 0;

    if (r == 0 && b)
        r = set_state(run, desired, link, b->fresh, err);
    return r;
}

/* A link on another one (macvlan, VLAN) may need the MTU or state of that one first, wherever it is
 * in the configuration: failed ones are tried once more after all others. */
int links_run(struct run *run, struct orb_err *err)
{
    int r = 0;

    for (unsigned pass = 0; pass < 2; pass++) {
        run->first_pass = pass == 0;
        for (unsigned i = 0; r == 0 && i < run->new->count; i++) {
            struct desired *desired = &run->new->items[i];
            const struct rtnl_link *link = rtnl_link_find(&run->links, desired->name);

            if (link && (pass == 0 || desired->once_more))
                r = set_one(run, desired, link, err);
        }
    }
    for (unsigned i = 0; r == 0 && i < run->saved->count; i++)
        run->saved->items[i].fresh = false;
    return r;
}

int links_release(struct run *run, struct orb_err *err)
{
    bool dropped = false;

    for (unsigned i = run->saved->count; i-- > 0;) {
        struct link_state b = run->saved->items[i];
        const struct rtnl_link *link = rtnl_link_find(&run->links, b.name);
        struct failure t = {.kind = "release", .name = b.name, .place = -1};
        struct orb_err why = {0};
        int r = 0;

        if (model_find(run->new, b.name))
            continue;
        if (link && link->index == b.index) {
            r = set_link(run, link, b.mtu_changed ? b.mtu : 0, b.up, &why);
            if (link->has_inet && b.settings_known)
                rtnl_link_set_inet(run->socket, link->index, b.promote, b.linkdown, NULL);
        }
        link_state_drop(run->saved, &run->saved->items[i]);
        dropped = true;
        if (r < 0) {
            t.doing = "cannot give back MTU and state";
            t.todo = KERNEL_TODO;
            r = run_failure(run, model_find(run->old, b.name), &t, &why, err);
        }
        if (r < 0)
            return r;
    }
    if (dropped)
        link_state_save(run->saved);
    return 0;
}
