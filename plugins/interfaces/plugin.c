/* The interfaces service: addresses, state and MTU of links by /interfaces. Netlink requests are
 * synchronous (the kernel answers inside the call). A commit is refused for errors in what it
 * changes. All else that cannot be applied – at start, after an event, beside a commit – is a
 * problem of the service, and is tried again until it can. */
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/interfaces/apply.h"
#include "plugins/interfaces/link_state.h"
#include "plugins/interfaces/conflict.h"
#include "plugins/interfaces/links.h"
#include "plugins/interfaces/list.h"
#include "plugins/interfaces/local.h"
#include "plugins/interfaces/misfit.h"
#include "plugins/interfaces/model.h"
#include "plugins/interfaces/plugin.h"
#include "plugins/interfaces/seen.h"

#define CHECK_MS 5000 /* between two looks at what changes without an event */

/* Those that are not in known are logged, too. */
static void report(struct orb_ctx *ctx, const struct misfits *list, const struct misfits *known)
{
    for (unsigned i = 0; i < list->count; i++) {
        const struct misfit *m = &list->items[i];

        orb_problem_set(
            ctx, m->key,
            &(struct orb_problem){
                .level = ORB_PROBLEM_DEGRADED, .what = m->what, .path = m->path, .todo = m->todo});
        if (!misfit_has(known, m->key))
            orb_log(ctx, ORB_WARNING, "interfaces.misfit", KV("what", m->what),
                    KV("path", m->path));
    }
}

/* What links were before is kept in a file; without it they cannot be given back. */
static void report_saved(struct orb_ctx *ctx, struct interfaces *self)
{
    const char *why = self->saved.unsaved[0] ? self->saved.unsaved : self->saved.lost;
    char what[320];

    orb_problem_clear(ctx, "before");
    if (strcmp(why, self->saved_reported) && why[0])
        orb_log(ctx, ORB_WARNING, "interfaces.before-not-kept", KV("why", why));
    snprintf(self->saved_reported, sizeof(self->saved_reported), "%s", why);
    if (!why[0])
        return;
    snprintf(what, sizeof(what),
             "what links were before is %s: one that leaves the configuration may keep MTU and "
             "state (%s)",
             self->saved.unsaved[0] ? "not kept" : "not known any more", why);
    orb_problem_set(ctx, "before",
                    &(struct orb_problem){.level = ORB_PROBLEM_DEGRADED,
                                          .what = what,
                                          .path = "/interfaces",
                                          .todo = self->saved.unsaved[0]
                                                      ? "mend the service's state directory; it is "
                                                        "tried again by itself"
                                                      : "look at MTU and state of links that are "
                                                        "not configured any more, then `orbctl "
                                                        "service restart interfaces`"});
}

static void note_unreadable(struct applied *applied, const struct orb_err *why)
{
    misfit_add(&applied->misfits, "kernel", "/interfaces", why->text,
               "it is tried again by itself");
}

/* Reports what cannot be applied, and schedules another attempt. applied: its list is taken. */
static void outcome(struct orb_ctx *ctx, struct interfaces *self, struct applied *applied)
{
    orb_problem_clear(ctx, "*");
    report(ctx, &applied->misfits, &self->misfits);
    report(ctx, &self->current->left_out, &self->current->left_out);
    conflict_report(ctx, &self->conflicts);
    report_saved(ctx, self);
    conflict_watch(ctx, &self->conflicts, applied->watched);
    applied->watched = NULL;
    for (unsigned i = 0; i < self->misfits.count; i++) {
        const struct misfit *m = &self->misfits.items[i];

        if (!misfit_has(&applied->misfits, m->key))
            orb_log(ctx, ORB_NOTICE, "interfaces.fits", KV("what", m->what), KV("path", m->path));
    }
    misfit_fini(&self->misfits);
    self->misfits = applied->misfits;
    applied->misfits = (struct misfits){0};
    follow_outcome(&self->follow, self->misfits.count == 0);
    if (applied->twins[0][0] && memcmp(self->twins, applied->twins, sizeof(self->twins)) != 0)
        orb_log(ctx, ORB_WARNING, "interfaces.same-mac", KV("interface", applied->twins[0]),
                KV("other", applied->twins[1]));
    memcpy(self->twins, applied->twins, sizeof(self->twins));
}

/* A plan line about one interface that changes, from old to new (either may be NULL); "" for no
 * change. */
static void describe(const char *name, const struct desired *old, const struct desired *new,
                     char *to, size_t size)
{
    unsigned add = 0, del = 0;

    for (unsigned i = 0; new &&i < new->addr_count; i++)
        add += !model_has(old, &new->addrs[i]);
    for (unsigned i = 0; old && i < old->addr_count; i++)
        del += !model_has(new, &old->addrs[i]);
    snprintf(to, size, "%s:", name);
    if (add)
        snprintf(to + strlen(to), size - strlen(to), " add %u address%s", add, add > 1 ? "es" : "");
    if (del)
        snprintf(to + strlen(to), size - strlen(to), " remove %u address%s", del,
                 del > 1 ? "es" : "");
    if (new &&new->mtu && (!old || old->mtu != new->mtu))
        snprintf(to + strlen(to), size - strlen(to), " MTU %u", (unsigned)new->mtu);
    if (new && !new->mtu && old && old->mtu)
        snprintf(to + strlen(to), size - strlen(to), " MTU no longer configured");
    if (new && (!old || old->enabled != new->enabled))
        snprintf(to + strlen(to), size - strlen(to), " %s", new->enabled ? "up" : "down");
    if (!new)
        snprintf(to + strlen(to), size - strlen(to), " no longer configured");
    if (to[strlen(to) - 1] == ':')
        *to = 0;
}

static void plan(struct orb_ctx *ctx, const struct desired_list *old,
                 const struct desired_list *new)
{
    char text[160];

    for (unsigned i = 0; i < new->count; i++) {
        const char *name = new->items[i].name;

        describe(name, model_find(old, name), &new->items[i], text, sizeof(text));
        if (*text)
            orb_plan_step(ctx, "live", text);
    }
    for (unsigned i = 0; i < old->count; i++) {
        if (model_find(new, old->items[i].name))
            continue;
        describe(old->items[i].name, &old->items[i], NULL, text, sizeof(text));
        orb_plan_step(ctx, "live", text);
    }
}

static void plan_pending(struct orb_ctx *ctx, const struct desired_list *desired_list,
                         const struct rtnl_links *links)
{
    char text[120];

    for (unsigned i = 0; i < desired_list->count; i++) {
        if (rtnl_link_find(links, desired_list->items[i].name))
            continue;
        snprintf(text, sizeof(text), "%s: does not exist now; configured when it appears",
                 desired_list->items[i].name);
        orb_plan_step(ctx, "live", text);
    }
}

/* At start everything is taken that can be had; what does not fit is seen when it is applied. */
static int on_prepare(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err)
{
    struct desired_list *desired_list = calloc(1, sizeof(*desired_list));
    struct interfaces *self = orb_user(ctx);
    struct rtnl_links links = {0};
    struct rtnl_addrs addrs = {0};
    int r;

    if (!desired_list)
        return orb_fail(err, ORB_E_NOMEM, "no memory for the interfaces");
    *change->prepared = desired_list;
    r = model_read(orb_at(change->tree, "/interfaces"), change->initial, desired_list, err);
    if (r < 0 || change->initial)
        return r;
    r = rtnl_link_list(self->follow.requests, &links, err);
    if (r == 0)
        r = rtnl_addr_list(self->follow.requests, &addrs, err);
    if (r == 0)
        r = model_check(self->current, desired_list, &links, &addrs, err);
    if (r == 0) {
        plan(ctx, self->current, desired_list);
        plan_pending(ctx, desired_list, &links);
    }
    free(links.items);
    free(addrs.items);
    return r;
}

/* Applies what prepare read, or the previous state. A failure, possible with APPLY_COMMIT only, is
 * followed by abort, which restores the kernel. */
static int change_to(struct orb_ctx *ctx, const struct orb_change *change, enum apply_mode mode,
                     struct orb_err *err)
{
    struct interfaces *self = orb_user(ctx);
    struct desired_list *before = self->current;
    struct orb_err why = {0};
    struct applied applied;
    int r;

    self->current = orb_swap(change, before);
    r = apply_config(self->follow.requests, before, self->current, &self->saved, mode, orb_now_ms(),
                     &applied, &why);
    if (r < 0 && mode == APPLY_COMMIT) {
        misfit_fini(&applied.misfits);
        *err = why;
        return r;
    }
    report(ctx, &self->current->left_out, &(struct misfits){0});
    if (r < 0)
        note_unreadable(&applied, &why);
    outcome(ctx, self, &applied);
    orb_log(ctx, ORB_INFO, "interfaces.applied", KV("added", applied.added),
            KV("removed", applied.removed), KV("links", applied.links));
    return 0;
}

static int on_apply(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err)
{
    return change_to(ctx, change, change->initial ? APPLY_START : APPLY_COMMIT, err);
}

static int on_abort(struct orb_ctx *ctx, const struct orb_change *change, bool applied,
                    struct orb_err *err)
{
    return applied ? change_to(ctx, change, APPLY_UNDO, err) : 0;
}

static void on_discard(struct orb_ctx *ctx, void *prepared)
{
    model_fini(prepared);
    free(prepared);
}

static void on_repair(struct orb_ctx *ctx, void *arg)
{
    struct interfaces *self = arg;
    struct applied applied;
    struct orb_err err = {0};

    if (self->events_lost && seen_all(ctx, self))
        self->events_lost = false;
    if (apply_config(self->follow.requests, self->current, self->current, &self->saved,
                     APPLY_REPAIR, orb_now_ms(), &applied, &err) < 0) {
        orb_log(ctx, ORB_WARNING, "interfaces.repair-failed", KV("reason", err.text));
        note_unreadable(&applied, &err);
    }
    outcome(ctx, self, &applied);
    if (applied.added || applied.links || applied.settings || applied.moved)
        orb_log(ctx, ORB_NOTICE, "interfaces.repaired", KV("addresses", applied.added),
                KV("links", applied.links), KV("settings", applied.settings),
                KV("moved", applied.moved));
}

/* A sysctl makes no event. */
/* true: addresses are to be added again. */
static bool check_local(struct orb_ctx *ctx, struct interfaces *self,
                        const struct rtnl_links *links)
{
    struct local_restored r;
    struct orb_err err;

    if (local_restore(self->follow.requests, self->current, links, &r, &err) < 0)
        orb_log(ctx, ORB_WARNING, "interfaces.local-not-read", KV("reason", err.text));
    if (r.loopback)
        orb_log(ctx, ORB_WARNING, "interfaces.loopback-put-back");
    if (r.routes || r.addresses)
        orb_log(ctx, ORB_WARNING, "interfaces.local-put-back", KV("routes", r.routes),
                KV("addresses", r.addresses));
    return r.addresses > 0;
}

static void on_check(struct orb_ctx *ctx, void *arg)
{
    struct interfaces *self = arg;
    struct rtnl_links links = {0};

    if (self->saved.unsaved[0]) {
        link_state_save(&self->saved);
        report_saved(ctx, self);
    }
    if (rtnl_link_list(self->follow.requests, &links, NULL) < 0)
        return;
    if (check_local(ctx, self, &links) || !links_settings_right(self->current, &links))
        follow_repair_soon(&self->follow);
    free(links.items);
}

static void on_event(void *arg, struct nlmsghdr *header)
{
    struct orb_ctx *ctx = arg;
    struct interfaces *self = orb_user(ctx);
    struct rtnl_link link;
    bool news = true;

    if (rtnl_link_read(header, &link))
        news = header->nlmsg_type == RTM_DELLINK ? seen_gone(ctx, self, &link)
                                                 : seen_link(ctx, self, &link);
    if (!news)
        return;
    follow_repair_soon(&self->follow);
}

static void on_readable(struct orb_ctx *ctx, void *arg, int fd, unsigned events)
{
    struct interfaces *self = arg;

    if (netlink_drain(self->follow.events, on_event, ctx) == 0)
        return;
    if (!self->events_lost)
        orb_log(ctx, ORB_WARNING, "interfaces.events-lost");
    self->events_lost = true;
    follow_repair_soon(&self->follow);
}

static int on_init(struct orb_ctx *ctx, struct orb_err *err)
{
    static const int groups[] = {RTNLGRP_LINK,         RTNLGRP_IPV4_IFADDR,  RTNLGRP_IPV6_IFADDR,
                                 RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF, 0};
    struct interfaces *self = calloc(1, sizeof(*self));
    struct rtnl_links links = {0};
    int r;

    if (!self || !(self->current = calloc(1, sizeof(*self->current)))) {
        free(self);
        return orb_fail(err, ORB_E_NOMEM, "no memory for the service");
    }
    orb_set_user(ctx, self);
    link_state_load(&self->saved, orb_state_dir(ctx));
    r = follow_open(ctx, &self->follow, groups, on_readable, on_repair, self, err);
    if (r < 0)
        return r;
    conflict_start(ctx, &self->conflicts);
    self->check = orb_timer_new(ctx, on_check, self);
    orb_timer_start(self->check, CHECK_MS, CHECK_MS);
    r = rtnl_link_list(self->follow.requests, &links, err);
    for (unsigned i = 0; r == 0 && i < links.count; i++)
        seen_link(NULL, self, &links.items[i]);
    free(links.items);
    return r;
}

static void on_stop(struct orb_ctx *ctx)
{
    struct interfaces *self = orb_user(ctx);

    /* Addresses and links stay: a stopped service does not cut the network. */
    follow_close(&self->follow);
    if (self->check)
        orb_timer_free(self->check);
    misfit_fini(&self->misfits);
    conflict_fini(&self->conflicts);
    on_discard(ctx, self->current);
    link_state_fini(&self->saved);
    free(self->seen);
    free(self);
}

static const struct orb_method methods[] = {{"list", list_answer, 0}, {0}};
static const char *const paths[] = {"/interfaces", NULL};
static const struct orb_config config = {.paths = paths,
                                         .prepare = on_prepare,
                                         .apply = on_apply,
                                         .abort = on_abort,
                                         .discard = on_discard};

ORB_PLUGIN(.name = "interfaces", .methods = methods, .config = &config, .init = on_init,
           .stop = on_stop);
