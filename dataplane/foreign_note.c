/* What was found that decides, about everything or about one interface. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/abi.h"
#include "core/base/xalloc.h"
#include "dataplane/foreign.h"

#define PLACES_STEP 32

const char *foreign_note_kind(enum foreign_kind kind)
{
    static const char *const names[FOREIGN_KINDS] = {
        [FOREIGN_NFTABLES] = "nftables", [FOREIGN_IPTABLES] = "iptables",
        [FOREIGN_QDISC] = "qdisc",       [FOREIGN_TC] = "tc",
        [FOREIGN_BPF] = "bpf",           [FOREIGN_IPSEC] = "ipsec",
        [FOREIGN_VRF] = "vrf",           [FOREIGN_EXPECTATION] = "expectation",
        [FOREIGN_SETTING] = "setting",   [FOREIGN_STACKED] = "stacked",
        [FOREIGN_RULE] = "rule",         [FOREIGN_MODULE] = "module",
        [FOREIGN_UNREAD] = "unread"};

    return names[kind];
}

void foreign_note(struct foreign *foreign, enum foreign_kind kind, uint32_t flags, const char *why)
{
    static const uint32_t of[FOREIGN_WHYS] = {[FOREIGN_WHY4] = FOREIGN_IP4,
                                              [FOREIGN_WHY6] = FOREIGN_IP6,
                                              [FOREIGN_WHY_NEW4] = FOREIGN_NEW4,
                                              [FOREIGN_WHY_NEW6] = FOREIGN_NEW6};

    foreign->flags |= flags;
    foreign->kinds |= 1u << kind;
    for (unsigned i = 0; i < FOREIGN_WHYS; i++)
        if ((flags & of[i]) && !foreign->why[i][0])
            snprintf(foreign->why[i], sizeof(foreign->why[i]), "%s", why);
}

struct foreign_place *foreign_note_place(struct foreign *foreign, enum foreign_kind kind,
                                         const char *name, uint32_t ifindex, const char *why)
{
    struct foreign_place *place;

    if (!name)
        name = "";
    for (unsigned i = 0; i < foreign->count; i++) {
        place = &foreign->places[i];
        if (place->ifindex == ifindex && !strcmp(place->name, name) && !strcmp(place->why, why))
            return place;
    }
    if (foreign->count == FOREIGN_PLACES) { /* the last one represents the rest */
        foreign_note(foreign, kind, FOREIGN_IP4 | FOREIGN_IP6 | FOREIGN_NEW4 | FOREIGN_NEW6, why);
        return &foreign->places[FOREIGN_PLACES - 1];
    }
    if (foreign->count % PLACES_STEP == 0)
        foreign->places =
            xrealloc(foreign->places, (foreign->count + PLACES_STEP) * sizeof(*foreign->places));
    place = &foreign->places[foreign->count++];
    *place = (struct foreign_place){.kind = kind, .ifindex = ifindex};
    snprintf(place->name, sizeof(place->name), "%s", name);
    snprintf(place->why, sizeof(place->why), "%s", why);
    return place;
}

void foreign_note_free(struct foreign *foreign)
{
    free(foreign->places);
    *foreign = (struct foreign){0};
}
