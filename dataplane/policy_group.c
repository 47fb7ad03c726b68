/* Groups: shared lists of addresses and ports. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/xalloc.h"
#include "dataplane/policy.h"

#define FEW 8

struct policy_group *policy_group_find(const struct policy_groups *groups, const char *name)
{
    unsigned low = 0, high = groups->count;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        int order = strcmp(groups->items[middle]->name, name);

        if (!order)
            return groups->items[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

bool policy_group_is_few(const struct policy_range *range)
{
    unsigned last = range->family == AF_INET ? 3 : 15;

    return !memcmp(range->lo, range->hi, last) && range->hi[last] - range->lo[last] < FEW;
}

struct policy_group *policy_group_use(struct policy_group *group)
{
    if (group)
        __atomic_add_fetch(&group->users, 1, __ATOMIC_RELAXED);
    return group;
}

void policy_group_drop(struct policy_group *group)
{
    if (!group || __atomic_sub_fetch(&group->users, 1, __ATOMIC_ACQ_REL))
        return;
    free(group->ranges);
    free(group->ports);
    free(group);
}

struct policy_groups policy_group_share(const struct policy_groups *from)
{
    struct policy_groups to = {.items = xcalloc(from->count + 1, sizeof(*to.items))};

    for (; to.count < from->count; to.count++)
        to.items[to.count] = policy_group_use(from->items[to.count]);
    return to;
}

void policy_group_fini(struct policy_groups *groups)
{
    for (unsigned i = 0; i < groups->count; i++)
        policy_group_drop(groups->items[i]);
    free(groups->items);
    *groups = (struct policy_groups){0};
}
