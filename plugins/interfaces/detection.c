/* Duplicate IPv6 addresses, and link-local ones that were removed: part of applying, see run.h. The
 * kernel never retries a duplicate address, so that is done here, at growing intervals. */
#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "plugins/interfaces/detection.h"
#include "plugins/interfaces/model.h"
#include "plugins/interfaces/run.h"

#define DAD_PAUSE_MIN_MS 5000
#define DAD_PAUSE_MAX_MS 60000
#define WATCHED_MAX 1024 /* as arp@1 takes */
#define PROTO_KERNEL_LL                                                                            \
    3 /* IFAPROT_KERNEL_LL: what the kernel itself gives its link-local ones                       \
       */

/* Removed and added: the kernel repeats duplicate address detection. */
static void ask_again(struct run *run, const struct rtnl_addr *a)
{
    if (rtnl_addr_delete(run->socket, a->index, &a->prefix, NULL) == 0)
        rtnl_addr_add(run->socket, a->index, &a->prefix, NULL);
}

static void note_duplicate(struct run *run, const struct desired *desired, unsigned at)
{
    char text[ADDRESS_TEXT];
    struct failure t = {.kind = "duplicate",
                        .name = desired->name,
                        .leaf = "addresses",
                        .place = (int)desired->places[at],
                        .thing = prefix_text(&desired->addrs[at], text),
                        .todo = "give one of the two machines another address"};
    struct orb_err why;

    orb_fail(&why, ORB_E_STATE, "another machine on %s has address %s, too; it is not used here",
             desired->name, text);
    run_failure(run, false, &t, &why, NULL);
}

static void look_for_duplicates(struct run *run, struct desired *desired, int index)
{
    bool again = run->mode == APPLY_REPAIR && run->now_ms >= desired->dad_next_ms, any = false;

    for (unsigned i = 0; i < run->addrs.count; i++) {
        const struct rtnl_addr *a = &run->addrs.items[i];

        for (unsigned k = 0; a->index == index && k < desired->addr_count; k++) {
            if (a->prefix.address.family != AF_INET6 ||
                !prefix_equal(&desired->addrs[k], &a->prefix))
                continue;
            if (a->flags & IFA_F_DADFAILED)
                desired->duplicate[k] = true;
            else if (!(a->flags & IFA_F_TENTATIVE))
                desired->duplicate[k] = false;
            if (!desired->duplicate[k])
                continue;
            any = true;
            note_duplicate(run, desired, k);
            if (again && (a->flags & IFA_F_DADFAILED) && desired->dad_next_ms)
                ask_again(run, a);
        }
    }
    if (!any) {
        desired->dad_next_ms = desired->dad_pause_ms = 0;
        return;
    }
    if (run->now_ms < desired->dad_next_ms)
        return;
    desired->dad_pause_ms = desired->dad_pause_ms ? desired->dad_pause_ms * 2 : DAD_PAUSE_MIN_MS;
    if (desired->dad_pause_ms > DAD_PAUSE_MAX_MS)
        desired->dad_pause_ms = DAD_PAUSE_MAX_MS;
    desired->dad_next_ms = run->now_ms + desired->dad_pause_ms;
}

/* The link-local address derived from the hardware address (RFC 4291, appendix A): for a link that
 * had lost it before the first read. */
static bool guess_link_local(const struct rtnl_link *link, struct prefix *ret)
{
    if (link->addr_gen_mode != IN6_ADDR_GEN_MODE_EUI64 || link->mac_len != 6 ||
        (link->flags & (IFF_LOOPBACK | IFF_POINTOPOINT | IFF_NOARP | IFF_SLAVE)))
        return false;
    *ret = (struct prefix){
        .len = 64,
        .address = {.family = AF_INET6,
                    .bytes = {0xfe, 0x80, [8] = link->mac[0] ^ 2, link->mac[1], link->mac[2], 0xff,
                              0xfe, link->mac[3], link->mac[4], link->mac[5]}}};
    return true;
}

/* The kernel makes the link-local address when a link comes up, and not again when the link's
 * addresses are flushed. Without it IPv6 has no neighbours. */
static void keep_link_local(struct run *run, struct desired *desired, const struct rtnl_link *link)
{
    const struct rtnl_addr *own = NULL;

    for (unsigned i = 0; i < run->addrs.count; i++) {
        const struct rtnl_addr *a = &run->addrs.items[i];

        if (a->index == link->index && a->prefix.address.family == AF_INET6 &&
            address_is_link_local(&a->prefix.address) && !model_has(desired, &a->prefix))
            own = a;
    }
    if (own) {
        desired->link_local = own->prefix;
        memcpy(desired->link_local_mac, link->mac, sizeof(link->mac));
        return;
    }
    if (!(link->flags & IFF_UP) || !link->carrier || !link->has_inet6 || link->inet6_disabled ||
        link->addr_gen_mode == IN6_ADDR_GEN_MODE_NONE)
        return;
    if (!desired->link_local.address.family && guess_link_local(link, &desired->link_local))
        memcpy(desired->link_local_mac, link->mac, sizeof(link->mac));
    if (!desired->link_local.address.family ||
        memcmp(desired->link_local_mac, link->mac, sizeof(link->mac)) != 0)
        return;
    if (rtnl_addr_add_as(run->socket, link->index, &desired->link_local, PROTO_KERNEL_LL, 0,
                         NULL) == 0)
        run->applied->added++;
}

/* Without neighbours (down, loopback, point-to-point, tunnel) there are no duplicates. */
static void watch_addresses(struct run *run, const struct desired *desired,
                            const struct rtnl_link *link)
{
    if (!(link->flags & IFF_UP) || !link->carrier || link->mac_len != 6 ||
        (link->flags & (IFF_LOOPBACK | IFF_POINTOPOINT | IFF_NOARP)))
        return;
    for (unsigned k = 0; k < desired->addr_count; k++) {
        const struct address *address = &desired->addrs[k].address;
        char text[INET_ADDRSTRLEN];
        cJSON *item;

        if (address->family != AF_INET || cJSON_GetArraySize(run->applied->watched) >= WATCHED_MAX)
            continue;
        item = cJSON_CreateObject();
        inet_ntop(AF_INET, address->bytes, text, sizeof(text));
        cJSON_AddStringToObject(item, "interface", desired->name);
        cJSON_AddNumberToObject(item, "index", link->index);
        cJSON_AddStringToObject(item, "address", text);
        cJSON_AddItemToArray(run->applied->watched, item);
    }
}

void detection_run(struct run *run)
{
    run->applied->watched = cJSON_CreateArray();
    for (unsigned i = 0; i < run->new->count; i++) {
        struct desired *desired = &run->new->items[i];
        const struct rtnl_link *link = rtnl_link_find(&run->links, desired->name);

        if (!link)
            continue;
        look_for_duplicates(run, desired, link->index);
        watch_addresses(run, desired, link);
        keep_link_local(run, desired, link);
    }
}
