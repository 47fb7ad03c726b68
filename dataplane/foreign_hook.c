/* Functions of kernel modules at netfilter's hooks for forwarded packets: IPVS, SYN proxies,
 * SELinux, and unknown ones. No table lists them, and the kernel sends no events.
 *
 * Note: each request to a kernel that cannot list hooks makes it load the module by a helper
 * process; so it is tried once. */
#include "dataplane/foreign_hook.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bpf/abi.h"
#include "core/base/buf.h"
#include "core/base/own.h"
#include "dataplane/attribute.h"
#include "dataplane/base.h"
#include "dataplane/foreign_nft.h"
#include "dataplane/dataplane_internal.h"
#include "dataplane/dump.h"

#define NAME_BYTES 64 /* of a function or module; longer ones are cut */
#define IPVS_HEAD 3   /* lines before the first service */
#define IPVS_BYTES 1024

/* They decide nothing by themselves, or are looked at elsewhere: conntrack and translation, tables
 * (foreign_nft.c, foreign_legacy.c), frames of bridges, AppArmor's own packets. */
static bool is_known(const char *function)
{
    static const char *const beginnings[] = {
        "ipv4_conntrack_",  "ipv6_conntrack_", "ipv4_confirm",  "ipv6_confirm",      "nf_confirm",
        "ipv4_helper",      "ipv6_helper",     "ipv6_defrag",   "nf_nat_",           "nft_do_chain",
        "nft_nat_do_chain", "ipt_do_table",    "ip6t_do_table", "iptable_",          "ip6table_",
        "ip_sabotage_in",   "nf_hook_run_bpf", "apparmor_ip_",  "nf_ct_bridge_hook",
    };

    for (size_t i = 0; i < ARRAY_LEN(beginnings); i++)
        if (!strncmp(function, beginnings[i], strlen(beginnings[i])))
            return true;
    return false;
}

static void text(const struct nlattr *a, char to[NAME_BYTES])
{
    snprintf(to, NAME_BYTES, "%.*s", (int)attribute_size(a), attribute_data(a));
}

/* false: a chain, a program, a known function, or one without a name. */
static bool is_unknown(const struct nlmsghdr *h, char function[NAME_BYTES], char module[NAME_BYTES])
{
    size_t size;
    const char *start = foreign_chain_attributes(h, &size);

    function[0] = module[0] = 0;
    EACH_ATTRIBUTE(a, start, size)
    {
        if (attribute_type(a) == NFNLA_HOOK_CHAIN_INFO)
            return false;
        if (attribute_type(a) == NFNLA_HOOK_FUNCTION_NAME)
            text(a, function);
        else if (attribute_type(a) == NFNLA_HOOK_MODULE_NAME)
            text(a, module);
    }
    return function[0] && !is_known(function);
}

int foreign_hook_dump(uint8_t family, uint32_t hook, dump_fn *each, void *arg)
{
    struct {
        struct nlmsghdr h;
        struct nfgenmsg head;
        struct nlattr a;
        uint32_t number;
    } request = {.h = {.nlmsg_len = sizeof(request),
                       .nlmsg_type = NFNL_SUBSYS_HOOK << 8 | NFNL_MSG_HOOK_GET,
                       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
                 .head = {.nfgen_family = family, .version = NFNETLINK_V0},
                 .a = {.nla_len = sizeof(request.a) + sizeof(request.number),
                       .nla_type = NFNLA_HOOK_HOOKNUM},
                 .number = htonl(hook)};

    return dump_run(NETLINK_NETFILTER, &request.h, each, arg);
}

/* Either to note the functions found, or to mix them into a digest. */
struct looking {
    struct foreign *foreign;
    uint64_t *state;
    uint8_t family;
    const char *at;
};

static bool on_function(void *arg, const struct nlmsghdr *h)
{
    struct looking *looking = arg;
    char function[NAME_BYTES], module[NAME_BYTES], why[FOREIGN_TEXT];

    if (h->nlmsg_type != (NFNL_SUBSYS_HOOK << 8 | NFNL_MSG_HOOK_GET) ||
        !is_unknown(h, function, module))
        return true;
    if (looking->state) {
        base_digest_mix(looking->state, &looking->family, sizeof(looking->family));
        base_digest_mix(looking->state, looking->at, strlen(looking->at));
        base_digest_mix(looking->state, function, strlen(function));
        return true;
    }
    snprintf(why, sizeof(why), "the function %s%s%s at netfilter's hook %s", function,
             module[0] ? " of module " : "", module, looking->at);
    foreign_note(looking->foreign, FOREIGN_MODULE,
                 foreign_chain_family(looking->family, FOREIGN_IP4 | FOREIGN_NEW4,
                                      FOREIGN_IP6 | FOREIGN_NEW6),
                 why);
    return true;
}

static void look(struct dataplane *dp, struct foreign *foreign, uint64_t *state)
{
    static const uint8_t families[] = {NFPROTO_IPV4, NFPROTO_IPV6};
    static const struct {
        uint32_t number;
        const char *name;
    } hooks[] = {{NF_INET_PRE_ROUTING, "prerouting"},
                 {NF_INET_FORWARD, "forward"},
                 {NF_INET_POST_ROUTING, "postrouting"}};

    for (size_t f = 0; f < ARRAY_LEN(families); f++)
        for (size_t i = 0; i < ARRAY_LEN(hooks); i++) {
            struct looking looking = {
                .foreign = foreign, .state = state, .family = families[f], .at = hooks[i].name};

            if (__atomic_load_n(&dp->hooks_unlisted, __ATOMIC_SEQ_CST))
                return;
            if (foreign_hook_dump(families[f], hooks[i].number, on_function, &looking) == -EINVAL)
                __atomic_store_n(&dp->hooks_unlisted, true, __ATOMIC_SEQ_CST);
        }
}

bool foreign_hook_serves(const char *list)
{
    for (unsigned line = 0; line < IPVS_HEAD; line++) {
        list = strchr(list, '\n');
        if (!list++)
            return false;
    }
    return *list != 0;
}

/* IPVS of this network namespace, for kernels that do not list hooks (Debian's); without a service
 * it decides nothing. */
static bool serves(struct foreign_files *files)
{
    char list[IPVS_BYTES]; /* the head, and the beginning of the first service */
    ssize_t n = kept_file_read(files ? &files->ip_vs : NULL, "/proc/thread-self/net/ip_vs", list,
                               sizeof(list));

    return n < 0 ? n != -ENOENT : foreign_hook_serves(list);
}

void foreign_hook_read(struct dataplane *dp, struct foreign *foreign)
{
    look(dp, foreign, NULL);
    if (serves(NULL))
        foreign_note(foreign, FOREIGN_MODULE,
                     FOREIGN_IP4 | FOREIGN_IP6 | FOREIGN_NEW4 | FOREIGN_NEW6, "services of IPVS");
}

void foreign_hook_mix(struct dataplane *dp, struct foreign_files *files, uint64_t *state)
{
    bool found = serves(files);

    look(dp, NULL, state);
    if (found)
        base_digest_mix(state, &found, sizeof(found));
}
