/* What there is about one interface, together, and as a sentence. */
#include <stdio.h>
#include <string.h>

#include "core/base/own.h"
#include "dataplane/foreign.h"
#include "dataplane/dataplane_internal.h"

static bool is_here(const struct foreign_place *place, const struct link_info *link)
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

/* XDP on a bond runs on its members, before other programs there. */
static bool is_bond(const struct link_info *link)
{
    return !strcmp(link->kind, "bond") || !strcmp(link->kind, "team");
}

static void sum_place(struct foreign_sum *sum, const struct foreign_place *place)
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

static bool is_about(const struct foreign_place *place, const struct link_info *link,
                     const struct link_list *links)
{
    if (is_here(place, link))
        return true;
    for (unsigned i = 0; is_bond(link) && i < links->count; i++)
        if (links->items[i].master == link->ifindex && is_here(place, &links->items[i]))
            return true;
    return false;
}

static void sum_stacked(struct foreign_sum *sum, const struct link_info *link,
                        const struct link_list *links)
{
    for (unsigned i = 0; i < links->count; i++) {
        if (!links->items[i].takes || links->items[i].lower != link->ifindex)
            continue;
        sum->in = true;
        sum->kinds |= 1u << FOREIGN_STACKED;
        if (!*sum->why)
            sum->why = "a stacked device receives its frames (macvlan, ipvlan, macsec)";
    }
}

struct foreign_sum foreign_port_sum(const struct dataplane *dp, const struct link_info *link,
                                    const struct link_list *links)
{
    struct foreign_sum sum = {.why = "", .why_shaped = ""};
    const struct link_info *master = master_of(link, links);

    if (master && !strcmp(master->kind, "vrf"))
        sum = (struct foreign_sum){.in = true,
                                   .out = true,
                                   .kinds = 1u << FOREIGN_VRF,
                                   .why = "a VRF it belongs to",
                                   .why_shaped = ""};
    for (unsigned i = 0; i < dp->foreign.count; i++)
        if (is_about(&dp->foreign.places[i], link, links))
            sum_place(&sum, &dp->foreign.places[i]);
    sum_stacked(&sum, link, links);
    return sum;
}

static void add(char *reason, uint64_t size, const char *what, const char *why)
{
    size_t len = strlen(reason);

    snprintf(reason + len, size - len, "%s%s: %s", len ? "; " : "", what, why);
}

/* What is about no interface. */
static void explain_all(const struct foreign *foreign, char *reason, uint64_t size)
{
    const char(*why)[FOREIGN_TEXT] = foreign->why;
    uint32_t flags = foreign->flags;
    bool new4 = (flags & FOREIGN_NEW4) && !(flags & FOREIGN_IP4);
    bool new6 = (flags & FOREIGN_NEW6) && !(flags & FOREIGN_IP6);

    if ((flags & FOREIGN_IP4) && (flags & FOREIGN_IP6) &&
        !strcmp(why[FOREIGN_WHY4], why[FOREIGN_WHY6])) {
        add(reason, size, "everything is the kernel's", why[FOREIGN_WHY4]);
        return;
    }
    if (flags & FOREIGN_IP4)
        add(reason, size, "IPv4 is the kernel's", why[FOREIGN_WHY4]);
    if (flags & FOREIGN_IP6)
        add(reason, size, "IPv6 is the kernel's", why[FOREIGN_WHY6]);
    if (new4 || new6)
        add(reason, size, "first packets are the kernel's",
            why[new4 ? FOREIGN_WHY_NEW4 : FOREIGN_WHY_NEW6]);
}

uint32_t foreign_port_explain(const struct dataplane *dp, const struct foreign_sum *sum,
                              char *reason, uint64_t size)
{
    if (sum->shaped)
        add(reason, size, "what leaves here is sent by tcx", sum->why_shaped);
    if (sum->in || sum->out)
        add(reason, size,
            sum->in && sum->out ? "what comes in and leaves here is the kernel's"
            : sum->in           ? "what comes in here is the kernel's"
                                : "what leaves here is the kernel's",
            sum->why);
    explain_all(&dp->foreign, reason, size);
    return (sum->shaped || sum->in || sum->out ? sum->kinds : 0) | dp->foreign.kinds;
}
