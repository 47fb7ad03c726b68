/* What the data plane reads of netlink (interfaces, addresses, nftables, queueing disciplines,
 * conntrack, events), from a kernel that answers anything (kernel.h). The first byte chooses the
 * reader (enum question).
 *
 * Reading ends in time, with an answer or an error; an interrupted dump is not taken for a
 * complete one; memory behind a message has no effect; and the requests to conntrack then consist
 * of complete messages. */
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/base.h"
#include "dataplane/dataplane_internal.h"
#include "dataplane/flow.h"
#include "dataplane/conntrack.h"
#include "dataplane/link.h"
#include "dataplane/tally.h"
#include "dataplane/watch.h"
#include "dataplane/ways.h"
#include "test/fuzz/bounds.h"
#include "test/fuzz/kernel.h"

#define MOST_MS 200.0
#define SUSPECTS_BYTES (ABI_SUSPECTS * sizeof(struct suspect))
#define NFT(message) (NFNL_SUBSYS_NFTABLES << 8 | (message))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum question {
    LINKS,
    WAYS,
    CHAINS,
    DISCIPLINES,
    EXPECTED,
    TABLE,
    COUNTERS,
    MARKS,
    UNANSWERED,
    TABLE_EVENTS,
    LINK_EVENTS_,
    QUESTIONS
};

static const struct kernel_type types[] = {
    {RTM_NEWLINK, sizeof(struct ifinfomsg)},
    {RTM_NEWADDR, sizeof(struct ifaddrmsg)},
    {RTM_NEWROUTE, sizeof(struct rtmsg)},
    {RTM_NEWQDISC, sizeof(struct tcmsg)},
    {RTM_NEWTFILTER, sizeof(struct tcmsg)},
    {RTM_NEWNEIGH, sizeof(struct ndmsg)},
    {NFT(NFT_MSG_NEWTABLE), sizeof(struct nfgenmsg)},
    {NFT(NFT_MSG_NEWCHAIN), sizeof(struct nfgenmsg)},
    {NFT(NFT_MSG_NEWRULE), sizeof(struct nfgenmsg)},
    {NFT(NFT_MSG_NEWSETELEM), sizeof(struct nfgenmsg)},
    {NFT(NFT_MSG_NEWGEN), sizeof(struct nfgenmsg)},
    {NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW, sizeof(struct nfgenmsg)},
    {NLMSG_DONE, 4},
    {NLMSG_ERROR, sizeof(struct nlmsgerr) - 4},
};

/* A reader that has seen enough of the last list does not read the rest of it. */
static void whole(const struct kernel *kernel, int r)
{
    must(r < 0 || !kernel->passed_over, "what was interrupted is taken for the whole");
}

static void ask_links(const struct kernel *kernel, struct buf *ret_read)
{
    AUTO(link_list) struct link_list list = {0};
    struct orb_err err = {0};
    int r = link_read(&list, &err);

    buf_addf(ret_read, "%d %s", r, err.text);
    must(r >= 0 || err.text[0], "refused without a word");
    must(list.count <= kernel->messages, "more than the kernel told");
    for (unsigned i = 0; i < list.count; i++) {
        const struct link_info *l = &list.items[i];

        buf_addf(ret_read, "\n%u %s %s %u %u %u %d", l->ifindex, l->name, l->kind, l->type,
                 l->master, l->lower, l->up);
        buf_add(ret_read, l->mac, sizeof(l->mac));
    }
}

/* The interfaces, their addresses, and the way of one connection. */
static void ask_ways(struct buf *ret_read)
{
    struct flow flow = {.family = 2, .protocol = 6};
    struct flow_way way = {0};
    struct orb_err err = {0};
    struct ways ways = {.routes = -1};
    int r = ways_open(&ways, &err);

    buf_addf(ret_read, "%d %s", r, err.text);
    must(r >= 0 || err.text[0], "refused without a word");
    if (r >= 0) {
        flow.original[0].address[0] = 10;
        flow.reply[0].address[0] = 11;
        flow.original[1].address[0] = 12;
        buf_addf(ret_read, " %d %s>%s %d", ways_find(&ways, &flow, &way), way.in ? way.in : "",
                 way.out ? way.out : "", way.own);
        for (unsigned i = 0; i < ways.address_count; i++)
            buf_add(ret_read, &ways.addresses[i], sizeof(ways.addresses[i]));
    }
    ways_close(&ways);
}

static void ask_foreign(const struct kernel *kernel, bool nft, struct buf *ret_read)
{
    struct foreign foreign = {0};
    int r = nft ? foreign_nft_read(&foreign) : foreign_tc_read(&foreign, true);

    whole(kernel, r);
    must(foreign.count <= FOREIGN_PLACES, "more places than there is room for");
    buf_addf(ret_read, "%d %x", r, foreign.flags);
    for (unsigned i = 0; i < foreign.count; i++) {
        const struct foreign_place *p = &foreign.places[i];

        buf_addf(ret_read, "\n%d %u %s %s %d%d%d%d", (int)p->kind, p->ifindex, p->name, p->why,
                 p->prefix, p->in, p->out, p->shaped);
    }
    foreign_note_free(&foreign);
}

static void ask_table(const struct kernel *kernel, struct buf *ret_read)
{
    uint64_t digest = 0, policy = 0;
    enum table_state state = base_table_look(&digest, &policy, NULL);

    must(!kernel->interrupted || state <= TABLE_NONE, "a table that changed meanwhile is known");
    must(state > TABLE_BROKEN || !digest, "a digest of a table that is not whole");
    buf_addf(ret_read, "%d %llx %llx", (int)state, (unsigned long long)digest,
             (unsigned long long)policy);
}

static void ask_counters(struct buf *ret_read)
{
    AUTO(tally_list) struct tally_list list = {0};
    struct orb_err err = {0};
    int r = tally_read(&list, &err);

    must(r >= 0 || err.text[0], "refused without a word");
    buf_addf(ret_read, "%d %s", r, err.text);
    for (unsigned i = 0; i < list.count; i++) {
        must(!i || list.items[i - 1].key < list.items[i].key, "counters out of order");
        must(tally_find(&list, list.items[i].key) == &list.items[i], "a counter is not found");
        buf_addf(ret_read, "\n%u %llu %llu", list.items[i].key,
                 (unsigned long long)list.items[i].packets,
                 (unsigned long long)list.items[i].bytes);
    }
}

static void check_request(const char *data, size_t size)
{
    struct nlmsghdr h;

    for (size_t at = 0; at < size; at += h.nlmsg_len) {
        must(size - at >= sizeof(h), "half a message is asked");
        memcpy(&h, data + at, sizeof(h));
        must(h.nlmsg_len >= NLMSG_LENGTH(sizeof(struct nfgenmsg)) && h.nlmsg_len % 4 == 0 &&
                 h.nlmsg_len <= size - at,
             "a message of another size than in its header");
    }
}

static void ask_marks(const struct kernel *kernel, bool unmark, struct buf *ret_read)
{
    struct orb_err err = {0};
    int r = unmark ? conntrack_unmark(&err) : conntrack_forget_unanswered(&err);

    must(r >= 0 || err.text[0], "refused without a word");
    buf_addf(ret_read, "%d %s", r, err.text);
    check_request(kernel->sent.data, kernel->sent.len);
    buf_add(ret_read, kernel->sent.data, kernel->sent.len);
}

static void ask_events(bool tables, struct buf *ret_read)
{
    static struct dataplane dp;
    bool others = false;

    memset(&dp, 0, sizeof(dp));
    dp.suspects = xcalloc(1, SUSPECTS_BYTES);
    if (tables) {
        buf_addf(ret_read, "%d", watch_drain(&dp, &others));
        buf_addf(ret_read, " %d %u %s", others, dp.touched.next, dp.toucher);
        must(strnlen(dp.toucher, sizeof(dp.toucher)) < sizeof(dp.toucher), "a name without end");
    } else {
        buf_addf(ret_read, "%x", link_events_drain(&dp));
        buf_add(ret_read, dp.suspects, SUSPECTS_BYTES);
    }
    free(dp.suspects);
}

static void ask(const uint8_t *data, size_t size, uint8_t rest, struct buf *ret_read)
{
    struct kernel kernel = {.types = types,
                            .type_count = ARRAY_LEN(types),
                            .data = data + 1,
                            .left = size - 1,
                            .rest = rest};
    enum question question = data[0] % QUESTIONS;

    kernel_begin(&kernel);
    if (question == LINKS)
        ask_links(&kernel, ret_read);
    else if (question == WAYS)
        ask_ways(ret_read);
    else if (question == CHAINS || question == DISCIPLINES)
        ask_foreign(&kernel, question == CHAINS, ret_read);
    else if (question == EXPECTED)
        buf_addf(ret_read, "%d", foreign_state_expectations());
    else if (question == TABLE)
        ask_table(&kernel, ret_read);
    else if (question == COUNTERS)
        ask_counters(ret_read);
    else if (question == MARKS || question == UNANSWERED)
        ask_marks(&kernel, question == MARKS, ret_read);
    else
        ask_events(question == TABLE_EVENTS, ret_read);
    kernel_end(&kernel);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(buf) struct buf first = {0}, second = {0};
    double before = cpu_ms();

    if (!size)
        return 0;
    ask(data, size, 0, &first);
    ask(data, size, 0xff, &second);
    must(first.len == second.len && (!first.len || !memcmp(first.data, second.data, first.len)),
         "what is read depends on the bytes after the message");
    must_fit(first.len, 1024 + SUSPECTS_BYTES, 256, size);
    must_end(before, MOST_MS, size);
    return 0;
}
