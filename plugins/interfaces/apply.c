/* Applies /interfaces: see apply.h. The order matters: settings first (without promote_secondaries
 * IPv4 loses secondaries with their primary), then all removals (an address may move between
 * links), then MTU and state (IPv6 loses its addresses when a link is set down), then links are
 * read again, missing addresses added, and the order corrected. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/interfaces/addresses.h"
#include "plugins/interfaces/apply.h"
#include "plugins/interfaces/detection.h"
#include "plugins/interfaces/links.h"
#include "plugins/interfaces/model.h"
#include "plugins/interfaces/reorder.h"
#include "plugins/interfaces/run.h"
#include "plugins/interfaces/usable.h"

static int note_absent(struct run *run, struct orb_err *err)
{
    for (unsigned i = 0; i < run->new->count; i++) {
        const char *name = run->new->items[i].name;
        struct failure t = {.kind = "link", .name = name, .place = -1};
        struct orb_err why;
        int r;

        if (rtnl_link_find(&run->links, name))
            continue;
        run->new->items[i].state_pending = true;
        t.todo = "plug it in, or take it out of the configuration";
        orb_fail(&why, ORB_E_STATE, "interface %s is configured but does not exist", name);
        r = run_failure(run, !model_find(run->old, name), &t, &why, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int apply_config(struct nl_sock *socket, const struct desired_list *old, struct desired_list *new,
                 struct link_states *saved, enum apply_mode mode, uint64_t now_ms,
                 struct applied *ret_applied, struct orb_err *err)
{
    struct run run = {.socket = socket,
                      .old = old,
                      .new = new,
                      .saved = saved,
                      .mode = mode,
                      .now_ms = now_ms,
                      .applied = ret_applied};
    int r;

    *ret_applied = (struct applied){0};
    model_remember(old, new);
    r = run_look(&run, err);
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
        r = run_look(&run, err);
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
