/* Counters and status as the JSON texts of docs/dataplane.md. A rule's packets are those nftables
 * counted on the kernel's way plus those the fast path forwarded or refused; nothing is counted by
 * both, and together it is every packet of what the rule decided. */
#include <inttypes.h>
#include <string.h>

#include "core/base/json_write.h"
#include "core/base/own.h"
#include "dataplane/base.h"
#include "dataplane/dataplane_internal.h"
#include "dataplane/hits.h"
#include "dataplane/port.h"
#include "dataplane/slots.h"

static struct tally fast_tally(const struct hits *hits, uint32_t slot)
{
    struct tally sum = {0};

    if (slot != ABI_NOWHERE) {
        sum.packets = hits->rules[slot].packets;
        sum.bytes = hits->rules[slot].bytes;
    }
    return sum;
}

static void write_tally(struct json_write *w, const char *key, const struct tally *slow,
                        struct tally fast)
{
    json_write_object(w, key);
    json_write_integer(w, "packets", (int64_t)(slow->packets + fast.packets));
    json_write_integer(w, "bytes", (int64_t)(slow->bytes + fast.bytes));
    json_write_integer(w, "fast-packets", (int64_t)fast.packets);
    json_write_integer(w, "fast-bytes", (int64_t)fast.bytes);
    json_write_end(w);
}

static void write_defaults(const struct hits *hits, const struct tally_list *list,
                           struct json_write *w)
{
    static const char *const names[] = {"forward", "input", "output"};

    json_write_object(w, "default");
    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        const struct tally *slow = tally_find(list, ABI_MARK_FORWARD + i);

        if (slow)
            write_tally(w, names[i], slow, i == 0 ? fast_tally(hits, 0) : (struct tally){0});
    }
    json_write_end(w);
}

/* Omits counters of rules kept in case the last commit is reverted. */
static void drop_spared(const struct dataplane *dp, struct tally_list *list)
{
    unsigned kept = 0;

    for (unsigned i = 0; dp->current && i < list->count; i++)
        if (list->items[i].key > POLICY_MAX_RULE_ID ||
            policy_find_rule(&dp->current->policy, list->items[i].key))
            list->items[kept++] = list->items[i];
    if (dp->current)
        list->count = kept;
}

int dataplane_report_counters(struct dataplane *dataplane, uint32_t after, unsigned limit,
                              struct buf *ret_json, struct orb_err *err)
{
    AUTO(tally_list) struct tally_list list = {0};
    AUTO_FREE struct hits *hits = NULL;
    struct json_write w = json_write_to(ret_json);
    unsigned first, last, end;
    int r = tally_read(&list, err);

    if (r >= 0)
        r = hits_read(dataplane, &hits, err);
    if (r < 0)
        return r;
    drop_spared(dataplane, &list);
    first = tally_after(&list, after);
    last = end = tally_after(&list, POLICY_MAX_RULE_ID);
    if (first > end)
        first = end;
    if (limit && end - first > limit)
        last = first + limit;
    json_write_object(&w, NULL);
    json_write_integer(&w, "generation", dataplane->generation);
    json_write_object(&w, "rules");
    for (unsigned i = first; i < last; i++) {
        char id[16];

        snprintf(id, sizeof(id), "%" PRIu32, list.items[i].key);
        write_tally(&w, id, &list.items[i],
                    fast_tally(hits, slot_find(dataplane, list.items[i].key)));
    }
    json_write_end(&w);
    write_defaults(hits, &list, &w);
    if (last < end)
        json_write_integer(&w, "next", list.items[last - 1].key);
    json_write_end(&w);
    return 0;
}

static struct fast_stats port_stats(const struct dataplane *dp, const struct port *port,
                                    const struct hits *hits)
{
    struct fast_stats sum = {.hits = port->ifindex ? hits->ports[port->index] : 0};

    for (int cpu = 0; dp->stats && port->ifindex && cpu < dp->cpus; cpu++) {
        const struct fast_stats *s = &dp->stats[(size_t)cpu * ABI_PORTS + port->index];

        sum.misses += __atomic_load_n(&s->misses, __ATOMIC_RELAXED);
        sum.passed += __atomic_load_n(&s->passed, __ATOMIC_RELAXED);
        sum.dropped += __atomic_load_n(&s->dropped, __ATOMIC_RELAXED);
    }
    return sum;
}

static void write_text(struct json_write *w, const char *key, const char *text)
{
    if (*text)
        json_write_string(w, key, text);
}

/* The present reason: a port whose program is gone, foreign state being read, foreign state found.
 * */
static void write_reason(const struct dataplane *dp, const struct port *port, bool alive,
                         struct json_write *w)
{
    AUTO(buf) struct buf text = {0};

    if (!alive) {
        write_text(w, "reason",
                   "its program was detached from outside; it is being attached again");
        return;
    }
    if (port->mode != PORT_OFF && foreign_watch_is_reading(dp))
        buf_addf(&text, "everything is the kernel's: " FOREIGN_BEING_READ "%s",
                 port->reason[0] ? "; " : "");
    buf_adds(&text, port->reason);
    write_text(w, "reason", buf_str(&text));
}

static void write_port(const struct dataplane *dp, const struct port *port, const struct hits *hits,
                       struct json_write *w)
{
    static const char *const wanted[] = {"auto", "xdp", "tcx", "off"};
    struct fast_stats stats = port_stats(dp, port, hits);
    bool alive = port_alive(dp, port); /* read now, not cached */

    json_write_object(w, port->name);
    json_write_string(w, "mode", port_mode_name(alive ? port->mode : PORT_OFF));
    json_write_string(w, "wanted", wanted[port->wanted]);
    json_write_integer(w, "hits", (int64_t)stats.hits);
    json_write_integer(w, "misses", (int64_t)stats.misses);
    json_write_integer(w, "passed", (int64_t)stats.passed);
    json_write_integer(w, "dropped", (int64_t)stats.dropped);
    write_reason(dp, port, alive, w);
    json_write_end(w);
}

/* Read now, not cached. */
static const char *table_word(const struct dataplane *dp)
{
    if (dp->detached)
        return "detached";
    if (base_table_missing())
        return "missing";
    return dp->current ? "policy" : dp->based ? "closed" : "adopted";
}

/* All that is wrong, in one text. */
static void write_warnings(struct dataplane *dp, struct json_write *w)
{
    AUTO(buf) struct buf all = {0};
    char disturbed[240] = "";

    for (unsigned i = 0; i < DATAPLANE_PROBLEMS; i++)
        if (dp->problems[i][0])
            buf_addf(&all, "%s%s", all.len ? "; " : "", dp->problems[i]);
    if (dataplane_tend_disturbed(dp, disturbed, sizeof(disturbed)))
        buf_addf(&all, "%s%s", all.len ? "; " : "", disturbed);
    write_text(w, "warning", buf_str(&all));
}

int dataplane_report_status(struct dataplane *dataplane, struct buf *ret_json, struct orb_err *err)
{
    struct json_write w = json_write_to(ret_json);
    AUTO_FREE struct hits *hits = NULL;
    int r = hits_read(dataplane, &hits, err);

    if (r < 0)
        return r;
    json_write_object(&w, NULL);
    json_write_integer(&w, "generation", dataplane->generation);
    json_write_boolean(&w, "enabled", dataplane->enabled);
    json_write_boolean(&w, "adopted", dataplane->adopted);
    write_text(&w, "reason", dataplane->reason);
    write_warnings(dataplane, &w);
    write_text(&w, "table", table_word(dataplane));
    if (dataplane->ports.undescribed) {
        json_write_object(&w, "unaccelerated");
        json_write_integer(&w, "interfaces", dataplane->ports.undescribed);
        json_write_string(&w, "one", dataplane->ports.undescribed_name);
        json_write_end(&w);
    }
    json_write_object(&w, "ports");
    for (unsigned i = 0; i < dataplane->ports.count; i++)
        write_port(dataplane, &dataplane->ports.items[i], hits, &w);
    json_write_end(&w);
    json_write_end(&w);
    return 0;
}

struct dataplane_ended dataplane_report_ended(const struct dataplane *dataplane)
{
    return dataplane->ended;
}

static uint32_t kinds_at(const struct dataplane *dp, const struct port *port)
{
    bool unread = port->mode != PORT_OFF && foreign_watch_is_reading(dp);

    return port->foreign | (unread ? 1u << FOREIGN_UNREAD : 0);
}

static void add_kinds(const struct dataplane *dp, const struct port *port, struct buf *b)
{
    uint32_t kinds = kinds_at(dp, port);

    for (enum foreign_kind kind = 0; kind < FOREIGN_KINDS; kind++)
        if (kinds & 1u << kind)
            buf_addf(b, "orbital_fast_path_foreign_kind{port=\"%s\",kind=\"%s\"} 1\n", port->name,
                     foreign_note_kind(kind));
}

void dataplane_report_metrics(const struct dataplane *dataplane, struct buf *ret_text)
{
    buf_addf(ret_text,
             "# HELP orbital_flows_ended Connections that a commit ended, because the new policy "
             "refuses them or translates them to other addresses or ports.\n"
             "# TYPE orbital_flows_ended counter\n"
             "orbital_flows_ended_total{reason=\"refused\"} %" PRIu64 "\n"
             "orbital_flows_ended_total{reason=\"translated\"} %" PRIu64 "\n",
             dataplane->ended.refused, dataplane->ended.translated);
    buf_adds(
        ret_text,
        "# HELP orbital_fast_path_foreign Foreign netfilter, tc or BPF state applies to packets of "
        "the port: all or some of them are left to the kernel.\n"
        "# TYPE orbital_fast_path_foreign gauge\n");
    for (unsigned i = 0; i < dataplane->ports.count; i++) {
        const struct port *port = &dataplane->ports.items[i];

        buf_addf(ret_text, "orbital_fast_path_foreign{port=\"%s\",mode=\"%s\"} %d\n", port->name,
                 port_mode_name(port->mode), kinds_at(dataplane, port) != 0);
    }
    buf_adds(ret_text,
             "# HELP orbital_fast_path_foreign_kind The kinds of that state, one line each.\n"
             "# TYPE orbital_fast_path_foreign_kind gauge\n");
    for (unsigned i = 0; i < dataplane->ports.count; i++)
        add_kinds(dataplane, &dataplane->ports.items[i], ret_text);
}
