/* Foreign state as read from netlink: each test is the kernel's answers, as bytes, and what
 * becomes of them. dump_run is this file's: it gives the answers to a request of its type. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_hook.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/xfrm.h>
#include <stdio.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/clsact.h"
#include "dataplane/foreign.h"
#include "dataplane/foreign_hook.h"
#include "dataplane/dataplane_internal.h"
#include "dataplane/dump.h"
#include "dataplane/link.h"
#include "test/lib/harness.h"

#define NFT(message) (NFNL_SUBSYS_NFTABLES << 8 | (message))
#define EVERYTHING (FOREIGN_IP4 | FOREIGN_IP6 | FOREIGN_NEW4 | FOREIGN_NEW6)

static struct {
    struct buf tables, chains, rules, disciplines, classes, ingress, egress, inner, hooks;
    int rules_error, chains_error, hooks_error;
} answers;

static const struct buf *answer_to(const struct nlmsghdr *request)
{
    static const struct buf nothing;
    const struct tcmsg *tc = NLMSG_DATA(request);

    if (request->nlmsg_type == (NFNL_SUBSYS_CTNETLINK_EXP << 8 | IPCTNL_MSG_EXP_GET) ||
        request->nlmsg_type == XFRM_MSG_GETSPDINFO || request->nlmsg_type == XFRM_MSG_GETDEFAULT)
        return &nothing;
    switch (request->nlmsg_type) {
    case NFT(NFT_MSG_GETTABLE):
        return &answers.tables;
    case NFT(NFT_MSG_GETCHAIN):
        return &answers.chains;
    case NFT(NFT_MSG_GETRULE):
        return &answers.rules;
    case NFNL_SUBSYS_HOOK << 8 | NFNL_MSG_HOOK_GET:
        return &answers.hooks;
    case RTM_GETQDISC:
        return &answers.disciplines;
    case RTM_GETTCLASS:
        return &answers.classes;
    case RTM_GETTFILTER:
        if (TC_H_MAJ(tc->tcm_parent) != TC_H_MAJ(TC_H_CLSACT))
            return TC_H_MIN(tc->tcm_parent) ? &answers.inner : &nothing;
        return TC_H_MIN(tc->tcm_parent) == TC_H_MIN(TC_H_MIN_EGRESS) ? &answers.egress
                                                                     : &answers.ingress;
    default:
        ck_abort_msg("a request %u", request->nlmsg_type);
    }
    return NULL;
}

/* Each message in memory of its own, so that a read beyond its end is detected. */
int dump_run(int protocol, const struct nlmsghdr *request, dump_fn *each, void *arg)
{
    const struct buf *answer = answer_to(request);
    bool more = true;

    for (size_t at = 0; more && at < answer->len;) {
        AUTO_FREE struct nlmsghdr *h = NULL;
        uint32_t len;

        memcpy(&len, answer->data + at, sizeof(len));
        h = xcalloc(1, len);
        memcpy(h, answer->data + at, len);
        more = each(arg, h);
        at += NLMSG_ALIGN(len);
    }
    return answer == &answers.rules    ? answers.rules_error
           : answer == &answers.chains ? answers.chains_error
           : answer == &answers.hooks  ? answers.hooks_error
                                       : 0;
}

/* ---- making answers ---- */

static void pad(struct buf *b)
{
    while (b->len % 4)
        buf_addc(b, 0);
}

static size_t begin(struct buf *b, uint16_t type, const void *head, size_t size)
{
    struct nlmsghdr h = {.nlmsg_type = type};
    size_t at = b->len;

    buf_add(b, &h, sizeof(h));
    buf_add(b, head, size);
    return at;
}

static void end(struct buf *b, size_t at)
{
    uint32_t len = (uint32_t)(b->len - at);

    memcpy(b->data + at, &len, sizeof(len));
    pad(b);
}

static void put(struct buf *b, uint16_t type, const void *data, size_t size)
{
    struct nlattr a = {.nla_len = (uint16_t)(sizeof(a) + size), .nla_type = type};

    buf_add(b, &a, sizeof(a));
    buf_add(b, data, size);
    pad(b);
}

static void put_text(struct buf *b, uint16_t type, const char *value)
{
    put(b, type, value, strlen(value) + 1);
}

static void put_word(struct buf *b, uint16_t type, uint32_t value)
{
    value = htonl(value);
    put(b, type, &value, sizeof(value));
}

static size_t nest(struct buf *b, uint16_t type)
{
    size_t at = b->len;

    put(b, type | NLA_F_NESTED, "", 0);
    return at;
}

static void unnest(struct buf *b, size_t at)
{
    uint16_t len = (uint16_t)(b->len - at);

    memcpy(b->data + at, &len, sizeof(len));
}

static size_t begin_nft(struct buf *b, uint16_t message, uint8_t family)
{
    struct nfgenmsg head = {.nfgen_family = family};

    return begin(b, NFT(message), &head, sizeof(head));
}

static void table(const char *name, uint32_t flags)
{
    size_t at = begin_nft(&answers.tables, NFT_MSG_NEWTABLE, NFPROTO_INET);

    put_text(&answers.tables, NFTA_TABLE_NAME, name);
    put_word(&answers.tables, NFTA_TABLE_FLAGS, flags);
    end(&answers.tables, at);
}

/* device: "" for none. strange: attributes of a newer kernel around everything. */
static void chain_of(uint8_t family, const char *table, uint32_t hook, const char *device,
                     uint32_t rules, bool strange)
{
    struct buf *b = &answers.chains;
    size_t at = begin_nft(b, NFT_MSG_NEWCHAIN, family), inner;

    if (strange)
        put(b, 1000, "strange", 7);
    put_text(b, NFTA_CHAIN_TABLE, table);
    put_text(b, NFTA_CHAIN_NAME, "c");
    inner = nest(b, NFTA_CHAIN_HOOK);
    if (strange)
        put(b, 999, "", 0);
    put_word(b, NFTA_HOOK_HOOKNUM, hook);
    if (*device)
        put_text(b, NFTA_HOOK_DEV, device);
    unnest(b, inner);
    put_word(b, NFTA_CHAIN_POLICY, NF_ACCEPT);
    put_text(b, NFTA_CHAIN_TYPE, "filter");
    put_word(b, NFTA_CHAIN_USE, rules);
    if (strange)
        put(b, 1001 | NLA_F_NET_BYTEORDER, "x", 1);
    end(b, at);
}

static void chain(const char *table, uint32_t hook, uint32_t rules)
{
    chain_of(NFPROTO_INET, table, hook, "", rules, false);
}

static void compare(struct buf *b, const char *with, size_t size)
{
    size_t element = nest(b, NFTA_LIST_ELEM), data, value;

    put_text(b, NFTA_EXPR_NAME, "cmp");
    data = nest(b, NFTA_EXPR_DATA);
    put_word(b, NFTA_CMP_OP, NFT_CMP_EQ);
    value = nest(b, NFTA_CMP_DATA);
    put(b, NFTA_DATA_VALUE, with, size);
    unnest(b, value);
    unnest(b, data);
    unnest(b, element);
}

static void load(struct buf *b, uint32_t key)
{
    size_t element = nest(b, NFTA_LIST_ELEM), data;

    put_text(b, NFTA_EXPR_NAME, "meta");
    data = nest(b, NFTA_EXPR_DATA);
    put_word(b, NFTA_META_KEY, key);
    unnest(b, data);
    unnest(b, element);
}

/* Begins with a comparison of an interface. */
static void rule(uint32_t key, const char *name, size_t size)
{
    struct buf *b = &answers.rules;
    size_t at = begin_nft(b, NFT_MSG_NEWRULE, NFPROTO_INET), list;

    put_text(b, NFTA_RULE_TABLE, "t");
    list = nest(b, NFTA_RULE_EXPRESSIONS);
    load(b, key);
    compare(b, name, size);
    unnest(b, list);
    end(b, at);
}

static void tc(struct buf *b, uint16_t type, struct tcmsg message, const char *kind, size_t size)
{
    size_t at = begin(b, type, &message, sizeof(message));

    put(b, TCA_KIND, kind, size);
    end(b, at);
}

static void discipline(int ifindex, const char *kind)
{
    tc(&answers.disciplines, RTM_NEWQDISC, (struct tcmsg){.tcm_ifindex = ifindex}, kind,
       strlen(kind) + 1);
}

static void filter(struct buf *b, uint32_t priority, uint32_t handle)
{
    tc(b, RTM_NEWTFILTER, (struct tcmsg){.tcm_info = priority << 16, .tcm_handle = handle}, "bpf",
       4);
}

/* ---- nftables ---- */

TEST(a_chain_whose_rules_name_an_interface_is_about_that_interface)
{
    struct foreign foreign = {0};

    chain("t", NF_INET_FORWARD, 2);
    rule(NFT_META_IIFNAME, "lan0\0\0\0\0\0\0\0\0\0\0\0", IFNAMSIZ);
    rule(NFT_META_OIFNAME, "wan", 3);
    ck_assert_int_eq(foreign_nft_read(&foreign), 0);
    ck_assert_uint_eq(foreign.count, 2);
    ck_assert_str_eq(foreign.places[0].name, "lan0");
    ck_assert(foreign.places[0].in && !foreign.places[0].out && !foreign.places[0].prefix);
    ck_assert_str_eq(foreign.places[1].name, "wan");
    ck_assert(foreign.places[1].out && !foreign.places[1].in && foreign.places[1].prefix);
    ck_assert_uint_eq(foreign.flags, FOREIGN_NEW4 | FOREIGN_NEW6);
    foreign_note_free(&foreign);
}

/* Reads nftables with the message in *answer cut off at every length. */
static void cut_off(struct buf *answer, void (*check)(const struct foreign *foreign))
{
    struct buf whole = *answer;

    *answer = (struct buf){0};
    for (uint32_t len = sizeof(struct nlmsghdr); len <= whole.len; len++) {
        struct foreign foreign = {0};

        buf_clear(answer);
        buf_add(answer, whole.data, whole.len);
        memcpy(answer->data, &len, sizeof(len));
        answer->len = len;
        ck_assert_int_eq(foreign_nft_read(&foreign), 0);
        check(&foreign);
        foreign_note_free(&foreign);
    }
    buf_fini(&whole);
}

static void names_lan0_or_everything(const struct foreign *foreign)
{
    if (foreign->flags & FOREIGN_IP4)
        return;
    ck_assert_uint_eq(foreign->count, 1);
    ck_assert(foreign->places[0].in);
    ck_assert(foreign->places[0].prefix || !strcmp(foreign->places[0].name, "lan0"));
}

/* Wherever a message is cut, its rule never has a smaller scope than the whole one. */
TEST(a_rule_that_is_cut_off_is_about_its_interface_or_about_everything)
{
    rule(NFT_META_IIFNAME, "lan0\0\0\0\0\0\0\0\0\0\0\0", IFNAMSIZ);
    chain("t", NF_INET_FORWARD, 1);
    cut_off(&answers.rules, names_lan0_or_everything);
}

static unsigned places_of_cut_chains;

static void count_places(const struct foreign *foreign)
{
    places_of_cut_chains += foreign->count;
}

TEST(a_chain_that_is_cut_off_is_read_as_far_as_it_is_there)
{
    chain_of(NFPROTO_NETDEV, "t", NF_NETDEV_INGRESS, "lan0", 1, true);
    cut_off(&answers.chains, count_places);
    ck_assert_uint_ge(places_of_cut_chains, 1); /* the whole, at least */
}

TEST(attributes_of_a_newer_kernel_change_nothing)
{
    struct foreign foreign = {0};

    chain_of(NFPROTO_NETDEV, "t", NF_NETDEV_INGRESS, "lan0", 1, true);
    chain_of(NFPROTO_IPV4, "u", NF_INET_FORWARD, "", UINT32_MAX, true);
    rule(NFT_META_LEN, "", 1);
    ck_assert_int_eq(foreign_nft_read(&foreign), 0);
    ck_assert_uint_eq(foreign.count, 1);
    ck_assert(foreign.places[0].in && !strcmp(foreign.places[0].name, "lan0"));
    ck_assert_uint_eq(foreign.flags, FOREIGN_IP4 | FOREIGN_NEW4);
    ck_assert_uint_eq(foreign.kinds, 1u << FOREIGN_NFTABLES);
    foreign_note_free(&foreign);
}

TEST(names_without_an_end_are_cut_to_what_fits)
{
    struct foreign foreign = {0};
    char name[300];

    memset(name, 'x', sizeof(name));
    chain("t", NF_INET_FORWARD, 1);
    rule(NFT_META_IIFNAME, name, sizeof(name));
    ck_assert_int_eq(foreign_nft_read(&foreign), 0);
    ck_assert_uint_eq(foreign.count, 1);
    ck_assert_uint_eq(strlen(foreign.places[0].name), IFNAMSIZ - 1);
    foreign_note_free(&foreign);
}

TEST(more_interfaces_than_there_is_room_for_are_everything)
{
    struct foreign foreign = {0};
    char name[IFNAMSIZ];

    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof(name), "eth%d", i);
        chain_of(NFPROTO_NETDEV, "t", NF_NETDEV_INGRESS, name, 1, false);
    }
    ck_assert_int_eq(foreign_nft_read(&foreign), 0);
    ck_assert_uint_eq(foreign.count, FOREIGN_PLACES);
    ck_assert_uint_eq(foreign.flags, EVERYTHING);
    foreign_note_free(&foreign);
}

TEST(what_sleeps_is_empty_or_ours_takes_nothing)
{
    struct foreign foreign = {0};

    table("asleep", NFT_TABLE_F_DORMANT);
    chain("asleep", NF_INET_FORWARD, 1);
    chain("empty", NF_INET_FORWARD, 0);
    chain("orbital", NF_INET_FORWARD, 9);
    chain("local", NF_INET_LOCAL_IN, 9);
    ck_assert_int_eq(foreign_nft_read(&foreign), 0);
    ck_assert(!foreign.flags && !foreign.count && !foreign.kinds);
    foreign_note_free(&foreign);
}

TEST(a_chain_that_is_removed_meanwhile_is_read_again_and_what_cannot_be_read_is_an_error)
{
    struct foreign foreign = {0};

    chain("t", NF_INET_FORWARD, 1);
    answers.rules_error = -ENOENT;
    ck_assert_int_eq(foreign_nft_read(&foreign), -EINTR);
    answers.rules_error = -ENOBUFS;
    ck_assert_int_eq(foreign_nft_read(&foreign), -ENOBUFS);
    answers.rules_error = 0;
    answers.chains_error = -EMSGSIZE;
    ck_assert_int_eq(foreign_nft_read(&foreign), -EMSGSIZE);
    foreign_note_free(&foreign);
}

/* ---- tc ---- */

TEST(a_discipline_that_is_no_default_shapes)
{
    struct foreign foreign = {0};

    discipline(1, "noqueue");
    discipline(2, "fq_codel");
    discipline(3, "tbf");
    discipline(0, "tbf");
    tc(&answers.disciplines, RTM_NEWQDISC, (struct tcmsg){.tcm_ifindex = 4},
       "a name without an end that is longer than any name of theirs", 60);
    ck_assert_int_eq(foreign_tc_read(&foreign, false), 0);
    ck_assert_uint_eq(foreign.count, 2);
    ck_assert(foreign.places[0].ifindex == 3 && foreign.places[0].shaped);
    ck_assert_str_eq(foreign.places[0].why, "queueing discipline tbf");
    ck_assert(foreign.places[1].ifindex == 4 && foreign.places[1].shaped);
    foreign_note_free(&foreign);
}

TEST(messages_of_tc_that_are_cut_off_are_not_read_beyond_their_end)
{
    struct nlmsghdr h = {.nlmsg_len = sizeof(h), .nlmsg_type = RTM_NEWQDISC};
    struct foreign foreign = {0};

    buf_add(&answers.disciplines, &h, sizeof(h));
    discipline(7, "clsact");
    h.nlmsg_type = RTM_NEWTFILTER;
    buf_add(&answers.ingress, &h, sizeof(h));
    filter(&answers.ingress, 1, 1);
    ck_assert_int_eq(foreign_tc_read(&foreign, false), 0);
    ck_assert_uint_eq(foreign.count, 1);
    ck_assert(foreign.places[0].ifindex == 7 && foreign.places[0].in);
    foreign_note_free(&foreign);
}

TEST(only_orbitals_filter_is_left_out_and_only_where_it_is_attached)
{
    static const struct {
        uint32_t priority, handle;
        bool clsact, found;
    } rows[] = {{CLSACT_PRIORITY, CLSACT_HANDLE, true, false},
                {CLSACT_PRIORITY, 0, true, false}, /* the priority itself */
                {CLSACT_PRIORITY, CLSACT_HANDLE + 1, true, true},
                {CLSACT_PRIORITY, CLSACT_HANDLE, false, true},
                {49152, CLSACT_HANDLE, true, true}};

    discipline(7, "clsact");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct foreign foreign = {0};

        buf_clear(&answers.ingress);
        filter(&answers.ingress, rows[i].priority, rows[i].handle);
        ck_assert_int_eq(foreign_tc_read(&foreign, rows[i].clsact), 0);
        ck_assert_msg(foreign.count == rows[i].found, "row %zu", i);
        foreign_note_free(&foreign);
    }
}

TEST(filters_at_egress_are_asked_for_where_there_can_be_some)
{
    struct foreign foreign = {0};

    discipline(7, "ingress");
    discipline(8, "clsact");
    filter(&answers.egress, 1, 1);
    ck_assert_int_eq(foreign_tc_read(&foreign, false), 0);
    ck_assert_uint_eq(foreign.count, 1);
    ck_assert(foreign.places[0].ifindex == 8 && foreign.places[0].shaped);
    ck_assert_uint_eq(foreign.places[0].kind, FOREIGN_TC);
    foreign_note_free(&foreign);
}

/* An attribute inside others, as many levels as types, with data in the innermost. */
static void nested(struct buf *ret, const uint16_t *types, size_t count, const void *data,
                   size_t size)
{
    AUTO(buf) struct buf inner = {0};

    if (count == 1) {
        put(ret, types[0], data, size);
        return;
    }
    nested(&inner, types + 1, count - 1, data, size);
    put(ret, types[0], inner.data, inner.len);
}

static void filter_of(struct buf *b, const char *kind, const uint16_t *types, const void *data,
                      size_t size)
{
    struct tcmsg message = {.tcm_info = 1 << 16, .tcm_handle = 1};
    size_t at = begin(b, RTM_NEWTFILTER, &message, sizeof(message)), count = 0;

    while (types[count])
        count++;
    put(b, TCA_KIND, kind, strlen(kind) + 1);
    if (count)
        nested(b, types, count, data, size);
    end(b, at);
}

static const struct tcf_ematch_hdr meta_match = {.kind = TCF_EM_META},
                                   byte_match = {.kind = TCF_EM_NBYTE};
static const uint32_t flow_source = 1u << FLOW_KEY_SRC,
                      flow_connection = 1u << FLOW_KEY_SRC | 1u << FLOW_KEY_NFCT_SRC,
                      flow_route = 1u << FLOW_KEY_RTCLASSID, no_program = 0x7fffffff;

#define DATA(x) &(x), sizeof(x)
static const struct {
    const char *kind;
    uint16_t types[6];
    const void *data;
    size_t size;
    bool asks;
    const char *who;
} filters_out[] = {
    {"u32", {TCA_OPTIONS, TCA_U32_CLASSID}, "abc", 4, false, ""},
    {"u32", {0}, NULL, 0, false, ""}, /* a priority alone */
    {"u32", {TCA_OPTIONS, TCA_U32_ACT, 1, TCA_ACT_KIND}, "police", 7, false, ""},
    {"u32", {TCA_OPTIONS, TCA_U32_ACT, 1, TCA_ACT_KIND}, "connmark", 9, true, "connmark"},
    {"matchall", {TCA_OPTIONS, TCA_MATCHALL_ACT, 2, TCA_ACT_KIND}, "ct", 3, true, "ct"},
    {"matchall", {TCA_OPTIONS, TCA_MATCHALL_ACT, 1, TCA_ACT_KIND}, "mirred", 7, true, "mirred"},
    {"fw", {TCA_OPTIONS, TCA_FW_ACT, 1, TCA_ACT_KIND}, "gact", 5, false, ""},
    {"route", {TCA_OPTIONS, 1}, "abc", 4, true, "route"},
    {"route", {0}, NULL, 0, true, "route"},
    {"flow", {TCA_OPTIONS, TCA_FLOW_KEYS}, DATA(flow_source), false, ""},
    {"flow", {TCA_OPTIONS, TCA_FLOW_KEYS}, DATA(flow_connection), true, "flow"},
    {"flow", {TCA_OPTIONS, TCA_FLOW_KEYS}, DATA(flow_route), true, "flow"},
    {"flower", {TCA_OPTIONS, TCA_FLOWER_KEY_IP_PROTO}, "\6", 1, false, ""},
    {"flower", {TCA_OPTIONS, TCA_FLOWER_KEY_CT_STATE}, "\1\0", 2, true, "flower"},
    {"basic",
     {TCA_OPTIONS, TCA_BASIC_EMATCHES, TCA_EMATCH_TREE_LIST, 1},
     DATA(byte_match),
     false,
     ""},
    {"basic",
     {TCA_OPTIONS, TCA_BASIC_EMATCHES, TCA_EMATCH_TREE_LIST, 1},
     DATA(meta_match),
     true,
     "basic"},
    {"cgroup",
     {TCA_OPTIONS, TCA_CGROUP_EMATCHES, TCA_EMATCH_TREE_LIST, 1},
     DATA(meta_match),
     true,
     "cgroup"},
    {"bpf", {TCA_OPTIONS, TCA_BPF_FLAGS}, "\0\0\0", 4, true, "bpf"},
    {"bpf", {TCA_OPTIONS, TCA_BPF_ID}, DATA(no_program), false, ""}, /* it went */
    {"one that is not known", {TCA_OPTIONS, 1}, "abc", 4, true, "one that is not known"},
};

/* At clsact, and at a class of a discipline. */
static void filter_out(size_t i, bool inner)
{
    struct buf *b = inner ? &answers.inner : &answers.egress;
    struct foreign foreign = {0};
    bool shaped = false, out = false;
    const char *why = "";

    buf_clear(b);
    filter_of(b, filters_out[i].kind, filters_out[i].types, filters_out[i].data,
              filters_out[i].size);
    ck_assert_int_eq(foreign_tc_read(&foreign, false), 0);
    for (unsigned k = 0; k < foreign.count; k++) {
        shaped |= foreign.places[k].shaped;
        out |= foreign.places[k].out;
        why = foreign.places[k].out ? foreign.places[k].why : why;
    }
    ck_assert_msg(out == filters_out[i].asks && (shaped || out), "row %zu: %d %s", i, out, why);
    ck_assert_msg(!out || strstr(why, filters_out[i].who), "row %zu: %s", i, why);
    foreign_note_free(&foreign);
}

TEST(a_filter_on_the_way_out_that_may_read_connection_or_route_is_the_kernels)
{
    uint32_t handle = 0x10010;

    discipline(8, "clsact");
    for (size_t i = 0; i < ARRAY_LEN(filters_out); i++)
        filter_out(i, false);
    buf_clear(&answers.disciplines);
    tc(&answers.disciplines, RTM_NEWQDISC, (struct tcmsg){.tcm_ifindex = 9, .tcm_handle = 0x10000},
       "htb", 4);
    tc(&answers.classes, RTM_NEWTCLASS, (struct tcmsg){.tcm_ifindex = 9, .tcm_handle = handle},
       "htb", 4);
    for (size_t i = 0; i < ARRAY_LEN(filters_out); i++)
        filter_out(i, true);
}

TEST(more_classes_than_are_looked_at_are_the_kernels)
{
    struct foreign foreign = {0};

    tc(&answers.disciplines, RTM_NEWQDISC, (struct tcmsg){.tcm_ifindex = 9, .tcm_handle = 0x10000},
       "htb", 4);
    for (uint32_t i = 1; i < 3000; i++)
        tc(&answers.classes, RTM_NEWTCLASS,
           (struct tcmsg){.tcm_ifindex = 9, .tcm_handle = 0x10000 | i}, "htb", 4);
    ck_assert_int_eq(foreign_tc_read(&foreign, false), 0);
    ck_assert_uint_eq(foreign.count, 2);
    ck_assert(foreign.places[0].shaped && foreign.places[1].out);
    foreign_note_free(&foreign);
}

/* ---- programs at netfilter's hooks ---- */

/* A function at a hook of this namespace: a BPF program (type 2), or a chain of nftables. */
static void function(uint32_t type, uint32_t program, int priority)
{
    struct buf *b = &answers.hooks;
    struct nfgenmsg head = {0};
    size_t at = begin(b, NFNL_SUBSYS_HOOK << 8 | NFNL_MSG_HOOK_GET, &head, sizeof(head));
    size_t info, about;

    put_text(b, NFNLA_HOOK_FUNCTION_NAME, "a function");
    info = nest(b, NFNLA_HOOK_CHAIN_INFO);
    about = nest(b, NFNLA_HOOK_INFO_DESC);
    put_word(b, 1, program);
    unnest(b, about);
    put_word(b, NFNLA_HOOK_INFO_TYPE, type);
    unnest(b, info);
    put_word(b, NFNLA_HOOK_PRIORITY, (uint32_t)priority);
    end(b, at);
}

static struct foreign_programs two_links(void)
{
    return (struct foreign_programs){
        .count = 2,
        .links = {{.id = 1, .program = 70, .hook = NF_INET_FORWARD, .priority = -10},
                  {.id = 2, .program = 71, .hook = NF_INET_FORWARD, .priority = -10}}};
}

TEST(a_program_of_another_namespace_is_none_of_ours)
{
    struct foreign_programs programs = two_links();

    function(1, 71, -10); /* a chain whose description begins with such a number */
    function(2, 70, -10);
    function(2, 71, -11); /* the same program at another place */
    foreign_bpf_links_here(&programs);
    ck_assert(programs.links[0].here && !programs.links[1].here);
    buf_clear(&answers.hooks);
    foreign_bpf_links_here(&programs); /* it went away here */
    ck_assert(!programs.links[0].here && !programs.links[1].here);
}

TEST(where_the_kernel_lists_no_hooks_each_program_counts)
{
    struct foreign_programs programs = two_links();

    answers.hooks_error = -EINVAL;
    foreign_bpf_links_here(&programs);
    ck_assert(programs.links[0].here && programs.links[1].here);
}

TEST(a_list_of_hooks_that_is_cut_off_is_read_as_far_as_it_is_there)
{
    struct buf whole;
    unsigned found = 0;

    function(2, 70, -10);
    whole = answers.hooks;
    answers.hooks = (struct buf){0};
    for (uint32_t len = sizeof(struct nlmsghdr); len <= whole.len; len++) {
        struct foreign_programs programs = two_links();

        buf_clear(&answers.hooks);
        buf_add(&answers.hooks, whole.data, whole.len);
        memcpy(answers.hooks.data, &len, sizeof(len));
        answers.hooks.len = len;
        foreign_bpf_links_here(&programs);
        ck_assert(!programs.links[1].here);
        found += programs.links[0].here;
    }
    ck_assert_uint_ge(found, 1); /* the whole, at least */
    buf_fini(&whole);
}

/* ---- functions of modules at netfilter's hooks ---- */

static void module_function(const char *function, const char *module)
{
    struct buf *b = &answers.hooks;
    struct nfgenmsg head = {0};
    size_t at = begin(b, NFNL_SUBSYS_HOOK << 8 | NFNL_MSG_HOOK_GET, &head, sizeof(head));

    if (module)
        put_text(b, NFNLA_HOOK_MODULE_NAME, module);
    if (function)
        put_text(b, NFNLA_HOOK_FUNCTION_NAME, function);
    put_word(b, NFNLA_HOOK_PRIORITY, 1);
    end(b, at);
}

TEST(a_function_that_is_not_known_takes_everything_of_its_family)
{
    struct dataplane dp = {0};
    struct foreign foreign = {0};

    module_function("ip_vs_out_hook", "ip_vs");
    foreign_hook_read(&dp, &foreign);
    ck_assert_uint_eq(foreign.flags, EVERYTHING);
    ck_assert_uint_eq(foreign.kinds, 1u << FOREIGN_MODULE);
    ck_assert_str_eq(foreign.why[FOREIGN_WHY4],
                     "the function ip_vs_out_hook of module ip_vs at netfilter's hook prerouting");
    foreign_note_free(&foreign);
}

TEST(known_functions_and_those_without_a_name_take_nothing)
{
    static const char *const known[] = {
        "ipv4_conntrack_in", "ipv4_conntrack_defrag",   "ipv6_defrag",
        "nf_confirm",        "nf_nat_ipv4_pre_routing", "nf_nat_inet_fn",
        "nft_do_chain_inet", "iptable_mangle_hook",     "ipt_do_table",
        "ip_sabotage_in",    "apparmor_ip_postroute"};
    struct dataplane dp = {0};
    struct foreign foreign = {0};

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        module_function(known[i], "x");
    module_function(NULL, "ip_vs");
    function(1, 0, 5); /* chains and programs are looked at elsewhere, whatever their function */
    function(2, 70, -10);
    foreign_hook_read(&dp, &foreign);
    ck_assert_uint_eq(foreign.flags, 0);
    foreign_note_free(&foreign);
}

TEST(a_function_that_comes_is_a_difference)
{
    struct dataplane dp = {0};
    uint64_t none = 1, some = 1, same = 1;

    module_function("nf_confirm", "nf_conntrack");
    foreign_hook_mix(&dp, NULL, &none);
    ck_assert_uint_eq(none, 1);
    module_function("ila_nf_input", "ila");
    foreign_hook_mix(&dp, NULL, &some);
    foreign_hook_mix(&dp, NULL, &same);
    ck_assert(some != none && some == same);
}

TEST(ipvs_decides_once_it_has_a_service)
{
    static const char head[] = "IP Virtual Server version 1.2.1 (size=4096)\n"
                               "Prot LocalAddress:Port Scheduler Flags\n"
                               "  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n";
    char with[512];

    snprintf(with, sizeof(with), "%sUDP  0AC80101:270F rr \n", head);
    ck_assert(foreign_hook_serves(with));
    ck_assert(!foreign_hook_serves(head));
    for (size_t i = 0; i < strlen(head); i++) { /* cut anywhere */
        memcpy(with, head, i);
        with[i] = 0;
        ck_assert(!foreign_hook_serves(with));
    }
}

TEST(a_kernel_that_lists_no_hooks_is_asked_once)
{
    struct dataplane dp = {0};
    struct foreign foreign = {0};

    answers.hooks_error = -EINVAL;
    foreign_hook_read(&dp, &foreign);
    ck_assert(dp.hooks_unlisted && !foreign.flags);
    answers.hooks_error = 0;
    module_function("ip_vs_out_hook", "ip_vs");
    foreign_hook_read(&dp, &foreign);
    ck_assert_uint_eq(foreign.flags, 0);
}

/* ---- what is reported ---- */

static struct foreign_sum sum_of(struct dataplane *dp, const char *name, uint32_t *ret_kinds,
                                 char *reason, size_t size)
{
    struct link_info items[] = {{.ifindex = 1, .name = "bond0", .kind = "bond"},
                                {.ifindex = 2, .name = "eth0", .master = 1},
                                {.ifindex = 3, .name = "red", .kind = "vrf"},
                                {.ifindex = 4, .name = "lan0", .master = 3},
                                {.ifindex = 5, .name = "wan0"},
                                {.ifindex = 6, .name = "eth1"},
                                {.ifindex = 7, .name = "mv1", .kind = "macvlan", .lower = 5},
                                {.ifindex = 8, .name = "iv1", .takes = true, .lower = 6},
                                {.ifindex = 9, .name = "far", .takes = true}};
    struct link_list links = {.items = items, .count = ARRAY_LEN(items)};
    struct foreign_sum sum = foreign_port_sum(dp, link_find(&links, name), &links);

    reason[0] = 0;
    *ret_kinds = foreign_port_explain(dp, &sum, reason, size);
    return sum;
}

TEST(each_reason_is_reported_with_what_it_is_about)
{
    AUTO_FREE struct dataplane *dp = xcalloc(1, sizeof(*dp));
    char reason[640];
    uint32_t kinds;

    foreign_note_place(&dp->foreign, FOREIGN_QDISC, "wan0", 0, "queueing discipline tbf")->shaped =
        true;
    foreign_note_place(&dp->foreign, FOREIGN_NFTABLES, "wan0", 0, "chain c")->out = true;
    foreign_note(&dp->foreign, FOREIGN_IPTABLES, FOREIGN_IP4, "iptables");
    foreign_note(&dp->foreign, FOREIGN_BPF, FOREIGN_IP6, "a program");
    sum_of(dp, "wan0", &kinds, reason, sizeof(reason));
    ck_assert_str_eq(reason,
                     "what leaves here is sent by tcx: queueing discipline tbf; what leaves "
                     "here is the kernel's: chain c; IPv4 is the kernel's: iptables; IPv6 "
                     "is the kernel's: a program");
    ck_assert_uint_eq(kinds, 1u << FOREIGN_QDISC | 1u << FOREIGN_NFTABLES | 1u << FOREIGN_IPTABLES |
                                 1u << FOREIGN_BPF);
    foreign_note_free(&dp->foreign);
}

TEST(first_packets_are_named_unless_their_whole_family_is)
{
    AUTO_FREE struct dataplane *dp = xcalloc(1, sizeof(*dp));
    char reason[640];
    uint32_t kinds;

    foreign_note(&dp->foreign, FOREIGN_NFTABLES, FOREIGN_IP4 | FOREIGN_NEW4, "chain four");
    foreign_note(&dp->foreign, FOREIGN_NFTABLES, FOREIGN_NEW6, "chain six");
    sum_of(dp, "wan0", &kinds, reason, sizeof(reason));
    ck_assert_str_eq(reason, "IPv4 is the kernel's: chain four; first packets are the kernel's: "
                             "chain six");
    foreign_note_free(&dp->foreign);
}

TEST(a_bond_has_what_its_members_have_and_a_vrf_its_members)
{
    AUTO_FREE struct dataplane *dp = xcalloc(1, sizeof(*dp));
    struct foreign_sum sum;
    char reason[640];
    uint32_t kinds;

    foreign_note_place(&dp->foreign, FOREIGN_TC, NULL, 2, "tc ingress filter u32")->in = true;
    sum = sum_of(dp, "bond0", &kinds, reason, sizeof(reason));
    ck_assert(sum.in && !sum.out && kinds == 1u << FOREIGN_TC);
    sum = sum_of(dp, "lan0", &kinds, reason, sizeof(reason));
    ck_assert(sum.in && sum.out && kinds == 1u << FOREIGN_VRF);
    ck_assert_str_eq(reason, "what comes in and leaves here is the kernel's: a VRF it belongs to");
    sum = sum_of(dp, "wan0", &kinds, reason, sizeof(reason));
    ck_assert(!sum.in && !sum.out && !kinds && !reason[0]);
    foreign_note_free(&dp->foreign);
}

TEST(what_comes_in_below_a_device_that_takes_frames_is_the_kernels)
{
    AUTO_FREE struct dataplane *dp = xcalloc(1, sizeof(*dp));
    struct foreign_sum sum;
    char reason[640];
    uint32_t kinds;

    sum = sum_of(dp, "eth1", &kinds, reason, sizeof(reason));
    ck_assert(sum.in && !sum.out && kinds == 1u << FOREIGN_STACKED);
    ck_assert_ptr_nonnull(strstr(reason, "receives its frames"));
    sum = sum_of(dp, "iv1", &kinds, reason, sizeof(reason));
    ck_assert(!sum.in && !kinds);
}

TEST(each_kind_has_a_name_of_its_own)
{
    for (enum foreign_kind i = 0; i < FOREIGN_KINDS; i++)
        for (enum foreign_kind k = 0; k < i; k++)
            ck_assert_str_ne(foreign_note_kind(i), foreign_note_kind(k));
}

/* ---- the whole ---- */

static struct dataplane *with_port(struct fast_control *control)
{
    struct dataplane *dp = xcalloc(1, sizeof(*dp));

    pthread_mutex_init(&dp->lock, NULL);
    dp->programs = (void *)dp; /* there are some; not looked at here */
    dp->control = control;
    dp->ports.count = 1;
    dp->ports.items[0] = (struct port){.name = "lan0", .mode = PORT_TCX};
    return dp;
}

TEST(what_cannot_be_read_stays_the_kernels_until_it_can)
{
    struct fast_control control = {.foreign = FOREIGN_READING, .epoch = 7};
    AUTO_FREE struct dataplane *dp = with_port(&control);

    chain("t", NF_INET_FORWARD, 1);
    answers.chains_error = -ENOBUFS;
    ck_assert_int_eq(foreign_read(dp), -ENOBUFS); /* at the start */
    ck_assert(foreign_watch_is_reading(dp));
    answers.chains_error = 0;
    ck_assert_int_eq(foreign_read(dp), 0);
    ck_assert(!foreign_watch_is_reading(dp) && (control.foreign & FOREIGN_NEW4));
    ck_assert_uint_gt(control.epoch, 7);
    answers.chains_error = -ENOBUFS;
    foreign_watch_changed(dp);
    ck_assert_int_eq(foreign_read(dp), -ENOBUFS); /* and later */
    ck_assert(foreign_watch_is_reading(dp));
    foreign_note_free(&dp->foreign);
}

TEST(a_list_that_changes_each_time_it_is_read_stays_the_kernels)
{
    struct fast_control control = {.foreign = FOREIGN_READING};
    AUTO_FREE struct dataplane *dp = with_port(&control);

    chain("t", NF_INET_FORWARD, 1);
    answers.rules_error = -ENOENT; /* each of the attempts finds the chain deleted */
    ck_assert_int_eq(foreign_read(dp), -EINTR);
    ck_assert(foreign_watch_is_reading(dp));
}

TEST(each_kind_is_a_line_of_the_metric)
{
    for (enum foreign_kind kind = 0; kind < FOREIGN_KINDS; kind++) {
        struct fast_control control = {0};
        AUTO_FREE struct dataplane *dp = with_port(&control);
        AUTO(buf) struct buf text = {0};
        AUTO_FREE char *line =
            buf_format("orbital_fast_path_foreign_kind{port=\"lan0\",kind=\"%s\"} 1\n",
                       foreign_note_kind(kind));
        const char *first;

        dp->ports.items[0].foreign = kind == FOREIGN_UNREAD ? 0 : 1u << kind;
        control.foreign = kind == FOREIGN_UNREAD ? FOREIGN_READING : 0;
        dataplane_report_metrics(dp, &text);
        first = strstr(buf_str(&text), "_foreign_kind{");
        ck_assert_msg(first && strstr(buf_str(&text), line), "no %s in %s", line, buf_str(&text));
        ck_assert_msg(!strstr(first + 1, "_foreign_kind{"), "%s", buf_str(&text));
        ck_assert(
            strstr(buf_str(&text), "orbital_fast_path_foreign{port=\"lan0\",mode=\"tcx\"} 1"));
    }
}
