/* The closed base table: in force until a policy is known, and whenever none can be applied. It has
 * the table's name, so that the policy's transaction replaces it in one step. Where that table is
 * owned by another process (nftables flag `owner`) or cannot be created, the same table is loaded
 * under another name until it can: a packet must pass every table.
 *
 * Note: an existing table is kept, because it is the last policy in force; but only when it is
 * complete. One emptied by another process in the meantime would accept everything. */
#include "dataplane/base.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/own.h"
#include "dataplane/attribute.h"
#include "dataplane/dump.h"
#include "dataplane/dataplane_internal.h"
#include "dataplane/found.h"
#include "dataplane/ruleset.h"

#define OUR_TABLE "orbital"

/* Accepts replies to connections of the appliance and to those the last policy allowed. Errors,
 * neighbour discovery and DHCP answers pass, because without them no link can be used; nothing
 * without a rule's mark is forwarded. The two empty NAT chains keep the translation of known
 * connections. */
static const char base[] =
    "chain " BASE_CHAIN " {\ncounter comment \"no policy is known: closed\"\n}\n"
    "chain forward {\n"
    "type filter hook forward priority filter; policy drop;\n"
    "ct mark & 0x60000000 != 0 drop\n" /* ABI_MARK_ENDED */
    "ct mark 0 drop\n"                 /* no rule has allowed it */
    "ct state vmap { established : accept, related : accept }\n"
    "drop\n}\n"
    "chain input {\n"
    "type filter hook input priority filter; policy drop;\n"
    "iifname \"lo\" accept\n"
    "ct mark & 0x60000000 != 0 drop\n"
    "ct state established,related accept\n"
    "ip6 hoplimit 255 icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, "
    "nd-neighbor-advert } accept\n"
    "icmpv6 type { mld-listener-query, mld-listener-report, mld-listener-done, "
    "mld2-listener-report, destination-unreachable, packet-too-big, time-exceeded, "
    "parameter-problem } accept\n"
    "icmp type { destination-unreachable, time-exceeded, parameter-problem } accept\n"
    "udp sport 67 udp dport 68 accept\n"
    "udp sport 547 udp dport 546 accept\n"
    "drop\n}\n"
    "chain output {\n"
    "type filter hook output priority filter; policy accept;\n"
    "accept\n}\n"
    "chain prerouting {\n"
    "type nat hook prerouting priority dstnat; policy accept;\n}\n"
    "chain postrouting {\n"
    "type nat hook postrouting priority srcnat; policy accept;\n}\n"
    "}\n";

struct scan {
    uint64_t digest;
    uint64_t policy;               /* by the comment in chain about */
    uint32_t generation;           /* by the same */
    bool closed;                   /* has the base table's chain */
    bool flagged;                  /* asleep, or another process' own */
    struct buf chains;             /* their names, each with its NUL */
    bool hooked[NF_INET_NUMHOOKS]; /* filter chains at hooks */
    bool ruled[NF_INET_NUMHOOKS];  /* the same with a rule */
};

void base_digest_mix(uint64_t *digest, const void *data, size_t size)
{
    const uint8_t *p = data;

    for (; size >= 8; size -= 8, p += 8) {
        uint64_t word;

        memcpy(&word, p, 8);
        *digest = (*digest ^ word) * 1099511628211ull;
        *digest ^= *digest >> 29; /* a multiplication moves nothing downwards */
    }
    for (; size; size--)
        *digest = (*digest ^ *p++) * 1099511628211ull;
}

static int hook_of(const char *chain)
{
    return !strcmp(chain, "forward")  ? NF_INET_FORWARD
           : !strcmp(chain, "input")  ? NF_INET_LOCAL_IN
           : !strcmp(chain, "output") ? NF_INET_LOCAL_OUT
                                      : -1;
}

/* The string of an attribute, "" when it is none. */
static const char *text_of(const struct nlattr *a)
{
    size_t size = attribute_size(a);

    return size && !attribute_data(a)[size - 1] ? attribute_data(a) : "";
}

/* Handles and use counts differ each time a table is created, and are ignored. */
static void scan_chain(struct scan *scan, const char *start, size_t size)
{
    const char *name = "";
    bool hooked = false;

    EACH_ATTRIBUTE(a, start, size)
    {
        int type = attribute_type(a);

        if (type == NFTA_CHAIN_NAME)
            name = text_of(a);
        hooked |= type == NFTA_CHAIN_HOOK;
        if (type == NFTA_CHAIN_NAME || type == NFTA_CHAIN_HOOK || type == NFTA_CHAIN_POLICY ||
            type == NFTA_CHAIN_TYPE)
            base_digest_mix(&scan->digest, a, a->nla_len);
    }
    scan->closed |= !strcmp(name, BASE_CHAIN);
    buf_add(&scan->chains, name, strlen(name) + 1);
    if (hooked && hook_of(name) >= 0)
        scan->hooked[hook_of(name)] = true;
}

/* A comment is user space's own data: type 0, length, text. */
static void scan_comment(struct scan *scan, const struct nlattr *a)
{
    const char *data = attribute_data(a), *word;
    size_t size = attribute_size(a);
    char text[128];

    if (size < 2 || data[0] || (uint8_t)data[1] > size - 2)
        return;
    snprintf(text, sizeof(text), "%.*s", (int)(uint8_t)data[1], data + 2);
    word = strstr(text, NFT_POLICY_WORD);
    scan->policy = word ? strtoull(word + strlen(NFT_POLICY_WORD), NULL, 16) : 0;
    if (sscanf(text, NFT_GENERATION_WORD "%" SCNu32, &scan->generation) != 1)
        scan->generation = 0;
}

static void scan_rule(struct scan *scan, const char *start, size_t size)
{
    bool about = false;

    EACH_ATTRIBUTE(a, start, size)
    {
        int type = attribute_type(a);

        about |= type == NFTA_RULE_CHAIN && !strcmp(text_of(a), NFT_ABOUT);
        if (about && type == NFTA_RULE_USERDATA)
            scan_comment(scan, a);
        if (type == NFTA_RULE_CHAIN && hook_of(text_of(a)) >= 0)
            scan->ruled[hook_of(text_of(a))] = true;
        if (type == NFTA_RULE_CHAIN || type == NFTA_RULE_EXPRESSIONS)
            base_digest_mix(&scan->digest, a, a->nla_len);
    }
}

/* A dormant table does nothing, and only its owner can change one that is owned. */
static void scan_table(struct scan *scan, const char *start, size_t size)
{
    EACH_ATTRIBUTE(a, start, size)
    {
        uint32_t flags;

        if (attribute_type(a) != NFTA_TABLE_FLAGS || attribute_size(a) < sizeof(flags))
            continue;
        memcpy(&flags, attribute_data(a), sizeof(flags));
        scan->flagged |= flags != 0;
    }
}

static bool scan_message(void *arg, const struct nlmsghdr *h)
{
    struct scan *scan = arg;
    const char *start = (const char *)NLMSG_DATA(h) + NLMSG_ALIGN(sizeof(struct nfgenmsg));
    size_t size;

    if (h->nlmsg_len < NLMSG_LENGTH(sizeof(struct nfgenmsg)))
        return true;
    size = (size_t)((const char *)h + h->nlmsg_len - start);
    if (h->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWCHAIN))
        scan_chain(scan, start, size);
    else if (h->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE))
        scan_rule(scan, start, size);
    else if (h->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE))
        scan_table(scan, start, size);
    return true;
}

/* Feeds the kernel's answer to scan; chain NULL: all. Negative errno; -EINTR: changed during the
 * dump. */
static int ask(const char *table, const char *chain, uint8_t message, uint16_t flags,
               struct scan *scan)
{
    struct {
        struct nlmsghdr h;
        struct nfgenmsg head;
        char attributes[192];
    } request = {.h = {.nlmsg_len = offsetof(__typeof__(request), attributes),
                       .nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | message),
                       .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags)},
                 .head = {.nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0}};
    const char *names[] = {table, chain};

    /* The numbers of these attributes are 1 in each message, and 2 in those about rules. */
    static_assert(NFTA_TABLE_NAME == 1 && NFTA_CHAIN_TABLE == 1 && NFTA_RULE_TABLE == 1 &&
                      NFTA_RULE_CHAIN == 2,
                  "as above");
    for (uint16_t i = 0; i < ARRAY_LEN(names) && names[i]; i++) {
        struct nlattr *a = (void *)((char *)&request + request.h.nlmsg_len);
        size_t size = strlen(names[i]) + 1;

        if (request.h.nlmsg_len + sizeof(*a) + NLA_ALIGN(size) > sizeof(request))
            return -ENAMETOOLONG;
        *a = (struct nlattr){.nla_len = (uint16_t)(sizeof(*a) + size), .nla_type = i + 1};
        memcpy(a + 1, names[i], size);
        request.h.nlmsg_len += NLA_ALIGN(a->nla_len);
    }
    return dump_run(NETLINK_NETFILTER, &request.h, scan_message, scan);
}

static bool is_missing(const char *table)
{
    struct scan scan = {0};

    return ask(table, NULL, NFT_MSG_GETTABLE, 0, &scan) == -ENOENT;
}

/* Chain by chain: each part of the kernel's answer begins with a walk over all rules before it, of
 * the whole table if it is asked for all, which grows with the square of their number. That nothing
 * changed in between shows by nftables' transactions. */
static int scan_rules(struct scan *scan)
{
    const char *at = scan->chains.data, *end = at + scan->chains.len;
    int r = 0;

    for (; !r && at < end; at += strlen(at) + 1)
        r = ask(OUR_TABLE, at, NFT_MSG_GETRULE, NLM_F_DUMP, scan);
    return r;
}

static int scan_once(struct scan *scan)
{
    uint32_t id = ruleset_id();
    int r;

    buf_clear(&scan->chains);
    *scan = (struct scan){.digest = DIGEST_START, .chains = scan->chains};
    r = ask(OUR_TABLE, NULL, NFT_MSG_GETTABLE, 0, scan);
    if (!r)
        r = ask(OUR_TABLE, NULL, NFT_MSG_GETCHAIN, NLM_F_DUMP, scan);
    if (!r)
        r = scan_rules(scan);
    if (!id || id != ruleset_id())
        return r == -ENOENT && is_missing(OUR_TABLE) ? r : -EINTR;
    return r;
}

static void own_scan(struct scan *scan)
{
    buf_fini(&scan->chains);
}

enum table_state base_table_look(uint64_t *ret_digest, uint64_t *ret_policy,
                                 uint32_t *ret_generation)
{
    AUTO(scan) struct scan scan = {0};
    int r = -EINTR;

    *ret_digest = 0;
    if (ret_policy)
        *ret_policy = 0;
    if (ret_generation)
        *ret_generation = 0;
    for (int i = 0; r == -EINTR && i < 8; i++)
        r = scan_once(&scan);
    if (r == -ENOENT)
        return TABLE_NONE;
    if (r < 0)
        return TABLE_UNKNOWN;
    if (scan.flagged)
        return TABLE_BROKEN;
    for (int hook = NF_INET_LOCAL_IN; hook <= NF_INET_LOCAL_OUT; hook++)
        if (!scan.hooked[hook] || !scan.ruled[hook])
            return TABLE_BROKEN;
    *ret_digest = scan.digest ? scan.digest : 1;
    if (ret_policy)
        *ret_policy = scan.policy;
    if (ret_generation)
        *ret_generation = scan.generation;
    return scan.closed ? TABLE_CLOSED : TABLE_POLICY;
}

bool base_table_missing(void)
{
    return is_missing(OUR_TABLE);
}

void base_table_digest(struct dataplane *dp, uint64_t digest)
{
    dp->digest = digest;
    if (dp->control)
        dp->control->rules_digest = digest;
    dp->digest_unnoted = true;
    found_retry(dp);
}

/* In one transaction instead of whatever is there. */
static int load_as(struct ruleset *ruleset, const char *table, struct orb_err *err)
{
    AUTO(buf) struct buf text = {0};

    buf_addf(&text, "add table inet %s\ndelete table inet %s\ntable inet %s {\n%s", table, table,
             table, base);
    return ruleset_run(ruleset, buf_str(&text), false, err);
}

int base_load(struct ruleset *ruleset, struct orb_err *err)
{
    return load_as(ruleset, OUR_TABLE, err);
}

int base_fallback(struct ruleset *ruleset)
{
    return is_missing(BASE_FALLBACK) ? load_as(ruleset, BASE_FALLBACK, NULL) : 0;
}

void base_fallback_end(struct ruleset *ruleset)
{
    if (!is_missing(BASE_FALLBACK))
        ruleset_run(ruleset, "delete table inet " BASE_FALLBACK "\n", false, NULL);
}
