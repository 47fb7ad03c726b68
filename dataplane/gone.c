#include "dataplane/gone.h"

#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/xalloc.h"

#define GONE_MAX 4096 /* noted one by one */

static bool same(const struct gone_address *gone, uint8_t family, const uint8_t address[16])
{
    return gone->family == family && !memcmp(gone->address, address, sizeof(gone->address));
}

bool gone_has(const struct gone_addresses *gone, uint8_t family, const uint8_t address[16])
{
    for (unsigned i = 0; i < gone->count; i++)
        if (same(&gone->items[i], family, address))
            return true;
    return false;
}

void gone_add(struct gone_addresses *gone, uint8_t family, const uint8_t address[16])
{
    if (gone_has(gone, family, address))
        return;
    if (gone->count == GONE_MAX) {
        gone->unknown = true;
        return;
    }
    if (gone->count % 16 == 0)
        gone->items = xrealloc(gone->items, (gone->count + 16) * sizeof(*gone->items));
    gone->items[gone->count].family = family;
    memcpy(gone->items[gone->count++].address, address, sizeof(gone->items->address));
}

void gone_note(struct gone_addresses *gone, const struct nlmsghdr *h)
{
    const struct ifaddrmsg *message = NLMSG_DATA(h);
    int kind, len = (int)IFA_PAYLOAD(h);
    uint8_t address[16] = {0};
    size_t size;

    if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*message)))
        return;
    size = message->ifa_family == AF_INET ? 4 : 16;
    kind = size == 4 ? IFA_LOCAL : IFA_ADDRESS; /* the other end's address is the other attribute */
    for (const struct rtattr *a = IFA_RTA(message); RTA_OK(a, len); a = RTA_NEXT(a, len))
        if ((a->rta_type == kind || a->rta_type == IFA_LOCAL) && RTA_PAYLOAD(a) >= size) {
            memcpy(address, RTA_DATA(a), size);
            gone_add(gone, message->ifa_family, address);
        }
}

void gone_fini(struct gone_addresses *gone)
{
    free(gone->items);
    *gone = (struct gone_addresses){0};
}
