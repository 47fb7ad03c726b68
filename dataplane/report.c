/* Counters and status as the JSON texts of docs/dataplane.md. A rule's packets are those nftables
 * counted on the kernel's way plus those the fast path forwarded or refused; nothing is counted by
 * both. */
#include <inttypes.h>
#include <string.h>

#include "core/base/own.h"
#include "dataplane/fast.h"

struct tally {
    uint64_t packets, bytes;
};

static struct tally fast_tally(const struct dataplane *dp, uint32_t slot)
{
    struct tally sum = {0};

    for (int cpu = 0; dp->counters && cpu < dp->cpus; cpu++) {
        const struct fast_counter *c = &dp->counters[(size_t)cpu * ABI_COUNTERS + slot];

        sum.packets += __atomic_load_n(&c->packets, __ATOMIC_RELAXED);
        sum.bytes += __atomic_load_n(&c->bytes, __ATOMIC_RELAXED);
    }
    return sum;
}

static void add_tally(struct buf *b, const char *name, struct tally slow, struct tally fast)
{
    buf_addf(b,
             "\"%s\":{\"packets\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"fast_packets\":%" PRIu64
             ",\"fast_bytes\":%" PRIu64 "}",
             name, slow.packets + fast.packets, slow.bytes + fast.bytes, fast.packets, fast.bytes);
}

static uint32_t find_slot(const struct dataplane *dp, uint64_t id)
{
    uint32_t start = (uint32_t)(id % (ABI_COUNTERS - 1)) + 1, at = start;

    if (!dp->rule_ids)
        return 0;
    do {
        if (dp->rule_ids[at] == id + 1)
            return at;
        at = at % (ABI_COUNTERS - 1) + 1;
    } while (at != start && dp->rule_ids[at]);
    return 0;
}

int dataplane_counters(struct dataplane *dataplane, struct buf *ret_json, struct orb_err *err)
{
    AUTO(buf) struct buf text = {0}, defaults = {0};
    const char *at, *separator = "";
    struct tally slow = {0};
    char name[64];

    if (ruleset_list(dataplane->ruleset, "list counters table inet orbital", &text) < 0)
        return orb_fail(err, ORB_E_KERNEL, "nftables cannot be reached");
    buf_addf(ret_json, "{\"generation\":%" PRIu32 ",\"rules\":{", dataplane->generation);
    at = buf_str(&text);
    while (carry_next(&at, name, &slow.packets, &slow.bytes)) {
        struct tally fast = {0};

        if (!strncmp(name, "rule_", 5)) {
            uint32_t slot = find_slot(dataplane, strtoull(name + 5, NULL, 10));

            if (slot)
                fast = fast_tally(dataplane, slot);
            buf_adds(ret_json, separator);
            add_tally(ret_json, name + 5, slow, fast);
            separator = ",";
        } else if (!strncmp(name, "default_", 8)) {
            if (!strcmp(name, "default_forward"))
                fast = fast_tally(dataplane, 0);
            if (defaults.len)
                buf_addc(&defaults, ',');
            add_tally(&defaults, name + 8, slow, fast);
        }
    }
    buf_addf(ret_json, "},\"default\":{%s}}", buf_str(&defaults));
    return 0;
}

static struct fast_stats port_stats(const struct dataplane *dp, const struct port *port)
{
    struct fast_stats sum = {0};

    for (int cpu = 0; dp->stats && port->ifindex && cpu < dp->cpus; cpu++) {
        const struct fast_stats *s = &dp->stats[(size_t)cpu * ABI_PORTS + port->index];

        sum.hits += __atomic_load_n(&s->hits, __ATOMIC_RELAXED);
        sum.misses += __atomic_load_n(&s->misses, __ATOMIC_RELAXED);
        sum.passed += __atomic_load_n(&s->passed, __ATOMIC_RELAXED);
        sum.dropped += __atomic_load_n(&s->dropped, __ATOMIC_RELAXED);
    }
    return sum;
}

static void add_text(struct buf *b, const char *key, const char *text)
{
    if (!*text)
        return;
    buf_addf(b, ",\"%s\":", key);
    buf_add_json(b, text, strlen(text));
}

static void add_port(const struct dataplane *dp, const struct port *port, struct buf *b)
{
    static const char *const wanted[] = {"auto", "xdp", "tcx", "off"};
    struct fast_stats stats = port_stats(dp, port);

    buf_add_json(b, port->name, strlen(port->name));
    buf_addf(b,
             ":{\"mode\":\"%s\",\"wanted\":\"%s\",\"hits\":%" PRIu64 ",\"misses\":%" PRIu64
             ",\"passed\":%" PRIu64 ",\"dropped\":%" PRIu64,
             port_mode_name(port->mode), wanted[port->wanted], (uint64_t)stats.hits,
             (uint64_t)stats.misses, (uint64_t)stats.passed, (uint64_t)stats.dropped);
    add_text(b, "reason", port->reason);
    buf_addc(b, '}');
}

int dataplane_status(struct dataplane *dataplane, struct buf *ret_json, struct orb_err *err)
{
    buf_addf(ret_json, "{\"generation\":%" PRIu32 ",\"enabled\":%s,\"adopted\":%s",
             dataplane->generation, dataplane->enabled ? "true" : "false",
             dataplane->adopted ? "true" : "false");
    add_text(ret_json, "reason", dataplane->reason);
    add_text(ret_json, "warning", dataplane->warning);
    buf_adds(ret_json, ",\"ports\":{");
    for (unsigned i = 0; i < dataplane->ports.count; i++) {
        if (i)
            buf_addc(ret_json, ',');
        add_port(dataplane, &dataplane->ports.items[i], ret_json);
    }
    buf_adds(ret_json, "}}");
    return 0;
}
