/* Reading groups of a `put` payload. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/base.h"
#include "dataplane/policy_internal.h"

static inline void own_group(struct policy_group **group)
{
    policy_group_drop(*group);
}

struct group_draft {
    struct policy_group *group;
    bool append;
};

static int read_addresses(void *to, const json_t *value, const struct place *at,
                          struct orb_err *err)
{
    struct group_draft *draft = to;
    struct policy_group *group = draft->group;

    return policy_lists_read_ranges(value, NULL, NULL, &group->ranges, &group->range_count, at,
                                    err);
}

static int read_ports(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    struct group_draft *draft = to;
    struct policy_group *group = draft->group;

    return policy_lists_read_ports(value, NULL, false, &group->ports, &group->port_count, at, err);
}

static int read_append(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    if (!json_is_boolean(value))
        return policy_read_expected(at, "true or false", value, err);
    ((struct group_draft *)to)->append = json_is_true(value);
    return 0;
}

/* Adds the lists of more. */
static void join(struct policy_group *to, const struct policy_group *more)
{
    unsigned ranges = to->range_count + more->range_count,
             ports = to->port_count + more->port_count;
    struct policy_range *both = xcalloc(ranges + 1, sizeof(*both));

    policy_set_interleave(to->ranges, to->range_count, more->ranges, more->range_count, both);
    free(to->ranges);
    to->ranges = both;
    to->range_count = policy_set_merge_ranges(both, ranges);
    to->ports = xrealloc(to->ports, (ports + 1) * sizeof(*to->ports));
    if (more->port_count)
        memcpy(to->ports + to->port_count, more->ports, more->port_count * sizeof(*to->ports));
    to->port_count = policy_set_merge_ports(to->ports, ports);
}

static void describe(struct policy_group *group)
{
    for (unsigned i = 0; i < group->range_count; i++) {
        unsigned six = group->ranges[i].family == AF_INET ? 0 : 1;

        group->families |= six ? POLICY_IPV6 : POLICY_IPV4;
        ++*(policy_group_is_few(&group->ranges[i]) ? &group->hosts[six] : &group->nets[six]);
    }
    group->digest = DIGEST_START;
    base_digest_mix(&group->digest, group->ranges, group->range_count * sizeof(*group->ranges));
}

/* group takes the place of the one of its name; NULL: there is none any more. */
static void place_group(struct policy_groups *groups, const char *name, struct policy_group *group)
{
    unsigned i = 0;

    while (i < groups->count && strcmp(groups->items[i]->name, name) < 0)
        i++;
    if (i < groups->count && !strcmp(groups->items[i]->name, name)) {
        policy_group_drop(groups->items[i]);
        if (!group)
            memmove(&groups->items[i], &groups->items[i + 1],
                    (--groups->count - i) * sizeof(*groups->items));
    } else if (group) {
        groups->items = xrealloc(groups->items, (groups->count + 2) * sizeof(*groups->items));
        memmove(&groups->items[i + 1], &groups->items[i],
                (groups->count++ - i) * sizeof(*groups->items));
    }
    if (group)
        groups->items[i] = group;
}

static int read_group(struct policy_groups *groups, const char *name, const json_t *value,
                      const struct place *at, struct orb_err *err)
{
    static const struct member members[] = {
        {"addresses", read_addresses}, {"ports", read_ports}, {"append", read_append}};
    const struct policy_group *before = policy_group_find(groups, name);
    AUTO(group) struct policy_group *group = xcalloc(1, sizeof(*group));
    struct group_draft draft = {.group = group};
    int r;

    group->users = 1;
    snprintf(group->name, sizeof(group->name), "%s", name);
    r = policy_read_members(&draft, value, members, ARRAY_LEN(members), at, err);
    if (r < 0)
        return r;
    if (draft.append && before)
        join(group, before);
    if (group->range_count > POLICY_MAX_GROUP) {
        policy_read_fail(at, err, "%u addresses and ranges in one group; the limit is %d",
                         group->range_count, POLICY_MAX_GROUP);
        return err ? (err->code = ORB_E_LIMIT) : ORB_E_LIMIT;
    }
    describe(group);
    place_group(groups, name, take_ptr(group));
    return 0;
}

int policy_groups_read(struct policy_groups *groups, const json_t *value, const struct place *at,
                       struct orb_err *err)
{
    const char *name;
    json_t *item;

    if (!json_is_object(value))
        return policy_read_expected(at, "an object", value, err);
    json_object_foreach ((json_t *)value, name, item) {
        struct place here = {at, name, 0};
        int r = 0;

        if (!policy_read_name_valid(name, POLICY_NAME))
            return policy_read_fail(&here, err,
                                    "\"%.40s\" is no name of a group; expected 1 to %d letters, "
                                    "digits and - _ . : @",
                                    name, POLICY_NAME - 1);
        if (json_is_null(item))
            place_group(groups, name, NULL);
        else
            r = read_group(groups, name, item, &here, err);
        if (r < 0)
            return r;
    }
    return 0;
}
