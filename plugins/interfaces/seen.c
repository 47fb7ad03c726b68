/* The links as they were last seen: what of an event is news, see plugin.h. */
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/interfaces/model.h"
#include "plugins/interfaces/plugin.h"
#include "plugins/interfaces/seen.h"

static void publish(struct orb_ctx *ctx, const struct rtnl_link *link, bool gone)
{
    cJSON *payload = cJSON_CreateObject();

    cJSON_AddStringToObject(payload, "name", link->name);
    cJSON_AddBoolToObject(payload, "up", !gone && (link->flags & IFF_UP));
    cJSON_AddBoolToObject(payload, "carrier", !gone && link->carrier);
    orb_publish(ctx, "link", payload, NULL);
}

static struct seen *find(struct interfaces *self, int index)
{
    for (unsigned i = 0; i < self->seen_count; i++) {
        if (self->seen[i].index == index)
            return &self->seen[i];
    }
    return NULL;
}

static struct seen *grow(struct interfaces *self)
{
    struct seen *items = realloc(self->seen, (self->seen_count + 1) * sizeof(*items));

    if (!items)
        return NULL;
    self->seen = items;
    items[self->seen_count] = (struct seen){0};
    return &items[self->seen_count++];
}

bool seen_gone(struct orb_ctx *ctx, struct interfaces *self, const struct rtnl_link *link)
{
    struct seen *seen = find(self, link->index);
    struct desired *desired = model_find(self->current, link->name);

    if (desired) /* it may come back with the same index, and down */
        desired->state_pending = true;
    if (!seen)
        return false;
    *seen = self->seen[--self->seen_count];
    publish(ctx, link, true);
    return true;
}

bool seen_link(struct orb_ctx *ctx, struct interfaces *self, const struct rtnl_link *link)
{
    bool up = link->flags & IFF_UP, noarp = link->flags & IFF_NOARP, differs, told;
    struct seen *seen = find(self, link->index);

    if (!seen)
        seen = grow(self);
    if (!seen)
        return false;
    told = seen->index != link->index || seen->up != up || seen->carrier != link->carrier ||
           strcmp(seen->name, link->name);
    differs =
        told || seen->mtu != link->mtu || seen->master != link->master || seen->noarp != noarp;
    *seen = (struct seen){.index = link->index,
                          .up = up,
                          .carrier = link->carrier,
                          .noarp = noarp,
                          .mtu = link->mtu,
                          .master = link->master};
    memcpy(seen->name, link->name, sizeof(seen->name));
    if (told && ctx)
        publish(ctx, link, false);
    return differs;
}

bool seen_all(struct orb_ctx *ctx, struct interfaces *self)
{
    struct rtnl_links links = {0};
    struct rtnl_link gone = {0};

    if (rtnl_link_list(self->follow.requests, &links, NULL) < 0)
        return false;
    for (unsigned i = self->seen_count; i-- > 0;) {
        if (rtnl_link_of(&links, self->seen[i].index))
            continue;
        gone.index = self->seen[i].index;
        memcpy(gone.name, self->seen[i].name, sizeof(gone.name));
        seen_gone(ctx, self, &gone);
    }
    for (unsigned i = 0; i < links.count; i++)
        seen_link(ctx, self, &links.items[i]);
    free(links.items);
    return true;
}
