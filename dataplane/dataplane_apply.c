/* Applies a policy, and reverts it. It was compiled before (dataplane_compile.c); the order is:
 * kernel settings the rules rely on, nftables (which alone would enforce it), the idle slot of the
 * fast path, the ports, one store that makes the slot the one in force, a new epoch for the flow
 * cache; then refused connections are deleted from conntrack, and last of all forwarding is
 * switched on.
 *
 * Note: only nftables and the slots can fail, and both can be reverted; a port that cannot be
 * attached and a setting that cannot be written are no failures but reasons in the status. */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include "bpf/fastpath.skel.h"
#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/base.h"
#include "dataplane/dataplane_internal.h"
#include "dataplane/dataplane_compile.h"
#include "dataplane/detach.h"
#include "dataplane/conntrack.h"
#include "dataplane/doing.h"
#include "dataplane/flows.h"
#include "dataplane/hint.h"
#include "dataplane/load.h"
#include "dataplane/nft.h"
#include "dataplane/port.h"
#include "dataplane/rules.h"
#include "dataplane/ruleset.h"
#include "dataplane/settings.h"
#include "dataplane/slots.h"

static const struct policy *current_policy(const struct dataplane *dp)
{
    return dp->current ? &dp->current->policy : NULL;
}

struct dataplane_times dataplane_apply_times(const struct dataplane *dataplane)
{
    return dataplane->current ? dataplane->current->times : (struct dataplane_times){0};
}

/* The fast path's half: the idle slot, the ports, then the switch. */
static int switch_slot(struct dataplane *dp, const struct dataplane_compiled *compiled,
                       uint32_t generation, struct orb_err *err)
{
    AUTO_FREE struct port_list *ports = xcalloc(1, sizeof(*ports));
    uint32_t slot = dp->control ? !dp->control->policy : 0;
    int r;

    if (dp->programs && bpf_map_update_elem(bpf_map__fd(dp->programs->maps.policies), &slot,
                                            &compiled->inner, BPF_ANY))
        return orb_fail(err, -errno, "giving the rules to the fast path");
    r = port_apply(dp, &compiled->policy, slot, ports, err);
    if (r < 0)
        return r;
    if (dp->control) {
        dp->control->previous = dp->control->generation;
        dp->control->generation = generation;
        __atomic_store_n(&dp->control->policy, slot, __ATOMIC_SEQ_CST);
        foreign_described(dp, true);
        load_bump(dp);
    }
    detach_others(dp, ports);
    port_set(dp, ports);
    return 0;
}

/* The rules are in force by now: an error of conntrack is a problem and reverts nothing. */
static void purge(struct dataplane *dp, const struct dataplane_compiled *before)
{
    char *problem = dp->problems[DATAPLANE_PROBLEM_FLOWS];
    struct orb_err err = {0};

    problem[0] = 0;
    if (flows_purge(dp, dp->current, before, &err) < 0) {
        snprintf(problem, sizeof(dp->problems[0]), "existing connections may continue: %.300s",
                 err.text);
    } else {
        dp->forget = false;
        flows_settle(dp, true);
    }
    load_bump(dp);
}

/* err has the reason of the failed apply; an error of reverting would hide it. */
static void take_back(struct dataplane *dp, struct dataplane_compiled *to, const char *text)
{
    dp->ruleset_id = 0;
    if (rules_restore(dp, to, text, dp->generation, NULL) < 0)
        base_load(dp->ruleset, NULL);
    else
        hint_give(to, dp->generation);
    settings_undo(dp);
}

/* The policy is in force. */
static void conclude(struct dataplane *dp, struct dataplane_compiled *compiled, uint32_t generation,
                     struct buf *before)
{
    dp->generation = generation;
    dataplane_compile_spare(dp, dp->previous); /* no slot has it any more */
    free(dp->previous_text);
    dp->previous = dp->current;
    dp->previous_text = dp->based ? xstrdup("") : buf_take(before);
    dp->current = compiled;
    dp->revertible = true;
    dp->based = false;
    dp->change_count = 0;
    dp->problems[DATAPLANE_PROBLEM_RULES][0] = 0;
}

int dataplane_apply(struct dataplane *dataplane, struct dataplane_compiled *compiled,
                    struct orb_err *err)
{
    AUTO(dataplane_compiled) struct dataplane_compiled *owned = compiled;
    AUTO(buf) struct buf before = {0};
    AUTO(tally_list) struct tally_list carried = {0};
    const struct policy *old = current_policy(dataplane), *back = NULL;
    uint32_t generation = dataplane->generation + 1;
    uint64_t start = now_ms();
    bool kept, unsettled = flows_unsettled(dataplane);
    int r;

    if (dataplane->detached)
        return orb_fail(err, ORB_E_STATE, DETACHED);
    if (rules_are_back(dataplane, &compiled->chains))
        back = &dataplane->previous->policy;
    kept = rules_left(dataplane, &compiled->chains);
    if (kept)
        old = &compiled->policy;
    if (!old && !dataplane->based) /* an earlier daemon's */
        ruleset_list(dataplane->ruleset, "list table inet orbital", &before);
    doing_set(dataplane, "loading the rules into nftables", 0);
    settings_prepare(dataplane);
    flows_settle(dataplane, false);
    hint_stop(dataplane->current);
    r = rules_change(dataplane, &compiled->chains, generation, &carried, NULL, false, err);
    if (r < 0) {
        hint_again(dataplane->current);
        flows_settle(dataplane, !unsettled);
        settings_undo(dataplane);
        return r;
    }
    hint_give(compiled, kept ? dataplane->left_generation : generation);
    compiled->times.nft_ms = dataplane_compile_lap(&start);
    doing_set(dataplane, "switching the fast path", 80);
    slot_clear_new(dataplane, &compiled->policy, old, back, &carried);
    r = switch_slot(dataplane, compiled, generation, err);
    if (r < 0) {
        take_back(dataplane, kept ? compiled : dataplane->current, buf_str(&before));
        flows_settle(dataplane, !unsettled);
        return r;
    }
    conclude(dataplane, take_ptr(owned), generation, &before);
    dataplane->kept = kept;
    dataplane->current->times.switch_ms = dataplane_compile_lap(&start);
    doing_set(dataplane, "ending connections that are refused now", 90);
    purge(dataplane, kept && !unsettled ? dataplane->current : dataplane->previous);
    settings_forward(dataplane);
    dataplane->current->times.purge_ms = dataplane_compile_lap(&start);
    return 0;
}

/* An earlier daemon's policy is known only to the kernel: its slot and its rules are used again,
 * its ports stay as they are. */
static int switch_back(struct dataplane *dp, uint32_t generation)
{
    if (!dp->control)
        return 0;
    dp->control->generation = generation;
    __atomic_store_n(&dp->control->policy, !dp->control->policy, __ATOMIC_SEQ_CST);
    foreign_described(dp, false);
    load_bump(dp);
    return 0;
}

/* Restores connections that the reverted policy ended, as far as possible. */
static void purge_back(struct dataplane *dp, const struct dataplane_compiled *from)
{
    if (dp->current) {
        purge(dp, from);
        return;
    }
    if (conntrack_resume(NULL) == 0)
        flows_settle(dp, true);
    load_bump(dp);
}

int dataplane_apply_revert(struct dataplane *dataplane, struct orb_err *err)
{
    AUTO(dataplane_compiled) struct dataplane_compiled *from = NULL;
    struct dataplane_compiled *back = dataplane->previous;
    uint32_t generation = dataplane->generation + 1;
    bool known =
        back || dataplane->kept || (dataplane->previous_text && dataplane->previous_text[0]);
    int r;

    if (!dataplane->revertible)
        return orb_fail(err, ORB_E_STATE, "there is no policy to go back to");
    if (dataplane->detached)
        return orb_fail(err, ORB_E_STATE, DETACHED);
    flows_settle(dataplane, false);
    hint_stop(dataplane->current);
    r = rules_restore(dataplane, dataplane->kept ? dataplane->current : back,
                      dataplane->previous_text, generation, err);
    if (r < 0) {
        hint_again(dataplane->current);
        return r;
    }
    hint_give(back, generation);
    if (back)
        r = switch_slot(dataplane, back, generation, err);
    else if (known)
        r = switch_back(dataplane, generation);
    else
        detach_others(dataplane, NULL);
    if (r < 0)
        return r;
    if (!back && !known)
        port_set(dataplane, NULL);
    from = take_ptr(dataplane->current);
    dataplane->current = back;
    dataplane->previous = NULL;
    dataplane->kept = false;
    dataplane->revertible = false;
    dataplane->generation = generation;
    purge_back(dataplane, from);
    return 0;
}
