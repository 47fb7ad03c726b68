/* A policy's way into force, and back. Prepared offline, then in this order: nftables (which alone
 * would enforce it), the idle slot of the fast path, the ports, one store that makes the slot the
 * one in force, a new epoch for the flow cache; then conntrack forgets what is refused, and last of
 * all forwarding is switched on. The settings the rules rely on come before everything.
 *
 * Surprise: only nftables and the slots can fail, and both can be put back; a port that cannot be
 * attached and a setting that cannot be made are no failures but reasons in the status. */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/classify.h"
#include "bpf/fastpath.skel.h"
#include "core/base/own.h"
#include "dataplane/fast.h"
#include "dataplane/nft.h"

#define SELF_CHECKS_MIN 64
#define SELF_CHECKS_MAX 512
#define SELF_CHECK_WORK 1000000 /* rules compared in all: some ten milliseconds */

void dataplane_plan_free(struct dataplane_plan *plan)
{
    if (!plan)
        return;
    if (plan->memory)
        munmap(plan->memory, CLASSIFY_BLOB_BYTES);
    if (plan->inner >= 0)
        close(plan->inner);
    nft_chains_fini(&plan->chains);
    policy_fini(&plan->policy);
    free(plan);
}

/* Without fast path the data is still wanted, for flows_purge. */
static int make_memory(struct dataplane *dp, struct dataplane_plan *plan, struct orb_err *err)
{
    LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;

    if (dp->programs) {
        plan->inner =
            bpf_map_create(BPF_MAP_TYPE_ARRAY, "policy", 4, CLASSIFY_BLOB_BYTES, 1, &options);
        if (plan->inner < 0)
            return orb_fail(err, plan->inner, "making a map of %u bytes for the rules",
                            CLASSIFY_BLOB_BYTES);
        flags = MAP_SHARED;
    }
    plan->memory = mmap(NULL, CLASSIFY_BLOB_BYTES, PROT_READ | PROT_WRITE, flags, plan->inner, 0);
    if (plan->memory == MAP_FAILED) {
        plan->memory = NULL;
        return orb_fail(err, -errno, "memory for the rules");
    }
    return 0;
}

/* One header: near a rule half of the time, else anywhere. */
static void random_header(const struct policy *policy, const uint32_t random[12],
                          struct classify_header *header)
{
    const struct policy_rule *rule = NULL;

    memset(header, 0, sizeof(*header));
    header->family = random[0] & 1 ? AF_INET : AF_INET6;
    memcpy(header->source, &random[1], header->family == AF_INET ? 4 : 16);
    memcpy(header->destination, &random[5], header->family == AF_INET ? 4 : 16);
    header->protocol = random[0] & 2 ? IPPROTO_TCP : random[0] & 4 ? IPPROTO_UDP : random[9] & 255;
    header->source_port = (uint16_t)random[10];
    header->destination_port = (uint16_t)(random[10] >> 16);
    header->zone_from = (uint8_t)(random[11] % (policy->zone_count + 1));
    header->zone_to = (uint8_t)((random[11] >> 16) % (policy->zone_count + 1));
    if ((random[0] & 8) || !policy->rule_count)
        return;
    rule = &policy->rules[random[9] % policy->rule_count];
    if (rule->source_count && rule->sources[0].family == header->family)
        memcpy(header->source, rule->sources[0].lo, 16);
    if (rule->destination_count && rule->destinations[0].family == header->family)
        memcpy(header->destination, rule->destinations[0].hi, 16);
    if (rule->protocol >= 0)
        header->protocol = (uint8_t)rule->protocol;
    if (rule->destination_port_count)
        header->destination_port = rule->destination_ports[0].lo;
}

/* The data must say what the rules say, or it is not used. */
static int self_check(const struct dataplane_plan *plan, struct orb_err *err)
{
    unsigned checks = SELF_CHECK_WORK / (plan->policy.rule_count + 1);

    if (checks < SELF_CHECKS_MIN)
        checks = SELF_CHECKS_MIN;
    for (unsigned i = 0; i < checks && i < SELF_CHECKS_MAX; i++) {
        struct classify_header header;
        uint32_t random[12];
        int is, should;

        if (getrandom(random, sizeof(random), 0) != sizeof(random))
            return orb_fail(err, -errno, "no random numbers");
        random_header(&plan->policy, random, &header);
        is = classify_lookup(plan->memory, CLASSIFY_BLOB_BYTES, &header);
        should = classify_linear(&plan->policy, &header);
        if (is != should)
            return orb_fail(err, ORB_E_INTERNAL,
                            "the compiled rules disagree with the rules (entry %d instead of %d)",
                            is, should);
    }
    return 0;
}

static const struct policy *current_policy(const struct dataplane *dp)
{
    return dp->current ? &dp->current->policy : NULL;
}

/* Remembers the number of a transaction of ours; before: nftables' last one. When another one came
 * between, nobody knows which of them is ours. */
static void own_transaction(struct dataplane *dp, uint32_t before, bool done)
{
    uint32_t after = done ? ruleset_id() : 0;

    dp->ruleset_id = before && after == before + 1 ? after : 0;
    if (!done)
        return;
    if (dp->ruleset_id) {
        watch_add(&dp->own, dp->ruleset_id);
    } else {
        dp->doubt_from = dp->doubt ? 0 : before; /* twice: it cannot be told any more */
        dp->doubt_to = dp->doubt ? 0 : after;
        dp->doubt = true;
    }
    table_digest(dp, 0); /* it was of the table before */
}

/* nftables from the policy in force to another. What differs is enough where the table is known to
 * be as we left it, because nobody changed anything in nftables since. Else, as after the death of
 * a daemon, it is made anew, and the counters go on; what is counted between reading them and the
 * transaction is lost. dry: only asks the kernel. ret_bytes: of the text; may be NULL. */
static int change_rules(struct dataplane *dp, const struct nft_text *to, uint32_t generation,
                        struct tally_list *ret_carried, size_t *ret_bytes, bool dry,
                        struct orb_err *err)
{
    const struct nft_text *from = dp->current ? &dp->current->chains : NULL;
    AUTO(buf) struct buf text = {0};
    uint32_t id = ruleset_id();
    int r = -1;

    if (from && id && id == dp->ruleset_id) {
        nft_ruleset(to, from, generation, NULL, &text);
        r = ruleset_run(dp->ruleset, buf_str(&text), dry, err);
    }
    if (r < 0) {
        buf_clear(&text);
        r = tally_read(ret_carried, err);
        if (r < 0)
            return r;
        nft_ruleset(to, NULL, generation, ret_carried, &text);
        r = ruleset_run(dp->ruleset, buf_str(&text), dry, err);
    }
    if (!dry)
        own_transaction(dp, id, r == 0);
    if (ret_bytes)
        *ret_bytes = text.len;
    return r;
}

/* Milliseconds since start, which becomes now. */
static uint32_t lap(uint64_t *start)
{
    uint64_t now = now_ms(), took = now - *start;

    *start = now;
    return (uint32_t)took;
}

int dataplane_prepare(struct dataplane *dataplane, const struct policy *policy,
                      struct dataplane_plan **ret_plan, struct orb_err *err)
{
    AUTO(dataplane_plan) struct dataplane_plan *plan = xcalloc(1, sizeof(*plan));
    AUTO(tally_list) struct tally_list carried = {0};
    uint64_t start = now_ms();
    int r;

    plan->inner = -1;
    policy_init(&plan->policy);
    r = policy_check(policy, err);
    if (!r)
        r = policy_copy(policy, &plan->policy);
    if (!r)
        r = make_memory(dataplane, plan, err);
    if (!r)
        r = classify_build(&plan->policy, plan->memory, CLASSIFY_BLOB_BYTES, &plan->stats, err);
    if (!r)
        r = self_check(plan, err);
    if (r < 0)
        return r;
    slot_number(dataplane, plan);
    plan->times.build_ms = lap(&start);
    nft_chains(&plan->policy, &plan->chains);
    r = change_rules(dataplane, &plan->chains, dataplane->generation + 1, &carried,
                     &plan->nft_bytes, true, err);
    if (r < 0)
        return r;
    plan->times.trial_ms = lap(&start);
    *ret_plan = take_ptr(plan);
    return 0;
}

void dataplane_plan_describe(const struct dataplane_plan *plan, struct buf *ret_json)
{
    buf_addf(ret_json, "{\"rules\":%u,\"nft_bytes\":%zu,\"classes\":%" PRIu32 "}",
             plan->policy.rule_count, plan->nft_bytes, plan->stats.classes);
}

struct dataplane_times dataplane_applied_times(const struct dataplane *dataplane)
{
    return dataplane->current ? dataplane->current->times : (struct dataplane_times){0};
}

/* The fast path's half: the idle slot, the ports, then the switch. */
static int switch_slot(struct dataplane *dp, const struct dataplane_plan *plan, uint32_t generation,
                       struct orb_err *err)
{
    AUTO_FREE struct port_list *ports = xcalloc(1, sizeof(*ports));
    uint32_t slot = dp->control ? !dp->control->policy : 0;
    int r;

    if (dp->programs &&
        bpf_map_update_elem(bpf_map__fd(dp->programs->maps.policies), &slot, &plan->inner, BPF_ANY))
        return orb_fail(err, -errno, "giving the rules to the fast path");
    r = port_apply(dp, &plan->policy, slot, ports, err);
    if (r < 0)
        return r;
    if (dp->control) {
        dp->control->previous = dp->control->generation;
        dp->control->generation = generation;
        __atomic_store_n(&dp->control->policy, slot, __ATOMIC_SEQ_CST);
        load_bump(dp);
    }
    port_detach_others(dp, ports);
    dp->ports = *ports;
    return 0;
}

/* nftables as it was: by its policy, by the text that was there, else closed. */
static int restore_rules(struct dataplane *dp, const struct dataplane_plan *to, const char *text,
                         uint32_t generation, struct orb_err *err)
{
    AUTO(tally_list) struct tally_list carried = {0};
    AUTO(buf) struct buf all = {0};
    uint32_t id = ruleset_id();
    int r;

    if (to)
        return change_rules(dp, &to->chains, generation, &carried, NULL, false, err);
    if (text && *text) {
        buf_adds(&all, "add table inet orbital\ndelete table inet orbital\n");
        buf_adds(&all, text);
        r = ruleset_run(dp->ruleset, buf_str(&all), false, err);
    } else {
        r = base_load(dp->ruleset, err);
        dp->based |= r == 0;
    }
    own_transaction(dp, id, r == 0);
    return r;
}

int apply_again(struct dataplane *dp, struct orb_err *err)
{
    int r;

    dp->ruleset_id = 0; /* what differs is not enough: nobody knows what is there */
    r = restore_rules(dp, dp->current, NULL, dp->generation, err);
    dp->forget = true; /* meanwhile anything may have begun */
    if (r < 0 || !dp->current)
        return r;
    return flows_purge(dp, dp->current, err);
}

/* The rules are in force by now: that conntrack cannot be asked stands in the status and undoes
 * nothing. */
static void purge(struct dataplane *dp)
{
    char *trouble = dp->trouble[DATAPLANE_TROUBLE_FLOWS];
    struct orb_err err = {0};

    trouble[0] = 0;
    if (flows_purge(dp, dp->current, &err) < 0)
        snprintf(trouble, sizeof(dp->trouble[0]), "connections of before may go on: %.300s",
                 err.text);
    else
        dp->forget = false;
    load_bump(dp);
}

/* err says why it was not applied; that going back fails, too, would only hide it. */
static void take_back(struct dataplane *dp, const char *text)
{
    dp->ruleset_id = 0;
    if (restore_rules(dp, dp->current, text, dp->generation, NULL) < 0)
        base_load(dp->ruleset, NULL);
    settings_undo(dp);
}

/* The policy is in force. */
static void conclude(struct dataplane *dp, struct dataplane_plan *plan, uint32_t generation,
                     struct buf *before)
{
    dp->generation = generation;
    dataplane_plan_free(dp->previous);
    free(dp->previous_text);
    dp->previous = dp->current;
    dp->previous_text = dp->based ? xstrdup("") : buf_take(before);
    dp->current = plan;
    dp->revertible = true;
    dp->based = false;
    dp->change_count = 0;
    dp->trouble[DATAPLANE_TROUBLE_RULES][0] = 0;
}

int dataplane_apply(struct dataplane *dataplane, struct dataplane_plan *plan, struct orb_err *err)
{
    AUTO(dataplane_plan) struct dataplane_plan *owned = plan;
    AUTO(buf) struct buf before = {0};
    AUTO(tally_list) struct tally_list carried = {0};
    const struct policy *old = current_policy(dataplane);
    uint32_t generation = dataplane->generation + 1;
    uint64_t start = now_ms();
    int r;

    if (dataplane->detached)
        return orb_fail(err, ORB_E_STATE, DETACHED);
    if (!old && !dataplane->based) /* an earlier daemon's */
        ruleset_list(dataplane->ruleset, "list table inet orbital", &before);
    settings_prepare(dataplane);
    r = change_rules(dataplane, &plan->chains, generation, &carried, NULL, false, err);
    if (r < 0) {
        settings_undo(dataplane);
        return r;
    }
    plan->times.nft_ms = lap(&start);
    slot_clear_new(dataplane, &plan->policy, old, &carried);
    r = switch_slot(dataplane, plan, generation, err);
    if (r < 0) {
        take_back(dataplane, buf_str(&before));
        return r;
    }
    conclude(dataplane, take_ptr(owned), generation, &before);
    dataplane->current->times.switch_ms = lap(&start);
    purge(dataplane);
    settings_forward(dataplane);
    dataplane->current->times.purge_ms = lap(&start);
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
    load_bump(dp);
    return 0;
}

int dataplane_revert(struct dataplane *dataplane, struct orb_err *err)
{
    struct dataplane_plan *back = dataplane->previous;
    uint32_t generation = dataplane->generation + 1;
    bool known = back || (dataplane->previous_text && dataplane->previous_text[0]);
    int r;

    if (!dataplane->revertible)
        return orb_fail(err, ORB_E_STATE, "there is no policy to go back to");
    if (dataplane->detached)
        return orb_fail(err, ORB_E_STATE, DETACHED);
    r = restore_rules(dataplane, back, dataplane->previous_text, generation, err);
    if (r < 0)
        return r;
    if (back)
        slot_clear_new(dataplane, &back->policy, current_policy(dataplane), NULL);
    if (back)
        r = switch_slot(dataplane, back, generation, err);
    else if (known)
        r = switch_back(dataplane, generation);
    else
        port_detach_others(dataplane, NULL);
    if (r < 0)
        return r;
    if (!back && !known)
        dataplane->ports.count = 0;
    dataplane_plan_free(dataplane->current);
    dataplane->current = back;
    dataplane->previous = NULL;
    dataplane->revertible = false;
    dataplane->generation = generation;
    if (back)
        purge(dataplane);
    return 0;
}
