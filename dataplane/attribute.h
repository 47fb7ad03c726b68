/* Iterates over the attributes of a netlink message, within bounds. */
#ifndef DATAPLANE_ATTRIBUTE_H
#define DATAPLANE_ATTRIBUTE_H

#include <linux/netlink.h>
#include <stddef.h>

#define EACH_ATTRIBUTE(a, start, size)                                                             \
    for (const struct nlattr *a = (const void *)(start), *end_ = (const void *)((start) + (size)); \
         (const char *)a + sizeof(*a) <= (const char *)end_ && a->nla_len >= sizeof(*a) &&         \
         (const char *)a + a->nla_len <= (const char *)end_;                                       \
         a = (const void *)((const char *)a + NLA_ALIGN(a->nla_len)))

static inline const char *attribute_data(const struct nlattr *a)
{
    return (const char *)(a + 1);
}

static inline size_t attribute_size(const struct nlattr *a)
{
    return a->nla_len - sizeof(*a);
}

static inline int attribute_type(const struct nlattr *a)
{
    return a->nla_type & NLA_TYPE_MASK;
}

/* The first of that type inside outer, NULL: there is none. */
static inline const struct nlattr *attribute_find(const struct nlattr *outer, int type)
{
    EACH_ATTRIBUTE(a, attribute_data(outer), attribute_size(outer))
    {
        if (attribute_type(a) == type)
            return a;
    }
    return NULL;
}

#endif
