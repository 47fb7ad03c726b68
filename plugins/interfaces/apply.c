/* Applies /interfaces: see apply.h. Order matters: settings come first (without promote_secondaries
 * IPv4 loses secondaries with their primary), then all removals (an address may move between
 * links), then MTU and state (IPv6 loses its addresses when a link goes down), then a fresh look,
 * what is missing, and the order. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/interfaces/run.h"

int apply_trouble(struct run *run, bool touched, const struct trouble *t, struct orb_err *why,
                  struct orb_err *err)
{
    char path[ORB_ERR_PATH], key[128];

    model_path(path, sizeof(path), t->name, t->leaf, t->place);
    if (t->doing)
        orb_wrap(why, "%s of %s", t->doing, t->name);
    if (touched && run->mode == APPLY_COMMIT) {
        if (why->code != ORB_E_VETO)
            why->code = ORB_E_KERNEL;
        snprintf(why->path, sizeof(why->path), "%s", path);
        if (err)
            *err = *why;
        return why->code;
    }
    snprintf(key, sizeof(key), "%s:%s%s%s", t->kind, t->name, t->thing ? ":" : "",
             t->thing ? t->thing : "");
    misfit_add(&run->applied->misfits, key, path, why->text, t->todo);
    return 0;
}

int apply_look(struct run *run, struct orb_err *err)
{
    int r;

    free(run->links.items);
    free(run->addrs.items);
    run->links = (struct rtnl_links){0};
    run->addrs = (struct rtnl_addrs){0};
    r = rtnl_link_list(run->socket, &run->links, err);
    if (r == 0)
        r = rtnl_addr_list(run->socket, &run->addrs, err);
    return r;
}

static int note_absent(struct run *run, struct orb_err *err)
{
    for (unsigned i = 0; i < run->new->count; i++) {
        const char *name = run->new->items[i].name;
        struct trouble t = {.kind = "link", .name = name, .place = -1};
        struct orb_err why;
        int r;

        if (rtnl_link_find(&run->links, name))
            continue;
        run->new->items[i].state_pending = true;
        t.todo = "plug it in, or take it out of the configuration";
        orb_fail(&why, ORB_E_STATE, "interface %s is configured but does not exist", name);
        r = apply_trouble(run, !model_find(run->old, name), &t, &why, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int apply_wants(struct nl_sock *socket, const struct wants *old, struct wants *new,
                struct befores *befores, enum apply_mode mode, uint64_t now_ms,
                struct applied *ret_applied, struct orb_err *err)
{
    struct run run = {.socket = socket,
                      .old = old,
                      .new = new,
                      .befores = befores,
                      .mode = mode,
                      .now_ms = now_ms,
                      .applied = ret_applied};
    int r;

    *ret_applied = (struct applied){0};
    model_remember(old, new);
    r = apply_look(&run, err);
    if (r == 0)
        r = note_absent(&run, err);
    if (r == 0)
        r = links_settings(&run, err);
    if (r == 0)
        r = addresses_remove(&run, err);
    if (r == 0)
        r = links_run(&run, err);
    if (r == 0)
        r = links_release(&run, err);
    if (r == 0)
        r = apply_look(&run, err);
    if (r == 0)
        r = addresses_add(&run, err);
    if (r == 0)
        r = reorder_run(&run, err);
    if (r == 0) {
        detection_run(&run);
        usable_run(&run);
    }
    free(run.links.items);
    free(run.addrs.items);
    return r;
}
