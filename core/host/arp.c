/* Detection of duplicate IPv4 addresses: see arp.h. A new address is probed three times (RFC 5227),
 * one that is taken is probed again until no machine answers; in between every packet in which
 * another machine claims it counts. */
#include "core/base/json_write.h"
#include "core/base/now.h"
#include "core/base/xalloc.h"
#include "core/host/arp.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "core/base/own.h"
#include "core/host/arp_packet.h"
#include "core/json/tree.h"
#include "core/loop/loop_watch.h"

#define TICK_MS 1000
#define PROBES 3
#define AGAIN_MS 2000 /* between two questions about an address that is taken */
#define FREE_MS 5000  /* unclaimed for so long: two questions unanswered */
#define CLAIMS 128    /* one turn of the loop */
#define OWN_MS 1000   /* between two reads of this machine's hardware addresses */

struct entry {
    char interface[16];
    int index;
    struct in_addr address;
    unsigned probes; /* still to be sent */
    bool taken;
    uint8_t mac[6]; /* hardware address of the other machine */
    uint64_t claimed_ms, asked_ms, told_ms;
};

struct arp {
    struct orbitald *host;
    struct loop_scope scope;
    struct loop_watch packets;
    uv_timer_t timer;
    int fd; /* -1: none, why has the reason */
    struct orb_err why;
    struct entry *entries;
    unsigned count;
    struct arp_own own;
    uint64_t own_ms; /* time it was read, 0: to be read again */
};

/* ---- output ---- */

static void write_entry(const struct entry *e, struct json_write *w)
{
    char address[INET_ADDRSTRLEN];

    inet_ntop(AF_INET, &e->address, address, sizeof(address));
    json_write_object(w, NULL);
    json_write_string(w, "interface", e->interface);
    json_write_string(w, "address", address);
    if (e->taken)
        json_write_format(w, "mac", "%02x:%02x:%02x:%02x:%02x:%02x", e->mac[0], e->mac[1],
                          e->mac[2], e->mac[3], e->mac[4], e->mac[5]);
    else
        json_write_string(w, "mac", "");
    json_write_end(w);
}

static void tell(struct arp *arp, const struct entry *e)
{
    AUTO(buf) struct buf text = {0};
    struct json_write w = json_write_to(&text);
    struct orb_err err;

    write_entry(e, &w);
    if (host_publish(arp->host->broker, "arp", "conflict", text.data, text.len, &err) < 0)
        log_warn(arp->host->log, "arp.not-told", KV("error", err.text));
}

static void on_tick(uv_timer_t *timer)
{
    struct arp *arp = container_of(timer, struct arp, timer);
    uint64_t now = now_ms();
    bool more = false;

    for (unsigned i = 0; i < arp->count; i++) {
        struct entry *e = &arp->entries[i];

        if (e->taken && now - e->claimed_ms > FREE_MS) {
            e->taken = false;
            tell(arp, e);
        }
        if (e->probes || (e->taken && now - e->asked_ms >= AGAIN_MS)) {
            arp_packet_probe(arp->fd, e->index, e->address);
            e->asked_ms = now;
            e->probes -= e->probes > 0;
        }
        more |= e->probes || e->taken;
    }
    if (!more)
        uv_timer_stop(timer);
}

/* Reading them takes long where there are many links, and any machine on the link can send claims
 * without end. */
static bool is_own(struct arp *arp, const uint8_t mac[6])
{
    uint64_t now = now_ms();

    if (arp_packet_own_has(&arp->own, mac))
        return true;
    if (arp->own_ms && now - arp->own_ms < OWN_MS)
        return false;
    arp_packet_own_read(&arp->own);
    arp->own_ms = now;
    return arp_packet_own_has(&arp->own, mac);
}

static void take_claim(struct arp *arp, const struct arp_claim *claim)
{
    for (unsigned i = 0; i < arp->count; i++) {
        struct entry *e = &arp->entries[i];

        if (e->index != claim->index || e->address.s_addr != claim->address.s_addr)
            continue;
        if (is_own(arp, claim->mac))
            return;
        e->claimed_ms = now_ms();
        if (e->taken &&
            (!memcmp(e->mac, claim->mac, sizeof(e->mac)) || e->claimed_ms - e->told_ms < TICK_MS))
            return; /* reported already; one that keeps changing its address is reported at
                       intervals */
        e->taken = true;
        e->told_ms = e->claimed_ms;
        memcpy(e->mac, claim->mac, sizeof(e->mac));
        tell(arp, e);
        uv_timer_start(&arp->timer, on_tick, TICK_MS, TICK_MS);
        return;
    }
}

static void on_packets(struct loop_watch *watch, int status, int events)
{
    struct arp *arp = container_of(watch, struct arp, packets);
    struct arp_claim claim;

    for (unsigned i = 0; i < CLAIMS; i++) {
        int r = arp_packet_read(arp->fd, &claim);

        if (r == 0)
            return;
        if (r > 0)
            take_claim(arp, &claim);
    }
}

/* ---- requests ---- */

static const struct entry *find(const struct arp *arp, const struct entry *like)
{
    for (unsigned i = 0; i < arp->count; i++) {
        const struct entry *e = &arp->entries[i];

        if (e->index == like->index && e->address.s_addr == like->address.s_addr &&
            !strcmp(e->interface, like->interface))
            return e;
    }
    return NULL;
}

/* The contract has checked the shape. */
static int read_entries(const struct arp *arp, const json_t *list, struct entry *to,
                        struct orb_err *err)
{
    const json_t *item;
    size_t i;

    json_array_foreach (list, i, item) {
        const char *address = json_string_value(json_object_get(item, "address"));
        struct entry e = {.probes = PROBES};
        const struct entry *known;

        snprintf(e.interface, sizeof(e.interface), "%s",
                 json_string_value(json_object_get(item, "interface")));
        e.index = (int)json_integer_value(json_object_get(item, "index"));
        if (inet_pton(AF_INET, address, &e.address) != 1)
            return orb_fail(err, ORB_E_SCHEMA, "\"%s\" is no IPv4 address", address);
        known = find(arp, &e);
        to[i] = known ? *known : e;
    }
    return 0;
}

static int listen_for(const struct arp *arp, const struct entry *entries, unsigned count,
                      struct orb_err *err)
{
    AUTO_FREE struct in_addr *addresses = xcalloc(count + 1, sizeof(*addresses));

    for (unsigned i = 0; i < count; i++)
        addresses[i] = entries[i].address;
    return arp_packet_listen(arp->fd, addresses, count, err);
}

static int watch(struct arp *arp, const char *input, size_t len, struct buf *out,
                 struct orb_err *err)
{
    AUTO(json_t) json_t *tree = NULL;
    AUTO_FREE struct entry *entries = NULL;
    struct json_write w = json_write_to(out);
    const json_t *list;
    unsigned count;
    int r;

    if (arp->fd < 0) {
        *err = arp->why;
        return err->code;
    }
    r = tree_parse(input, len, NULL, &tree, err);
    if (r < 0)
        return r;
    list = json_object_get(tree, "addresses");
    count = (unsigned)json_array_size(list);
    entries = xcalloc(count + 1, sizeof(*entries));
    r = read_entries(arp, list, entries, err);
    if (r == 0)
        r = listen_for(arp, entries, count, err);
    if (r < 0)
        return r;
    free(arp->entries);
    arp->entries = take_ptr(entries);
    arp->count = count;
    arp_packet_own_fini(&arp->own); /* links may have changed */
    arp->own_ms = 0;
    uv_timer_start(&arp->timer, on_tick, 0, TICK_MS);
    json_write_object(&w, NULL);
    json_write_array(&w, "conflicts");
    for (unsigned i = 0; i < count; i++)
        if (arp->entries[i].taken)
            write_entry(&arp->entries[i], &w);
    json_write_end(&w);
    json_write_end(&w);
    return 0;
}

static void on_request(void *arg, struct host_req *req, const struct host_caller *caller,
                       const char *method, const char *input, size_t len)
{
    AUTO(buf) struct buf out = {0};
    struct orb_err err = {0};

    if (watch(arg, input, len, &out, &err) < 0)
        host_reply_error(req, &err);
    else
        host_reply(req, out.data, out.len);
}

/* ---- start and end ---- */

static void on_closed(struct loop_scope *scope)
{
    struct arp *arp = container_of(scope, struct arp, scope);

    if (arp->fd >= 0)
        close(arp->fd);
    free(arp->entries);
    arp_packet_own_fini(&arp->own);
    free(arp);
}

void arp_close(struct arp *arp)
{
    if (arp)
        loop_scope_close(&arp->scope);
}

int arp_new(struct orbitald *host, struct arp **ret_arp, struct orb_err *err)
{
    struct arp *arp = xcalloc(1, sizeof(*arp));
    int r = 0;

    arp->host = host;
    loop_scope_init(&arp->scope, on_closed);
    uv_timer_init(host->loop, &arp->timer);
    loop_scope_adopt(&arp->scope, (uv_handle_t *)&arp->timer);
    arp->fd = arp_packet_open(&arp->why);
    if (arp->fd >= 0)
        r = loop_watch_init(&arp->packets, host->loop, &arp->scope, arp->fd, on_packets);
    if (arp->fd < 0 || r < 0)
        log_warn(host->log, "arp.not-available",
                 KV("error", arp->fd < 0 ? arp->why.text : uv_strerror(r)));
    else
        loop_watch_set(&arp->packets, UV_READABLE);
    *ret_arp = arp;
    return host_serve(host->broker, host->arp_contract, on_request, arp, err);
}
