/* Life of the data plane: open (adopt), close, switch off, destroy, and the events that make the
 * flow cache stale. Closing detaches nothing: packets are still forwarded, and the next daemon
 * takes over. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/base.h"
#include "dataplane/dataplane_internal.h"
#include "dataplane/detach.h"
#include "dataplane/events.h"
#include "dataplane/conntrack.h"
#include "dataplane/flows.h"
#include "dataplane/found.h"
#include "dataplane/link.h"
#include "dataplane/load.h"
#include "dataplane/packet_test.h"
#include "dataplane/pins.h"
#include "dataplane/port.h"
#include "dataplane/rules.h"
#include "dataplane/ruleset.h"
#include "dataplane/settings.h"
#include "dataplane/watch.h"

int dataplane_guard(const struct dataplane_options *options, bool *ret_loaded, struct orb_err *err)
{
    struct ruleset *ruleset = NULL;
    enum table_state state;
    uint64_t digest;
    int r = ruleset_open(&ruleset, err);
    bool closed = false;

    *ret_loaded = false;
    if (!r) {
        state = base_table_look(&digest, NULL, NULL);
        if ((state != TABLE_POLICY || !pins_left(options, digest)) && state != TABLE_CLOSED) {
            r = base_load(ruleset, err);
            *ret_loaded = r == 0;
        }
        if (r == 0)
            base_fallback_end(ruleset);
        closed = r < 0 && base_fallback(ruleset) == 0;
    }
    ruleset_close(ruleset);
    if (r < 0 && !closed) /* no rules at all: then nothing may be forwarded */
        settings_close(options->found, NULL);
    return r;
}

/* Reads the table; and whether it is exactly what the previous daemon left. */
static void look_at_table(struct dataplane *dp)
{
    uint32_t id = ruleset_id();
    uint64_t digest, policy;
    enum table_state state = base_table_look(&digest, &policy, &dp->left_generation);

    dp->based = dp->forget = state == TABLE_NONE || state == TABLE_CLOSED;
    dp->digest = digest;
    if (state != TABLE_POLICY || !dp->control || dp->control->rules_digest != digest || !id ||
        ruleset_id() != id)
        return;
    dp->left = policy;
    dp->ruleset_id = id;
}

static int open_parts(struct dataplane *dp, const struct dataplane_options *options,
                      struct orb_err *err)
{
    int r = ruleset_open(&dp->ruleset, err);

    if (!r)
        r = load_programs(dp, options, err);
    if (r < 0)
        return r;
    dp->events = link_events(err);
    if (dp->events < 0)
        return dp->events;
    dp->tables = watch_open(err);
    if (dp->tables < 0)
        return dp->tables;
    look_at_table(dp);
    if (dp->based)
        conntrack_forget_unanswered(NULL); /* flows_purge looks again */
    r = foreign_watch_open(dp);
    if (r < 0)
        return orb_fail(err, r, "watching foreign netfilter, tc and BPF state");
    dp->mtus_unread = true;
    r = events_start(dp);
    if (r < 0)
        return orb_fail(err, r, "reading the kernel's events");
    foreign_read(dp);
    r = foreign_poll_start(dp);
    return r < 0 ? orb_fail(err, r, "watching what sends no events") : 0;
}

int dataplane_open(const struct dataplane_options *options, struct dataplane **ret_dataplane,
                   struct orb_err *err)
{
    struct dataplane *dp = xcalloc(1, sizeof(*dp));
    int r;

    dp->bpffs = xstrdup(options->bpffs);
    dp->found = options->found ? xstrdup(options->found) : NULL;
    dp->events = dp->tables = dp->watch = dp->ipsec = dp->forgets = dp->unseen = dp->poll_stop = -1;
    dp->noticed = dp->events_stop = -1;
    dp->enabled = true;
    pthread_mutex_init(&dp->lock, NULL);
    r = open_parts(dp, options, err);
    if (r < 0) {
        dataplane_close(dp);
        return r;
    }
    *ret_dataplane = dp;
    return 0;
}

void dataplane_close(struct dataplane *dataplane)
{
    if (!dataplane)
        return;
    foreign_poll_stop(dataplane);
    events_stop(dataplane);
    load_unload(dataplane);
    packet_test_programs_free(dataplane->tester);
    foreign_watch_close(dataplane);
    foreign_note_free(&dataplane->foreign);
    gone_fini(&dataplane->gone);
    if (dataplane->events >= 0)
        close(dataplane->events);
    if (dataplane->tables >= 0)
        close(dataplane->tables);
    ruleset_close(dataplane->ruleset);
    dataplane_compile_free(dataplane->current);
    dataplane_compile_free(dataplane->previous);
    dataplane_compile_free(dataplane->spare);
    free(dataplane->previous_text);
    free(dataplane->bpffs);
    free(dataplane->found);
    buf_fini(&dataplane->unnoted);
    pthread_mutex_destroy(&dataplane->lock);
    free(dataplane);
}

bool dataplane_adopted(const struct dataplane *dataplane)
{
    return dataplane->adopted;
}

uint32_t dataplane_generation(const struct dataplane *dataplane)
{
    return dataplane->generation;
}

/* After dataplane_destroy. */
static int attach_again(struct dataplane *dp, struct orb_err *err)
{
    int r = dp->programs ? pins_put(dp, err) : 0;

    if (!r)
        r = rules_again(dp, err);
    if (r < 0)
        return r;
    dp->detached = false;
    if (!dp->current)
        return 0;
    settings_prepare(dp);
    settings_forward(dp);
    return 0;
}

int dataplane_set_enabled(struct dataplane *dataplane, bool enabled, struct orb_err *err)
{
    bool before = dataplane->enabled;
    int r = dataplane->detached && enabled ? attach_again(dataplane, err) : 0;

    if (r < 0)
        return r;
    if (!dataplane->programs && enabled)
        return orb_fail(err, ORB_E_UNAVAILABLE, "%s", dataplane->reason);
    dataplane->enabled = enabled;
    if (dataplane->control) /* off from this moment, whatever detaching takes */
        __atomic_store_n(&dataplane->control->enabled, enabled && before, __ATOMIC_SEQ_CST);
    if (!enabled && !dataplane->current)
        detach_others(dataplane, NULL);
    r = port_refresh(dataplane, err);
    if (r < 0) {
        dataplane->enabled = before;
        return r;
    }
    load_bump(dataplane);
    if (dataplane->control)
        __atomic_store_n(&dataplane->control->enabled, enabled, __ATOMIC_SEQ_CST);
    return 0;
}

/* Removes links, pins, table, marks, settings: all are tried, the first error is returned. */
static int take_away(struct dataplane *dp, struct orb_err *err)
{
    int r, failed;

    detach_others(dp, NULL);
    pins_remove(dp, true);
    base_fallback_end(dp->ruleset);
    failed =
        ruleset_run(dp->ruleset, "add table inet orbital\ndelete table inet orbital\n", false, err);
    r = conntrack_unmark(failed ? NULL : err);
    if (!failed && r != -ENOENT)
        failed = r;
    r = found_restore(dp, failed ? NULL : err);
    return failed ? failed : r;
}

int dataplane_destroy(struct dataplane *dataplane, struct orb_err *err)
{
    dataplane->detached = true;
    dataplane->ruleset_id = 0;
    port_set(dataplane, NULL);
    load_bump(dataplane);
    return take_away(dataplane, err);
}

int dataplane_detach(const struct dataplane_options *options, struct orb_err *err)
{
    struct dataplane dp = {.bpffs = (char *)options->bpffs, .found = (char *)options->found};
    int r = ruleset_open(&dp.ruleset, err);

    if (!r)
        r = take_away(&dp, err);
    ruleset_close(dp.ruleset);
    return r;
}

/* Whether a port is configured for the fast path. */
static bool is_wanted(const struct dataplane *dp)
{
    for (unsigned i = 0; i < dp->ports.count; i++)
        if (dp->ports.items[i].wanted != POLICY_FAST_OFF)
            return true;
    return false;
}

void dataplane_given_up(const struct dataplane *dp,
                        void (*each)(void *arg, const char *feature, const char *reason), void *arg)
{
    if (!dp->programs || dp->hooks_failed)
        each(arg, "fast path", dp->reason);
    else if (dp->clsact)
        each(arg, "tcx (Linux 6.6)", "this kernel has none; clsact is used instead");
    for (unsigned i = 0; dp->programs && i < dp->ports.count; i++) {
        const struct port *port = &dp->ports.items[i];
        char feature[64];

        if (port->wanted == POLICY_FAST_OFF || port->mode == PORT_XDP || !port->reason[0] ||
            (dp->hooks_failed && !strcmp(port->reason, dp->reason)) ||
            (dp->clsact && port->mode == PORT_TCX))
            continue;
        snprintf(feature, sizeof(feature), port->mode == PORT_TCX ? "XDP at %s" : "fast path at %s",
                 port->name);
        each(arg, feature, port->reason);
    }
}

const char *dataplane_problem(const struct dataplane *dataplane, enum dataplane_problem which)
{
    if (which == DATAPLANE_PROBLEM_DETACHED)
        return dataplane->detached ? DETACHED : "";
    if (which == DATAPLANE_PROBLEM_FAST)
        return is_wanted(dataplane) ? dataplane->reason : "";
    return dataplane->problems[which];
}
