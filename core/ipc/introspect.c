/* Introspection: lists, descriptions, metrics. */
#include "core/ipc/introspect.h"

#include <string.h>

#include "core/base/json_write.h"
#include "core/base/xalloc.h"
#include "core/ipc/broker_internal.h"
#include "core/ipc/resolve.h"

static const char *state_of(const struct ipc_interface *interface)
{
    const struct target target = {.interface = (struct ipc_interface *)(uintptr_t)interface,
                                  .provider = interface->provider};

    if (resolve_available(&target, NULL) == 0)
        return "up";
    return interface->provider && !interface->provider->conn.dead ? "starting" : "down";
}

static int compare_interfaces(const void *a, const void *b)
{
    return strcmp((*(struct ipc_interface *const *)a)->name,
                  (*(struct ipc_interface *const *)b)->name);
}

void introspect_list(struct broker *broker, struct buf *to)
{
    AUTO_FREE struct ipc_interface **all =
        xcalloc(broker->interface_count, sizeof(struct ipc_interface *));
    struct json_write w = json_write_to(to);
    size_t n = 0;

    for (struct ipc_interface *i = broker->interfaces; i; i = i->next)
        if (i->contract)
            all[n++] = i;
    qsort(all, n, sizeof(struct ipc_interface *), compare_interfaces);
    json_write_object(&w, NULL);
    json_write_array(&w, "interfaces");
    for (size_t i = 0; i < n; i++) {
        const struct contract *c = all[i]->contract;

        json_write_object(&w, NULL);
        json_write_string(&w, "interface", all[i]->name);
        json_write_string(&w, "version", c->version);
        json_write_string(&w, "provider", all[i]->provider ? all[i]->provider->self.name : "");
        json_write_string(&w, "state", state_of(all[i]));
        json_write_integer(&w, "methods", (int64_t)c->method_count);
        json_write_integer(&w, "topics", (int64_t)c->event_count);
        json_write_end(&w);
    }
    json_write_end(&w);
    json_write_end(&w);
}

int introspect_describe(struct broker *broker, const char *name, struct buf *to,
                        struct orb_err *err)
{
    struct ipc_interface *interface;
    int r = resolve_interface(broker, name, NULL, &interface, err);

    if (r < 0)
        return r;
    contract_describe(interface->contract, to);
    return 0;
}

static void counter(struct buf *to, const char *name, const char *help, uint64_t value)
{
    buf_addf(to, "# TYPE %s counter\n# HELP %s %s\n%s_total %llu\n", name, name, help, name,
             (unsigned long long)value);
}

static void head(struct buf *to, const char *name, const char *type, const char *help)
{
    buf_addf(to, "# TYPE %s %s\n# HELP %s %s\n", name, type, name, help);
}

static bool same_identity(const struct ipc_peer *a, const struct ipc_peer *b)
{
    return a->self.kind == b->self.kind && !strcmp(a->self.name, b->self.name);
}

static uint64_t value_of(const struct ipc_peer *p, int row)
{
    const uint64_t values[INTROSPECT_PEER_METRICS] = {
        p->frames_in,      p->conn.bytes_in,      p->refused,
        p->events_dropped, conn_queued(&p->conn), p->call_count};

    return values[row];
}

/* Clients are counted per user, one line each: connections come and go, and a label per connection
 * would create series without end. */
static void peer_line(struct buf *to, const struct ipc_peer *peer, const char *series, int row)
{
    uint64_t value = 0;

    for (const struct ipc_peer *p = peer->broker->peers; p && p != peer; p = p->next)
        if (peer->client && same_identity(p, peer))
            return;
    for (const struct ipc_peer *p = peer; p; p = peer->client ? p->next : NULL)
        if (same_identity(p, peer))
            value += value_of(p, row);
    buf_addf(to, "%s{peer=", series);
    buf_add_json(to, peer->self.name, strlen(peer->self.name));
    buf_addf(to, ",kind=\"%s\"} %llu\n", peer_kind_name(peer->self.kind),
             (unsigned long long)value);
}

void introspect_peer_metrics(struct broker *broker, int row, struct buf *to)
{
    static const struct {
        const char *name, *series, *type, *help;
    } rows[INTROSPECT_PEER_METRICS] = {
        {"orbital_ipc_peer_frames_in", "orbital_ipc_peer_frames_in_total", "counter",
         "frames read from a peer"},
        {"orbital_ipc_peer_bytes_in", "orbital_ipc_peer_bytes_in_total", "counter",
         "bytes read from a peer"},
        {"orbital_ipc_peer_refused", "orbital_ipc_peer_refused_total", "counter",
         "frames of a peer answered with an error of the broker"},
        {"orbital_ipc_peer_events_dropped", "orbital_ipc_peer_events_dropped_total", "counter",
         "events a slow peer missed"},
        {"orbital_ipc_peer_queued_bytes", "orbital_ipc_peer_queued_bytes", "gauge",
         "bytes waiting for a peer"},
        {"orbital_ipc_peer_in_flight", "orbital_ipc_peer_in_flight", "gauge",
         "requests of a peer waiting for their answer"},
    };

    head(to, rows[row].name, rows[row].type, rows[row].help);
    for (const struct ipc_peer *p = broker->peers; p; p = p->next)
        peer_line(to, p, rows[row].series, row);
}

void introspect_metrics(struct broker *broker, struct buf *to)
{
    counter(to, "orbital_ipc_frames_in", "frames read", broker->frames_in);
    counter(to, "orbital_ipc_frames_out", "frames written", broker->frames_out);
    counter(to, "orbital_ipc_bytes_in", "bytes read", broker->conns.bytes_in);
    counter(to, "orbital_ipc_bytes_out", "bytes written", broker->conns.bytes_out);
    counter(to, "orbital_ipc_requests", "requests passed on", broker->requests);
    counter(to, "orbital_ipc_deadlines", "requests not answered in time", broker->deadlines);
    counter(to, "orbital_ipc_events", "events published", broker->events);
    counter(to, "orbital_ipc_events_dropped", "events not delivered to a slow subscriber",
            broker->events_dropped);
    counter(to, "orbital_ipc_replies_dropped", "second, late or foreign replies",
            broker->replies_dropped);
    counter(to, "orbital_ipc_outputs_refused", "replies that broke their contract",
            broker->outputs_refused);
    head(to, "orbital_ipc_refused", "counter", "frames answered with an error, by code");
    for (int i = 0; i < BROKER_REFUSAL_CODES; i++)
        if (broker->refused[i])
            buf_addf(to, "orbital_ipc_refused_total{code=\"%s\"} %llu\n",
                     orb_code_name(ORB_E_INVALID - i), (unsigned long long)broker->refused[i]);
    head(to, "orbital_ipc_clients", "gauge", "connections of the control socket");
    buf_addf(to, "orbital_ipc_clients %u\n", broker->listen.clients);
}
