/* What a tc filter on the way out reads besides the packet. What tcx sends has no connection and
 * no route attached, as what the kernel forwards has: a filter that sorts by either would sort
 * otherwise. Kinds and actions that are not known to read neither may. */
#include <linux/pkt_cls.h>
#include <linux/tc_act/tc_bpf.h>
#include <stdio.h>
#include <string.h>

#include "core/base/own.h"
#include "dataplane/attribute.h"
#include "dataplane/foreign.h"

#define FLOWER_CT_FIRST TCA_FLOWER_KEY_CT_STATE
#define FLOWER_CT_LAST TCA_FLOWER_KEY_CT_LABELS_MASK
#define READS_CONNECTION                                                                           \
    (1u << FLOW_KEY_NFCT | 1u << FLOW_KEY_NFCT_SRC | 1u << FLOW_KEY_NFCT_DST |                     \
     1u << FLOW_KEY_NFCT_PROTO_SRC | 1u << FLOW_KEY_NFCT_PROTO_DST)
#define READS_ROUTE (1u << FLOW_KEY_RTCLASSID)

static uint32_t word(const struct nlattr *a, uint32_t missing)
{
    uint32_t value = missing;

    if (a && attribute_size(a) >= sizeof(value))
        memcpy(&value, attribute_data(a), sizeof(value));
    return value;
}

static bool flow_asks(const struct nlattr *options)
{
    return word(attribute_find(options, TCA_FLOW_KEYS), ~0u) & (READS_CONNECTION | READS_ROUTE);
}

static bool flower_asks(const struct nlattr *options)
{
    EACH_ATTRIBUTE(a, attribute_data(options), attribute_size(options))
    {
        if (attribute_type(a) >= FLOWER_CT_FIRST && attribute_type(a) <= FLOWER_CT_LAST)
            return true;
    }
    return false;
}

static bool bpf_asks(const struct nlattr *options)
{
    const struct nlattr *id = attribute_find(options, TCA_BPF_ID);

    return !id || foreign_program_asks(word(id, 0));
}

/* Extended matches: those that read the packet only. */
static bool match_asks(const struct nlattr *match)
{
    struct tcf_ematch_hdr head;

    if (attribute_size(match) < sizeof(head))
        return true;
    memcpy(&head, attribute_data(match), sizeof(head));
    return head.kind != TCF_EM_CONTAINER && head.kind != TCF_EM_CMP && head.kind != TCF_EM_NBYTE &&
           head.kind != TCF_EM_U32 && head.kind != TCF_EM_TEXT && head.kind != TCF_EM_VLAN;
}

static bool matches_ask(const struct nlattr *options, int type)
{
    const struct nlattr *tree = attribute_find(options, type);
    const struct nlattr *list = tree ? attribute_find(tree, TCA_EMATCH_TREE_LIST) : NULL;

    if (!list)
        return tree != NULL;
    EACH_ATTRIBUTE(match, attribute_data(list), attribute_size(list))
    {
        if (match_asks(match))
            return true;
    }
    return false;
}

static bool basic_asks(const struct nlattr *options)
{
    return matches_ask(options, TCA_BASIC_EMATCHES);
}

static bool cgroup_asks(const struct nlattr *options)
{
    return matches_ask(options, TCA_CGROUP_EMATCHES);
}

static bool packet_only(const struct nlattr *options)
{
    return false;
}

static const struct kind {
    const char *name;
    int actions; /* the attribute they are in */
    bool (*asks)(const struct nlattr *options);
} kinds[] = {
    {"basic", TCA_BASIC_ACT, basic_asks},        {"bpf", TCA_BPF_ACT, bpf_asks},
    {"cgroup", TCA_CGROUP_ACT, cgroup_asks},     {"flow", TCA_FLOW_ACT, flow_asks},
    {"flower", TCA_FLOWER_ACT, flower_asks},     {"fw", TCA_FW_ACT, packet_only},
    {"matchall", TCA_MATCHALL_ACT, packet_only}, {"u32", TCA_U32_ACT, packet_only},
};

/* mirred is not included: the packet continues at another interface, whose filters may read more.
 * */
static bool is_plain_action(const char *name)
{
    static const char *const plain[] = {"csum",   "gact",   "gate",   "mpls",    "nat",    "pedit",
                                        "police", "sample", "simple", "skbedit", "skbmod", "vlan"};

    for (size_t i = 0; i < ARRAY_LEN(plain); i++)
        if (!strcmp(name, plain[i]))
            return true;
    return false;
}

static bool action_asks(const struct nlattr *action, char name[FOREIGN_FILTER_NAME])
{
    const struct nlattr *kind = attribute_find(action, TCA_ACT_KIND);
    const struct nlattr *options = attribute_find(action, TCA_ACT_OPTIONS);
    const struct nlattr *id;

    snprintf(name, FOREIGN_FILTER_NAME, "%.*s", kind ? (int)attribute_size(kind) : 0,
             kind ? attribute_data(kind) : "");
    if (strcmp(name, "bpf"))
        return !is_plain_action(name);
    id = options ? attribute_find(options, TCA_ACT_BPF_ID) : NULL;
    return !id || foreign_program_asks(word(id, 0));
}

bool foreign_filter_asks(const char *kind, const struct nlattr *options,
                         char ret_who[FOREIGN_FILTER_NAME])
{
    const struct nlattr *actions;

    snprintf(ret_who, FOREIGN_FILTER_NAME, "%s", kind);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (strcmp(kind, kinds[i].name))
            continue;
        if (!options) /* its priority alone; filters there are messages of their own */
            return false;
        if (kinds[i].asks(options))
            return true;
        actions = attribute_find(options, kinds[i].actions);
        if (!actions)
            return false;
        EACH_ATTRIBUTE(action, attribute_data(actions), attribute_size(actions))
        {
            if (action_asks(action, ret_who))
                return true;
        }
        return false;
    }
    return true;
}
