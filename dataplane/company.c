/* What else decides, gathered from the kernel and published to the programs.
 *
 * Surprise: between a change and the end of the next reading nobody knows what holds. The event
 * itself sets COMPANY_READING (company_watch.c), and everything is the kernel's; a reading takes it
 * away only if nothing changed while it went on. */
#include "dataplane/company.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/rtnetlink.h>
#include <linux/xfrm.h>
#include <stdio.h>
#include <string.h>

#include "core/base/own.h"
#include "dataplane/dump.h"
#include "dataplane/fast.h"

#define TRIES 8 /* of lists that change while they are read */
#define PLACES_STEP 32

#ifndef NFNL_SUBSYS_CTNETLINK_EXP
#define NFNL_SUBSYS_CTNETLINK_EXP 2
#endif
#ifndef XFRM_MSG_GETDEFAULT /* Linux 5.15 */
#define XFRM_MSG_GETDEFAULT 0x28
#endif
#define XFRM_BLOCKS 1 /* of struct xfrm_userpolicy_default */

/* ---- gathering ---- */

const char *company_kind_name(enum company_kind kind)
{
    static const char *const names[COMPANY_KINDS] = {
        [COMPANY_NFTABLES] = "nftables", [COMPANY_IPTABLES] = "iptables",
        [COMPANY_QDISC] = "qdisc",       [COMPANY_TC] = "tc",
        [COMPANY_BPF] = "bpf",           [COMPANY_IPSEC] = "ipsec",
        [COMPANY_VRF] = "vrf",           [COMPANY_EXPECTATION] = "expectation",
        [COMPANY_SETTING] = "setting",   [COMPANY_STACKED] = "stacked",
        [COMPANY_RULE] = "rule",         [COMPANY_UNREAD] = "unread"};

    return names[kind];
}

void company_note(struct company *company, enum company_kind kind, uint32_t flags, const char *why)
{
    static const uint32_t of[COMPANY_WHYS] = {[COMPANY_WHY4] = COMPANY_IP4,
                                              [COMPANY_WHY6] = COMPANY_IP6,
                                              [COMPANY_WHY_NEW4] = COMPANY_NEW4,
                                              [COMPANY_WHY_NEW6] = COMPANY_NEW6};

    company->flags |= flags;
    company->kinds |= 1u << kind;
    for (unsigned i = 0; i < COMPANY_WHYS; i++)
        if ((flags & of[i]) && !company->why[i][0])
            snprintf(company->why[i], sizeof(company->why[i]), "%s", why);
}

struct company_place *company_place(struct company *company, enum company_kind kind,
                                    const char *name, uint32_t ifindex, const char *why)
{
    struct company_place *place;

    if (!name)
        name = "";
    for (unsigned i = 0; i < company->count; i++) {
        place = &company->places[i];
        if (place->ifindex == ifindex && !strcmp(place->name, name) && !strcmp(place->why, why))
            return place;
    }
    if (company->count == COMPANY_PLACES) { /* the last one stands for the rest */
        company_note(company, kind, COMPANY_IP4 | COMPANY_IP6 | COMPANY_NEW4 | COMPANY_NEW6, why);
        return &company->places[COMPANY_PLACES - 1];
    }
    if (company->count % PLACES_STEP == 0)
        company->places =
            xrealloc(company->places, (company->count + PLACES_STEP) * sizeof(*company->places));
    place = &company->places[company->count++];
    *place = (struct company_place){.kind = kind, .ifindex = ifindex};
    snprintf(place->name, sizeof(place->name), "%s", name);
    snprintf(place->why, sizeof(place->why), "%s", why);
    return place;
}

void company_fini(struct company *company)
{
    free(company->places);
    *company = (struct company){0};
}

/* The kernel has no such thing at all. */
static bool is_missing(int r)
{
    return r == -EOPNOTSUPP || r == -EPROTONOSUPPORT || r == -EAFNOSUPPORT || r == -EINVAL ||
           r == -ENOENT;
}

static bool on_expectation(void *arg, const struct nlmsghdr *h)
{
    *(bool *)arg = true;
    return false;
}

/* A helper waits for a connection that no rule may allow. */
int company_expectations(void)
{
    struct {
        struct nlmsghdr h;
        struct nfgenmsg head;
    } request = {.h = {.nlmsg_len = sizeof(request),
                       .nlmsg_type = NFNL_SUBSYS_CTNETLINK_EXP << 8 | IPCTNL_MSG_EXP_GET,
                       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
                 .head = {.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0}};
    bool found = false;
    int r = dump_run(NETLINK_NETFILTER, &request.h, on_expectation, &found);

    return found ? 1 : is_missing(r) ? 0 : r;
}

static bool on_policies(void *arg, const struct nlmsghdr *h)
{
    const char *start = (const char *)NLMSG_DATA(h) + NLMSG_ALIGN(sizeof(uint32_t));
    int len = (int)((const char *)h + h->nlmsg_len - start);

    if (h->nlmsg_type != XFRM_MSG_NEWSPDINFO)
        return false;
    for (const struct rtattr *a = (const void *)start; RTA_OK(a, len); a = RTA_NEXT(a, len)) {
        struct xfrmu_spdinfo info;

        if (a->rta_type != XFRMA_SPD_INFO || RTA_PAYLOAD(a) < sizeof(info))
            continue;
        memcpy(&info, RTA_DATA(a), sizeof(info));
        *(bool *)arg |= info.outcnt || info.fwdcnt;
    }
    return false;
}

static bool on_default(void *arg, const struct nlmsghdr *h)
{
    const uint8_t *action = NLMSG_DATA(h); /* in, fwd, out */

    if (h->nlmsg_type == XFRM_MSG_GETDEFAULT && h->nlmsg_len >= NLMSG_LENGTH(3))
        *(bool *)arg |= action[1] == XFRM_BLOCKS || action[2] == XFRM_BLOCKS;
    return false;
}

/* IPsec policies decide after routing; a redirect would send in the clear what they protect. */
static int read_ipsec(bool *ret_found)
{
    struct {
        struct nlmsghdr h;
        uint32_t flags;
    } request = {.h = {.nlmsg_len = sizeof(request),
                       .nlmsg_type = XFRM_MSG_GETSPDINFO,
                       .nlmsg_flags = NLM_F_REQUEST},
                 .flags = ~0u};
    int r = dump_run(NETLINK_XFRM, &request.h, on_policies, ret_found);

    if (r < 0)
        return is_missing(r) ? 0 : r;
    request.h.nlmsg_type = XFRM_MSG_GETDEFAULT;
    request.flags = 0;
    r = dump_run(NETLINK_XFRM, &request.h, on_default, ret_found);
    return is_missing(r) ? 0 : r;
}

static int gather(struct dataplane *dp, struct company *company)
{
    const uint32_t fresh = COMPANY_NEW4 | COMPANY_NEW6, all = fresh | COMPANY_IP4 | COMPANY_IP6;
    bool ipsec = false;
    int r = company_read_nft(company), expected = company_expectations();

    if (!r)
        r = company_read_tc(company, dp->clsact);
    if (!r)
        r = read_ipsec(&ipsec);
    if (r < 0 || expected < 0)
        return r < 0 ? r : expected;
    company_read_legacy(company);
    company_read_tcx(dp, company);
    company_read_links(company);
    if (ipsec)
        company_note(company, COMPANY_IPSEC, all, "IPsec policies");
    if (expected)
        company_note(company, COMPANY_EXPECTATION, fresh, "conntrack expectations");
    company_read_settings(dp, company);
    return 0;
}

/* ---- the whole ---- */

/* What is about interfaces is about everything where the fast path's table of interfaces does not
 * say it. */
static uint32_t flags_of(const struct dataplane *dp, bool described)
{
    uint32_t flags = dp->company.flags;

    if (dp->mtus.label_rules || (dp->mtus.shared6 && dp->company.by_label))
        flags |= COMPANY_LABELS;
    return flags | (!described && dp->company.count ? COMPANY_IP4 | COMPANY_IP6 : 0);
}

static void publish(struct dataplane *dp, uint32_t changes, bool known)
{
    uint32_t flags = flags_of(dp, dp->current != NULL); /* a policy describes its interfaces */

    pthread_mutex_lock(&dp->lock);
    if (!known || changes != dp->company_changes)
        flags |= COMPANY_READING;
    __atomic_store_n(&dp->control->company, flags, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&dp->lock);
    load_bump(dp);
}

void company_described(struct dataplane *dp, bool described)
{
    pthread_mutex_lock(&dp->lock);
    __atomic_store_n(&dp->control->company,
                     flags_of(dp, described) | (dp->control->company & COMPANY_READING),
                     __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&dp->lock);
}

/* Before it is read: what changes meanwhile is seen as a difference. */
static uint64_t unseen_now(struct dataplane *dp)
{
    AUTO_FREE uint32_t *ports = xcalloc(POLICY_MAX_PORTS, sizeof(*ports));
    struct company_programs programs = {0};
    unsigned count = 0;

    for (unsigned i = 0; i < dp->ports.count; i++)
        if (dp->ports.items[i].ifindex)
            ports[count++] = dp->ports.items[i].ifindex;
    return company_unseen(dp, ports, count, &programs);
}

int company_read(struct dataplane *dp)
{
    struct company fresh = {0};
    uint64_t unseen;
    uint32_t changes;
    int r = -EINTR;

    if (!dp->programs)
        return 0;
    unseen = unseen_now(dp);
    pthread_mutex_lock(&dp->lock);
    changes = dp->company_changes;
    dp->company_unseen = unseen;
    pthread_mutex_unlock(&dp->lock);
    for (int i = 0; r == -EINTR && i < TRIES; i++) {
        company_fini(&fresh);
        r = gather(dp, &fresh);
    }
    r = r < 0 ? r : route_mtu_read(dp);
    if (!r && dp->mtus.suppressed6)
        company_note(&fresh, COMPANY_RULE, COMPANY_IP6 | COMPANY_NEW6,
                     "an ip -6 rule with suppress_prefixlength or suppress_ifgroup");
    if (r < 0) {
        company_fini(&fresh);
        publish(dp, changes, false);
        return r;
    }
    company_fini(&dp->company);
    dp->company = fresh;
    port_refresh(dp, NULL);
    publish(dp, changes, true);
    return 0;
}

bool company_is_reading(const struct dataplane *dp)
{
    return dp->programs &&
           (__atomic_load_n(&dp->control->company, __ATOMIC_SEQ_CST) & COMPANY_READING);
}

static bool is_here(const struct company_place *place, const struct link_info *link)
{
    if (place->ifindex)
        return place->ifindex == link->ifindex;
    return place->prefix ? !strncmp(place->name, link->name, strlen(place->name))
                         : !strcmp(place->name, link->name);
}

static const struct link_info *master_of(const struct link_info *link,
                                         const struct link_list *links)
{
    for (unsigned i = 0; link->master && i < links->count; i++)
        if (links->items[i].ifindex == link->master)
            return &links->items[i];
    return NULL;
}

/* XDP on a bond runs on its members, before what stands there. */
static bool is_bond(const struct link_info *link)
{
    return !strcmp(link->kind, "bond") || !strcmp(link->kind, "team");
}

static void sum_place(struct company_sum *sum, const struct company_place *place)
{
    sum->kinds |= 1u << place->kind;
    sum->in |= place->in;
    sum->out |= place->out;
    sum->shaped |= place->shaped;
    if ((place->in || place->out) && !*sum->why)
        sum->why = place->why;
    if (place->shaped && !*sum->why_shaped)
        sum->why_shaped = place->why;
}

static bool is_about(const struct company_place *place, const struct link_info *link,
                     const struct link_list *links)
{
    if (is_here(place, link))
        return true;
    for (unsigned i = 0; is_bond(link) && i < links->count; i++)
        if (links->items[i].master == link->ifindex && is_here(place, &links->items[i]))
            return true;
    return false;
}

static void sum_stacked(struct company_sum *sum, const struct link_info *link,
                        const struct link_list *links)
{
    for (unsigned i = 0; i < links->count; i++) {
        if (!links->items[i].takes || links->items[i].lower != link->ifindex)
            continue;
        sum->in = true;
        sum->kinds |= 1u << COMPANY_STACKED;
        if (!*sum->why)
            sum->why = "a device that stands on it takes its frames (macvlan, ipvlan, macsec)";
    }
}

struct company_sum company_sum(const struct dataplane *dp, const struct link_info *link,
                               const struct link_list *links)
{
    struct company_sum sum = {.why = "", .why_shaped = ""};
    const struct link_info *master = master_of(link, links);

    if (master && !strcmp(master->kind, "vrf"))
        sum = (struct company_sum){.in = true,
                                   .out = true,
                                   .kinds = 1u << COMPANY_VRF,
                                   .why = "a VRF it belongs to",
                                   .why_shaped = ""};
    for (unsigned i = 0; i < dp->company.count; i++)
        if (is_about(&dp->company.places[i], link, links))
            sum_place(&sum, &dp->company.places[i]);
    sum_stacked(&sum, link, links);
    return sum;
}

static void add(char *reason, uint64_t size, const char *what, const char *why)
{
    size_t len = strlen(reason);

    snprintf(reason + len, size - len, "%s%s: %s", len ? "; " : "", what, why);
}

/* What is about no interface. */
static void explain_all(const struct company *company, char *reason, uint64_t size)
{
    const char(*why)[COMPANY_TEXT] = company->why;
    uint32_t flags = company->flags;
    bool new4 = (flags & COMPANY_NEW4) && !(flags & COMPANY_IP4);
    bool new6 = (flags & COMPANY_NEW6) && !(flags & COMPANY_IP6);

    if ((flags & COMPANY_IP4) && (flags & COMPANY_IP6) &&
        !strcmp(why[COMPANY_WHY4], why[COMPANY_WHY6])) {
        add(reason, size, "everything is the kernel's", why[COMPANY_WHY4]);
        return;
    }
    if (flags & COMPANY_IP4)
        add(reason, size, "IPv4 is the kernel's", why[COMPANY_WHY4]);
    if (flags & COMPANY_IP6)
        add(reason, size, "IPv6 is the kernel's", why[COMPANY_WHY6]);
    if (new4 || new6)
        add(reason, size, "first packets are the kernel's",
            why[new4 ? COMPANY_WHY_NEW4 : COMPANY_WHY_NEW6]);
}

uint32_t company_explain(const struct dataplane *dp, const struct company_sum *sum, char *reason,
                         uint64_t size)
{
    if (sum->shaped)
        add(reason, size, "what leaves here goes by tcx", sum->why_shaped);
    if (sum->in || sum->out)
        add(reason, size,
            sum->in && sum->out ? "what comes in and leaves here is the kernel's"
            : sum->in           ? "what comes in here is the kernel's"
                                : "what leaves here is the kernel's",
            sum->why);
    explain_all(&dp->company, reason, size);
    return (sum->shaped || sum->in || sum->out ? sum->kinds : 0) | dp->company.kinds;
}
