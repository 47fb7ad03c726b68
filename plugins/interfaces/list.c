/* Method `list`: links, addresses and counters as the kernel has them now. */
#include <linux/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/interfaces/list.h"
#include "plugins/interfaces/model.h"
#include "plugins/interfaces/plugin.h"

#define LIST_MAX 300       /* links in one answer: it must fit one frame … */
#define ADDRESSES_MAX 1500 /* … also when they have many addresses */

static const char *state_of(const struct rtnl_link *link)
{
    if (!(link->flags & IFF_UP))
        return "down";
    if (link->operstate == IF_OPER_UP)
        return "up";
    if (!link->carrier)
        return "no-carrier";
    /* Loopback and tunnels report "unknown" for good; they carry packets. */
    return link->operstate == IF_OPER_UNKNOWN ? "up" : "unknown";
}

static void add_mac(cJSON *to, const struct rtnl_link *link)
{
    char text[3 * sizeof(link->mac) + 1] = "";

    for (unsigned i = 0; i < link->mac_len; i++)
        snprintf(text + 3 * i - (i > 0), sizeof(text) - 3 * i, i ? ":%02x" : "%02x", link->mac[i]);
    if (link->mac_len)
        cJSON_AddStringToObject(to, "mac", text);
}

static cJSON *link_json(const struct interfaces *self, const struct rtnl_link *link,
                        const struct rtnl_addrs *addrs, unsigned *left)
{
    const struct desired *desired = model_find(self->current, link->name);
    cJSON *to = cJSON_CreateObject(), *list;

    cJSON_AddStringToObject(to, "name", link->name);
    cJSON_AddNumberToObject(to, "index", link->index);
    cJSON_AddStringToObject(to, "state", state_of(link));
    cJSON_AddBoolToObject(to, "up", link->flags & IFF_UP);
    cJSON_AddBoolToObject(to, "carrier", link->carrier);
    cJSON_AddNumberToObject(to, "mtu", link->mtu);
    add_mac(to, link);
    if (link->kind[0])
        cJSON_AddStringToObject(to, "kind", link->kind);
    list = cJSON_AddArrayToObject(to, "addresses");
    for (unsigned i = 0; i < addrs->count; i++) {
        char text[ADDRESS_TEXT];

        if (addrs->items[i].index != link->index || !*left)
            continue;
        --*left;
        cJSON_AddItemToArray(list, cJSON_CreateString(prefix_text(&addrs->items[i].prefix, text)));
    }
    cJSON_AddNumberToObject(to, "rx-packets", (double)link->rx_packets);
    cJSON_AddNumberToObject(to, "rx-bytes", (double)link->rx_bytes);
    cJSON_AddNumberToObject(to, "rx-dropped", (double)link->rx_dropped);
    cJSON_AddNumberToObject(to, "tx-packets", (double)link->tx_packets);
    cJSON_AddNumberToObject(to, "tx-bytes", (double)link->tx_bytes);
    cJSON_AddNumberToObject(to, "tx-dropped", (double)link->tx_dropped);
    cJSON_AddBoolToObject(to, "configured", desired != NULL);
    if (desired && desired->description && *desired->description)
        cJSON_AddStringToObject(to, "description", desired->description);
    return to;
}

int list_answer(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    struct interfaces *self = orb_user(ctx);
    struct rtnl_links links = {0};
    struct rtnl_addrs addrs = {0};
    unsigned left = ADDRESSES_MAX;
    cJSON *out, *list;
    int r;

    r = rtnl_link_list_counted(self->follow.requests, &links, err);
    if (r == 0)
        r = rtnl_addr_list(self->follow.requests, &addrs, err);
    if (r == 0) {
        out = cJSON_CreateObject();
        list = cJSON_AddArrayToObject(out, "links");
        for (unsigned i = 0; i < links.count && i < LIST_MAX; i++)
            cJSON_AddItemToArray(list, link_json(self, &links.items[i], &addrs, &left));
        cJSON_AddNumberToObject(out, "total", links.count);
        orb_reply(req, out);
    }
    free(links.items);
    free(addrs.items);
    return r;
}
