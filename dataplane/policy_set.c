/* Lists of addresses and ports as sets: joining, and taking one out of another. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "dataplane/policy.h"

static unsigned range_bytes(const struct policy_range *range)
{
    return range->family == AF_INET ? 4 : 16;
}

/* The next (previous) address; false: there is none. */
static bool step(uint8_t address[16], unsigned bytes, int by)
{
    unsigned i = bytes;

    while (i-- > 0) {
        address[i] = (uint8_t)(address[i] + by);
        if (address[i] != (by > 0 ? 0 : 255))
            return true;
    }
    return false;
}

static int compare_ranges(const void *a, const void *b)
{
    const struct policy_range *x = a, *y = b;
    int r = (x->family > y->family) - (x->family < y->family);

    return r ? r : memcmp(x->lo, y->lo, sizeof(x->lo));
}

/* A list that was merged before is not sorted again. */
static bool in_order(const struct policy_range *ranges, unsigned count)
{
    for (unsigned i = 1; i < count; i++)
        if (compare_ranges(&ranges[i - 1], &ranges[i]) > 0)
            return false;
    return true;
}

/* Whether next begins at or before the address after hi. */
static bool touches(const struct policy_range *range, const struct policy_range *next)
{
    uint8_t behind[16];

    if (range->family != next->family)
        return false;
    memcpy(behind, range->hi, sizeof(behind));
    return !step(behind, range_bytes(range), 1) || memcmp(next->lo, behind, sizeof(behind)) <= 0;
}

unsigned policy_set_merge_ranges(struct policy_range *ranges, unsigned count)
{
    unsigned last = 0;

    if (count < 2)
        return count;
    if (!in_order(ranges, count))
        qsort(ranges, count, sizeof(*ranges), compare_ranges);
    for (unsigned i = 1; i < count; i++) {
        if (!touches(&ranges[last], &ranges[i]))
            ranges[++last] = ranges[i];
        else if (memcmp(ranges[last].hi, ranges[i].hi, sizeof(ranges[i].hi)) < 0)
            memcpy(ranges[last].hi, ranges[i].hi, sizeof(ranges[i].hi));
    }
    return last + 1;
}

void policy_set_interleave(const struct policy_range *a, unsigned a_count,
                           const struct policy_range *b, unsigned b_count, struct policy_range *ret)
{
    unsigned i = 0, k = 0;

    while (i < a_count || k < b_count) {
        bool first = k == b_count || (i < a_count && compare_ranges(&a[i], &b[k]) <= 0);

        *ret++ = first ? a[i++] : b[k++];
    }
}

static int compare_ports(const void *a, const void *b)
{
    return ((const struct policy_ports *)a)->lo - ((const struct policy_ports *)b)->lo;
}

unsigned policy_set_merge_ports(struct policy_ports *ports, unsigned count)
{
    unsigned last = 0;

    if (count < 2)
        return count;
    qsort(ports, count, sizeof(*ports), compare_ports);
    for (unsigned i = 1; i < count; i++) {
        if (ports[i].lo > ports[last].hi + 1)
            ports[++last] = ports[i];
        else if (ports[last].hi < ports[i].hi)
            ports[last].hi = ports[i].hi;
    }
    return last + 1;
}

static bool has_family(const struct policy_range *ranges, unsigned count, int family)
{
    for (unsigned i = 0; i < count; i++)
        if (ranges[i].family == family)
            return true;
    return false;
}

/* What of one range is not in out, which is sorted without overlap. */
static unsigned exclude_from(const struct policy_range *range, const struct policy_range *out,
                             unsigned out_count, struct policy_range *ret)
{
    struct policy_range rest = *range;
    unsigned count = 0;

    for (unsigned i = 0; i < out_count; i++) {
        if (out[i].family != rest.family || memcmp(out[i].hi, rest.lo, 16) < 0)
            continue;
        if (memcmp(out[i].lo, rest.hi, 16) > 0)
            break;
        if (memcmp(out[i].lo, rest.lo, 16) > 0) {
            ret[count] = rest;
            memcpy(ret[count].hi, out[i].lo, 16);
            step(ret[count++].hi, range_bytes(&rest), -1);
        }
        memcpy(rest.lo, out[i].hi, 16);
        if (!step(rest.lo, range_bytes(&rest), 1) || memcmp(rest.lo, rest.hi, 16) > 0)
            return count;
    }
    ret[count] = rest;
    return count + 1;
}

unsigned policy_set_exclude_ranges(struct policy_range *list, unsigned count,
                                   struct policy_range *out, unsigned out_count,
                                   struct policy_range *ret)
{
    static const int families[] = {AF_INET, AF_INET6};
    struct policy_range all[2] = {0};
    unsigned found = 0, at = 0;

    count = policy_set_merge_ranges(list, count);
    out_count = policy_set_merge_ranges(out, out_count);
    if (!count) {
        for (int i = 0; i < 2; i++)
            if (has_family(out, out_count, families[i])) {
                all[count].family = (uint8_t)families[i];
                memset(all[count].hi, 255, range_bytes(&all[count]));
                count++;
            }
        list = all;
    }
    for (unsigned i = 0; i < count; i++) {
        while (at < out_count &&
               (out[at].family < list[i].family ||
                (out[at].family == list[i].family && memcmp(out[at].hi, list[i].lo, 16) < 0)))
            at++;
        found += exclude_from(&list[i], &out[at], out_count - at, &ret[found]);
    }
    return found;
}

unsigned policy_set_exclude_ports(struct policy_ports *list, unsigned count,
                                  struct policy_ports *out, unsigned out_count,
                                  struct policy_ports *ret)
{
    struct policy_ports all = {0, 65535};
    unsigned found = 0, at = 0;

    count = policy_set_merge_ports(list, count);
    out_count = policy_set_merge_ports(out, out_count);
    if (!count && out_count) {
        list = &all;
        count = 1;
    }
    for (unsigned i = 0; i < count; i++) {
        uint32_t lo = list[i].lo;

        while (at < out_count && out[at].hi < lo)
            at++;
        for (unsigned k = at; k < out_count && out[k].lo <= list[i].hi; k++) {
            if (out[k].lo > lo)
                ret[found++] = (struct policy_ports){(uint16_t)lo, (uint16_t)(out[k].lo - 1)};
            lo = out[k].hi + 1u;
        }
        if (lo <= list[i].hi)
            ret[found++] = (struct policy_ports){(uint16_t)lo, list[i].hi};
    }
    return found;
}

bool policy_set_in_ranges(const struct policy_range *ranges, unsigned count, uint8_t family,
                          const uint8_t address[16])
{
    unsigned low = 0, high = count;
    size_t bytes = family == AF_INET ? 4 : 16;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        const struct policy_range *range = &ranges[middle];

        if (range->family < family ||
            (range->family == family && memcmp(range->hi, address, bytes) < 0))
            low = middle + 1;
        else if (range->family > family || memcmp(range->lo, address, bytes) > 0)
            high = middle;
        else
            return true;
    }
    return !count;
}

bool policy_set_in_ports(const struct policy_ports *ports, unsigned count, uint16_t port)
{
    unsigned low = 0, high = count;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;

        if (ports[middle].hi < port)
            low = middle + 1;
        else if (ports[middle].lo > port)
            high = middle;
        else
            return true;
    }
    return !count;
}
