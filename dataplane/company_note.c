/* What was found that decides, about everything or about one interface. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/abi.h"
#include "core/base/xalloc.h"
#include "dataplane/company.h"

#define PLACES_STEP 32

const char *company_note_kind(enum company_kind kind)
{
    static const char *const names[COMPANY_KINDS] = {
        [COMPANY_NFTABLES] = "nftables", [COMPANY_IPTABLES] = "iptables",
        [COMPANY_QDISC] = "qdisc",       [COMPANY_TC] = "tc",
        [COMPANY_BPF] = "bpf",           [COMPANY_IPSEC] = "ipsec",
        [COMPANY_VRF] = "vrf",           [COMPANY_EXPECTATION] = "expectation",
        [COMPANY_SETTING] = "setting",   [COMPANY_STACKED] = "stacked",
        [COMPANY_RULE] = "rule",         [COMPANY_MODULE] = "module",
        [COMPANY_UNREAD] = "unread"};

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

struct company_place *company_note_place(struct company *company, enum company_kind kind,
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

void company_note_free(struct company *company)
{
    free(company->places);
    *company = (struct company){0};
}
