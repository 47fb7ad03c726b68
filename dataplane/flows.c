/* Existing connections after a change of policy: those that the new rules refuse, or would
 * translate differently, are ended. (Rules accept established packets before anything else, and
 * conntrack keeps a translation.) All others are not touched.
 *
 * To end one, it is deleted from conntrack, so its next packet is new and meets the rules. A TCP
 * connection would then continue, begun again by the next segment of the other end wherever the
 * rules let that end begin one; so TCP connections are kept in conntrack with a bit in the mark by
 * which nftables refuses their packets. A policy that accepts them again, as after a commit that
 * was not confirmed, clears the bit. Other connections have that bit for a moment before they are
 * deleted, until answers in flight have arrived; those that get another target are created again at
 * once.
 *
 * A connection without a rule's mark began while there were no rules: it was neither allowed nor
 * translated. Where that was possible (dp->forget) it is deleted, too, and so is one that is not
 * translated although the policy translates it; its next packet is new and meets the rules. */
#include "dataplane/flows.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/conntrack.h"
#include "dataplane/dataplane_internal.h"
#include "dataplane/dump.h"
#include "dataplane/explain.h"
#include "dataplane/load.h"

#define HELD_MAX 8192 /* more would fill conntrack: a banned host may have opened them for that */
#define ANSWERS_MS 20 /* for packets in flight, to a server and back */

struct hashes {
    uint64_t *items;
    size_t count, size;
};

struct purge {
    struct revalidate revalidate;
    struct ways ways;
    struct explain explain;
    struct dataplane_ended *ended;
    struct dataplane *dp;
    struct buf first, messages; /* in the second a moment after those in the first */
    unsigned held;              /* connections that end and are kept */
    struct hashes back;         /* ended ones that may continue */
    struct hashes gone;         /* what ended, for the connections it expected */
    bool expected;              /* there are such */
    bool forget;                /* also what has no mark */
    bool idle;                  /* the policy is as before */
    bool guess; /* the policy before is unknown, and what ran may not follow from this one */
};

/* ---- one connection ---- */

/* No rule has marked it, or NAT never saw its first packet: the NAT chains exist whenever the rules
 * do. The mark alone is not sufficient: a packet of an unanswered flow is new to the rules, which
 * mark it a moment before this check. */
static bool began_without(const struct flow *flow)
{
    const uint32_t seen = IPS_SRC_NAT_DONE | IPS_DST_NAT_DONE;

    return !flow->mark || (flow->status & seen) != seen;
}

/* The policy would translate it, but it is not translated: it began while the NAT chains were
 * empty. Another program may have emptied them; and the new chains of a transaction exist before
 * their rules. Marks are no evidence: the forward rules may have existed. */
static bool is_untranslated(struct purge *purge, const struct flow *flow)
{
    struct flow_way way;

    if (flow->expected || !ways_find(&purge->ways, flow, &way))
        return false;
    for (int source = 0; source < 2; source++) {
        struct flow_nat nat = flow_nat_of(purge->revalidate.now, source, flow, &way);

        if (nat.kind != FLOW_NAT_NONE && !(flow->status & (source ? IPS_SRC_NAT : IPS_DST_NAT)) &&
            !flow_nat_holds(&nat, source, flow, &way))
            return true;
    }
    return false;
}

/* Whether both ends would continue it. */
static bool holds_on(const struct flow *flow)
{
    return flow->protocol == IPPROTO_TCP && (flow->status & IPS_ASSURED) &&
           flow->tcp_state >= TCP_CONNTRACK_ESTABLISHED &&
           flow->tcp_state <= TCP_CONNTRACK_LAST_ACK;
}

static void remember(struct hashes *hashes, uint64_t hash)
{
    if (hashes->count == hashes->size) {
        hashes->size = hashes->size ? hashes->size * 2 : 64;
        hashes->items = xrealloc(hashes->items, hashes->size * sizeof(*hashes->items));
    }
    hashes->items[hashes->count++] = hash;
}

static void forget(struct purge *purge, const struct flow *flow)
{
    if (flow->status & IPS_SEEN_REPLY)
        flow_set_mark(flow, flow->mark | ABI_MARK_HELD, &purge->first);
    flow_delete(flow, &purge->messages);
}

/* With the new target. Not for masquerade, which needs a packet to determine the outgoing
 * interface. */
static void make_anew(struct purge *purge, const struct flow *flow, const struct flow_way *way)
{
    struct flow_nat target = flow_nat_of(purge->revalidate.now, false, flow, way), source;
    struct flow_end destination = {.port = target.port};
    struct flow anew = *flow;
    struct flow_way new_way;

    if (flow->protocol != IPPROTO_UDP || target.kind != FLOW_NAT_TO)
        return;
    memcpy(destination.address, target.address, sizeof(destination.address));
    anew.reply[0] = destination;
    if (!anew.reply[0].port)
        anew.reply[0].port = flow->original[1].port;
    if (!ways_find(&purge->ways, &anew, &new_way))
        return;
    source = flow_nat_of(purge->revalidate.now, true, &anew, &new_way);
    if (source.kind != FLOW_NAT_MASQUERADE)
        flow_create(flow, &destination,
                    source.kind == FLOW_NAT_TO ? source.address : flow->original[0].address,
                    &purge->messages);
}

/* mark: with the bits it had. */
static void end_flow(struct purge *purge, const struct flow *flow, uint32_t mark,
                     enum revalidate_fate fate)
{
    uint32_t bit = fate == REVALIDATE_DROPPED ? ABI_MARK_HELD : ABI_MARK_RESET;

    remember(&purge->gone, flow_hash(flow->family, flow->protocol, flow->original));
    if (fate == REVALIDATE_UNSURE)
        flow_delete(flow, &purge->messages);
    else if (!holds_on(flow) || purge->held++ >= HELD_MAX)
        forget(purge, flow);
    else if (mark != (flow->mark | bit) && bit == ABI_MARK_HELD)
        flow_hold(flow, flow->mark | bit, &purge->messages);
    else if (mark != (flow->mark | bit))
        flow_set_mark(flow, flow->mark | bit, &purge->messages);
    if (mark & ABI_MARK_ENDED)
        return;
    if (fate == REVALIDATE_TRANSLATED)
        purge->ended->translated++;
    else
        purge->ended->refused++;
}

static void revalidate_one(struct purge *purge, struct flow *flow)
{
    uint32_t mark = flow->mark;
    bool ended = mark & ABI_MARK_ENDED;
    enum revalidate_fate fate;
    struct flow_way way;

    flow->mark &= ~ABI_MARK_ENDED;
    if (purge->forget && (began_without(flow) || is_untranslated(purge, flow))) {
        remember(&purge->gone, flow_hash(flow->family, flow->protocol, flow->original));
        flow_delete(flow, &purge->messages);
        return;
    }
    purge->expected |= flow->expected;
    if (purge->idle || flow->expected || (!ended && revalidate_settled(&purge->revalidate, flow)))
        return;
    if (!ways_find(&purge->ways, flow, &way))
        return;
    if (!ended && !purge->guess)
        explain_way(&purge->explain, flow, &way);
    fate = revalidate_flow(&purge->revalidate, flow, &way, ended);
    if (fate == REVALIDATE_UNTRACKED) {
        remember(&purge->gone, flow_hash(flow->family, flow->protocol, flow->original));
        flow_delete(flow, &purge->messages);
        return;
    }
    if (fate != REVALIDATE_STAYS)
        end_flow(purge, flow, mark, fate);
    if (fate == REVALIDATE_TRANSLATED)
        make_anew(purge, flow, &way);
    if (fate == REVALIDATE_STAYS && ended) {
        remember(&purge->back, flow_hash(flow->family, flow->protocol, flow->original));
        flow_set_mark(flow, flow->mark, &purge->messages);
    }
}

static bool is_ours(const struct flow *flow)
{
    return flow->tuple && !flow->zoned && (flow->family == AF_INET || flow->family == AF_INET6);
}

static bool each_flow(void *arg, const struct nlmsghdr *h)
{
    struct flow flow;

    flow_read(h, &flow);
    if (is_ours(&flow))
        revalidate_one(arg, &flow);
    return true;
}

/* ---- connections that others expected (helpers') ---- */

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void sort(struct hashes *hashes)
{
    if (hashes->count)
        qsort(hashes->items, hashes->count, sizeof(*hashes->items), by_value);
}

static bool has(const struct hashes *hashes, uint64_t hash)
{
    return hashes->count && bsearch(&hash, hashes->items, hashes->count, sizeof(hash), by_value);
}

/* Expected connections (of helpers) end, or continue, with their parent. */
static bool each_expected(void *arg, const struct nlmsghdr *h)
{
    struct purge *purge = arg;
    struct flow flow;
    uint64_t hash;
    uint32_t mark;

    flow_read(h, &flow);
    if (!is_ours(&flow) || !flow.expected)
        return true;
    hash = flow_hash(flow.family, flow.master_protocol, flow.master);
    mark = flow.mark;
    flow.mark &= ~ABI_MARK_ENDED;
    if (has(&purge->gone, hash))
        end_flow(purge, &flow, mark, REVALIDATE_DROPPED);
    else if ((mark & ABI_MARK_ENDED) && has(&purge->back, hash))
        flow_set_mark(&flow, flow.mark, &purge->messages);
    return true;
}

/* ---- the walk ---- */

static int walk(struct purge *purge, struct orb_err *err)
{
    int r = ways_open(&purge->ways, err);

    explain_init(&purge->explain, &purge->revalidate, &purge->ways);
    if (!r)
        r = conntrack_dump(each_flow, purge, err);
    if (!r && purge->expected) {
        sort(&purge->gone);
        sort(&purge->back);
        r = conntrack_dump(each_expected, purge, err);
    }
    explain_fini(&purge->explain);
    ways_close(&purge->ways);
    if (!r && purge->first.len) {
        r = conntrack_send(&purge->first, err);
        load_bump(purge->dp);
        nanosleep(&(struct timespec){.tv_nsec = ANSWERS_MS * 1000000L}, NULL);
    }
    return r ? r : conntrack_send(&purge->messages, err);
}

int flows_purge(struct dataplane *dp, const struct dataplane_compiled *compiled,
                const struct dataplane_compiled *before, struct orb_err *err)
{
    struct dataplane_ended ended = {0};
    struct purge purge = {
        .dp = dp, .ended = &ended, .forget = dp->forget, .guess = flows_unsettled(dp) && !before};
    int r = 0;

    revalidate_init(&purge.revalidate, &compiled->policy, compiled->memory,
                    before ? &before->policy : NULL, before ? before->memory : NULL);
    purge.idle = revalidate_idle(&purge.revalidate);
    if (purge.forget || !purge.idle)
        r = walk(&purge, err);
    revalidate_fini(&purge.revalidate);
    buf_fini(&purge.first);
    buf_fini(&purge.messages);
    free(purge.gone.items);
    free(purge.back.items);
    if (r < 0)
        return r;
    dp->ended.refused += ended.refused;
    dp->ended.translated += ended.translated;
    return 0;
}

bool flows_unsettled(const struct dataplane *dp)
{
    return dp->control && dp->control->unsettled;
}

void flows_settle(struct dataplane *dp, bool settled)
{
    if (dp->control)
        __atomic_store_n(&dp->control->unsettled, !settled, __ATOMIC_SEQ_CST);
}
