/* Applies /interfaces: see apply.h. Order matters: all removals come first (an address may move
 * between links, and IPv4 loses secondaries with their primary), then MTU and state (IPv6 loses its
 * addresses when a link goes down), then a fresh look and what is missing. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/interfaces/apply.h"
#include "plugins/lib/near.h"

struct run {
    struct nl_sock *socket;
    const struct wants *old, *new;
    struct befores *befores;
    bool repair;
    struct rtnl_links links;
    struct rtnl_addrs addrs;
    struct applied *applied;
};

static int failed(struct orb_err *err, const char *name, const char *leaf, const char *doing)
{
    char path[ORB_ERR_PATH] = "/interfaces";

    pointer_push(path, sizeof(path), name);
    if (leaf)
        pointer_push(path, sizeof(path), leaf);
    orb_wrap(err, "%s of %s", doing, name);
    if (err) {
        err->code = ORB_E_KERNEL;
        snprintf(err->path, sizeof(err->path), "%s", path);
    }
    return ORB_E_KERNEL;
}

static int remove_addresses(struct run *run, struct orb_err *err)
{
    for (unsigned i = 0; i < run->addrs.count; i++) {
        const struct rtnl_addr *a = &run->addrs.items[i];
        const struct rtnl_link *link = rtnl_link_of(&run->links, a->index);
        struct orb_err why = {0};
        char text[ADDRESS_TEXT], doing[96];
        bool ours;
        int r;

        if (!link)
            continue;
        ours =
            a->protocol == NETLINK_OURS || want_has(wants_find(run->old, link->name), &a->prefix);
        if (!ours || want_has(wants_find(run->new, link->name), &a->prefix))
            continue;
        r = rtnl_del_addr(run->socket, a->index, &a->prefix, &why);
        run->applied->removed += r == 0;
        /* Gone already: a secondary that went with its primary, or a link that vanished. */
        if (r == 0 || r == -EADDRNOTAVAIL || r == -ENODEV || run->repair)
            continue;
        if (err)
            *err = why;
        snprintf(doing, sizeof(doing), "cannot remove address %s", prefix_text(&a->prefix, text));
        return failed(err, link->name, "addresses", doing);
    }
    return 0;
}

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
    r = rtnl_set_link(run->socket, link->index, mtu, up, err);
    if (r < 0) {
        char doing[64];

        if (mtu)
            snprintf(doing, sizeof(doing), "cannot set MTU %u", mtu);
        else
            snprintf(doing, sizeof(doing), "cannot take %s", up ? "up the link" : "down the link");
        return failed(err, link->name, mtu ? "mtu" : "enabled", doing);
    }
    run->applied->links++;
    return 0;
}

/* MTU and state of the configured links. */
static int set_links(struct run *run, struct orb_err *err)
{
    for (unsigned i = 0; i < run->new->count; i++) {
        const struct want *want = &run->new->items[i];
        const struct rtnl_link *link = rtnl_find_link(&run->links, want->name);
        struct before *b;
        unsigned mtu = 0;
        bool fresh;
        int r;

        if (!link) {
            run->applied->absent++;
            memcpy(run->applied->absent_name, want->name, sizeof(want->name));
            continue;
        }
        b = before_get(run->befores, link, &fresh);
        if (!b)
            return orb_fail(err, ORB_E_NOMEM, "no memory for the state of %s", want->name);
        if (want->mtu)
            mtu = want->mtu;
        else if (b->mtu_changed)
            mtu = b->mtu;
        if (fresh || (want->mtu && !b->mtu_changed)) { /* noted before the kernel changes */
            b->mtu_changed |= want->mtu != 0;
            run->applied->not_kept |= !befores_save(run->befores);
        }
        r = set_link(run, link, mtu, run->repair && !fresh ? -1 : want->enabled, err);
        if (r < 0 && !run->repair)
            return r;
        if (b->mtu_changed && !want->mtu && r == 0) {
            b->mtu_changed = false;
            run->applied->not_kept |= !befores_save(run->befores);
        }
    }
    return 0;
}

/* Links that left the configuration get back what they had; also those it left while we were dead.
 */
static int release_links(struct run *run, struct orb_err *err)
{
    bool dropped = false;

    for (unsigned i = run->befores->count; i-- > 0;) {
        struct before *b = &run->befores->items[i];
        const struct rtnl_link *link = rtnl_find_link(&run->links, b->name);
        int r = 0;

        if (wants_find(run->new, b->name))
            continue;
        if (link && link->index == b->index)
            r = set_link(run, link, b->mtu_changed ? b->mtu : 0, b->up, err);
        before_drop(run->befores, b);
        dropped = true;
        if (r < 0 && !run->repair)
            return r;
    }
    if (dropped)
        run->applied->not_kept |= !befores_save(run->befores);
    return 0;
}

static bool has_address(const struct run *run, int index, const struct prefix *p)
{
    for (unsigned i = 0; i < run->addrs.count; i++) {
        const struct rtnl_addr *a = &run->addrs.items[i];

        /* In repair any owner will do: claiming again makes an event, and an event a repair. */
        if (a->index == index && prefix_equal(&a->prefix, p) &&
            (run->repair || a->protocol == NETLINK_OURS))
            return true;
    }
    return false;
}

static int add_addresses(struct run *run, struct orb_err *err)
{
    for (unsigned i = 0; i < run->new->count; i++) {
        const struct want *want = &run->new->items[i];
        const struct rtnl_link *link = rtnl_find_link(&run->links, want->name);
        bool down = !want->enabled || (run->repair && link && !(link->flags & IFF_UP));

        for (unsigned j = 0; link && j < want->addr_count; j++) {
            const struct prefix *p = &want->addrs[j];
            char text[ADDRESS_TEXT], doing[96];

            /* The kernel forgets IPv6 addresses of a link that is down; they come with it. */
            if (has_address(run, link->index, p) || (down && p->address.family == AF_INET6))
                continue;
            if (rtnl_add_addr(run->socket, link->index, p, err) == 0) {
                run->applied->added++;
                continue;
            }
            if (run->repair)
                continue;
            snprintf(doing, sizeof(doing), "cannot add address %s", prefix_text(p, text));
            return failed(err, want->name, "addresses", doing);
        }
    }
    return 0;
}

static int look(struct run *run, struct orb_err *err)
{
    int r;

    free(run->links.items);
    free(run->addrs.items);
    run->links = (struct rtnl_links){0};
    run->addrs = (struct rtnl_addrs){0};
    r = rtnl_get_links(run->socket, &run->links, err);
    if (r == 0)
        r = rtnl_get_addrs(run->socket, &run->addrs, err);
    return r;
}

int wants_apply(struct nl_sock *socket, const struct wants *old, const struct wants *new,
                struct befores *befores, bool repair, struct applied *ret_applied,
                struct orb_err *err)
{
    struct applied applied = {0};
    struct run run = {.socket = socket,
                      .old = old,
                      .new = new,
                      .befores = befores,
                      .repair = repair,
                      .applied = &applied};
    int r = look(&run, err);

    if (r == 0)
        r = remove_addresses(&run, err);
    if (r == 0)
        r = set_links(&run, err);
    if (r == 0)
        r = release_links(&run, err);
    if (r == 0)
        r = look(&run, err);
    if (r == 0)
        r = add_addresses(&run, err);
    free(run.links.items);
    free(run.addrs.items);
    *ret_applied = applied;
    return r;
}
