/* Settings, MTU and state of links: part of applying, see run.h. */
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "plugins/interfaces/before.h"
#include "plugins/interfaces/links.h"
#include "plugins/interfaces/model.h"
#include "plugins/interfaces/run.h"

#define KERNEL_TODO "see the kernel's reason; it is tried again by itself"

static bool settings_right(const struct rtnl_link *link)
{
    return !link->has_inet || (link->promote_secondaries && link->ignore_linkdown);
}

bool links_settings_right(const struct wants *wants, const struct rtnl_links *links)
{
    for (unsigned i = 0; i < wants->count; i++) {
        const struct rtnl_link *link = rtnl_link_find(links, wants->items[i].name);

        if (link && !settings_right(link))
            return false;
    }
    return true;
}

/* What links were is kept before the kernel is changed, in one go. */
static int keep_before(struct run *run, struct orb_err *err)
{
    bool changed = before_rename(run->befores, &run->links);

    for (unsigned i = 0; i < run->new->count; i++) {
        const struct want *want = &run->new->items[i];
        const struct rtnl_link *link = rtnl_link_find(&run->links, want->name);
        struct before *b;
        bool fresh;

        if (!link)
            continue;
        b = before_get(run->befores, link, &fresh);
        if (!b)
            return orb_fail(err, ORB_E_NOMEM, "no memory for the state of %s", want->name);
        changed |= fresh || (want->mtu && !b->mtu_changed);
        b->fresh |= fresh;
        b->mtu_changed |= want->mtu != 0;
    }
    if (changed)
        before_save(run->befores);
    return 0;
}

int links_settings(struct run *run, struct orb_err *err)
{
    int r = keep_before(run, err);

    for (unsigned i = 0; r == 0 && i < run->new->count; i++) {
        const struct want *want = &run->new->items[i];
        const struct rtnl_link *link = rtnl_link_find(&run->links, want->name);
        struct trouble t = {.kind = "setting", .name = want->name, .place = -1};
        struct orb_err why = {0};

        if (!link || settings_right(link))
            continue;
        if (rtnl_link_set_inet(run->socket, link->index, 1, 1, &why) == 0) {
            run->applied->settings++;
            continue;
        }
        t.doing = "cannot set promote_secondaries and ignore_routes_with_linkdown";
        t.todo = KERNEL_TODO;
        run_trouble(run, false, &t, &why, err);
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

static int set_mtu(struct run *run, struct want *want, const struct rtnl_link *link,
                   struct before *b, struct orb_err *err)
{
    const struct want *was = model_find(run->old, want->name);
    struct trouble t = {.kind = "mtu", .name = want->name, .leaf = "mtu", .place = -1};
    unsigned mtu = want->mtu ? (unsigned)want->mtu : b->mtu_changed ? b->mtu : 0;
    struct orb_err why = {0};
    char doing[64];
    int r;

    r = model_check_mtu(want, link, &why);
    if (r == 0) {
        snprintf(doing, sizeof(doing), "cannot set MTU %u", mtu);
        t.doing = doing;
        r = set_link(run, link, mtu, -1, &why);
    }
    want->once_more = r < 0 && run->first_pass;
    if (want->once_more)
        return 0;
    if (r < 0) {
        t.todo = "choose an MTU that the interface takes";
        return run_trouble(run, !was || was->mtu != want->mtu, &t, &why, err);
    }
    if (b->mtu_changed && !want->mtu) {
        b->mtu_changed = false;
        before_save(run->befores);
    }
    return 0;
}

static int set_state(struct run *run, struct want *want, const struct rtnl_link *link, bool fresh,
                     struct orb_err *err)
{
    const struct want *was = model_find(run->old, want->name);
    bool touched = run->mode != APPLY_REPAIR && (!was || was->enabled != want->enabled);
    struct trouble t = {.kind = "state", .name = want->name, .leaf = "enabled", .place = -1};
    struct orb_err why = {0};
    int r;

    if (!touched && !fresh && !want->state_pending && run->mode != APPLY_START)
        return 0;
    r = set_link(run, link, 0, want->enabled, &why);
    want->state_pending = r < 0;
    want->once_more |= r < 0 && run->first_pass;
    if (r >= 0 || run->first_pass)
        return 0;
    t.doing = want->enabled ? "cannot take up the link" : "cannot take down the link";
    t.todo = KERNEL_TODO;
    return run_trouble(run, touched, &t, &why, err);
}

static int set_one(struct run *run, struct want *want, const struct rtnl_link *link,
                   struct orb_err *err)
{
    struct before *b = before_find(run->befores, want->name);
    int r = b ? set_mtu(run, want, link, b, err) : 0;

    if (r == 0 && b)
        r = set_state(run, want, link, b->fresh, err);
    return r;
}

/* What stands on another link (macvlan, VLAN) may need that one's MTU or state first, wherever it
 * is in the configuration: what did not work is tried once more behind all others. */
int links_run(struct run *run, struct orb_err *err)
{
    int r = 0;

    for (unsigned pass = 0; pass < 2; pass++) {
        run->first_pass = pass == 0;
        for (unsigned i = 0; r == 0 && i < run->new->count; i++) {
            struct want *want = &run->new->items[i];
            const struct rtnl_link *link = rtnl_link_find(&run->links, want->name);

            if (link && (pass == 0 || want->once_more))
                r = set_one(run, want, link, err);
        }
    }
    for (unsigned i = 0; r == 0 && i < run->befores->count; i++)
        run->befores->items[i].fresh = false;
    return r;
}

int links_release(struct run *run, struct orb_err *err)
{
    bool dropped = false;

    for (unsigned i = run->befores->count; i-- > 0;) {
        struct before b = run->befores->items[i];
        const struct rtnl_link *link = rtnl_link_find(&run->links, b.name);
        struct trouble t = {.kind = "release", .name = b.name, .place = -1};
        struct orb_err why = {0};
        int r = 0;

        if (model_find(run->new, b.name))
            continue;
        if (link && link->index == b.index) {
            r = set_link(run, link, b.mtu_changed ? b.mtu : 0, b.up, &why);
            if (link->has_inet && b.settings_known)
                rtnl_link_set_inet(run->socket, link->index, b.promote, b.linkdown, NULL);
        }
        before_drop(run->befores, &run->befores->items[i]);
        dropped = true;
        if (r < 0) {
            t.doing = "cannot give back MTU and state";
            t.todo = KERNEL_TODO;
            r = run_trouble(run, model_find(run->old, b.name), &t, &why, err);
        }
        if (r < 0)
            return r;
    }
    if (dropped)
        before_save(run->befores);
    return 0;
}
