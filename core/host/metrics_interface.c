/* host@1 metrics: OpenMetrics text in pages. Each answer costs the loop little, and however many
 * services, clients and names there are, none of them makes it too large to be sent. */
#include "core/host/metrics_interface.h"
#include "core/host/dpservice.h"

#include <assert.h>
#include <string.h>

#include "core/base/json_write.h"
#include "core/base/now.h"
#include "core/base/own.h"
#include "core/host/host_internal.h"
#include "core/host/stall.h"
#include "core/host/health.h"
#include "core/ipc/introspect.h"
#include "core/json/scan.h"
#include "core/sup/report.h"

#define PAGE_BYTES (48u << 10) /* beyond it the answer continues in another page */
#define NAMES "names:"

static void add_host(struct orbitald *host, struct buf *text)
{
    buf_addf(text, "# TYPE orbital_build info\norbital_build_info{version=\"%s\"} 1\n",
             ORBITAL_VERSION);
    buf_addf(text, "# TYPE orbital_uptime_seconds gauge\norbital_uptime_seconds %.3f\n",
             (double)(now_ms() - host->started_ms) / 1000);
    health_metrics(host, text);
    stall_metrics(host->stall, text);
    logs_files_metrics(host->logs, text);
    introspect_metrics(host->broker, text);
}

static void add_services(struct orbitald *host, struct buf *text)
{
    report_metrics(host->supervisor, text);
}

static void add_dataplane(struct orbitald *host, struct buf *text)
{
    dpservice_metrics(host->dataplane, text);
}

/* Metrics of the host; each section has at most about 40 KiB. */
static const struct section {
    const char *name;
    void (*add)(struct orbitald *host, struct buf *text);
    int peers; /* row of introspect_peer_metrics; used where add is NULL */
} sections[] = {
    {"", add_host, 0},   {"services", add_services, 0}, {"dataplane", add_dataplane, 0},
    {"peers0", NULL, 0}, {"peers1", NULL, 1},           {"peers2", NULL, 2},
    {"peers3", NULL, 3}, {"peers4", NULL, 4},           {"peers5", NULL, 5},
};

static_assert(ARRAY_LEN(sections) == 3 + INTROSPECT_PEER_METRICS, "a section for each row");

/* ARRAY_LEN(sections): the names of services. -1: there is no such place. */
static int section_of(const char *from)
{
    if (!strncmp(from, NAMES, sizeof(NAMES) - 1))
        return ARRAY_LEN(sections);
    for (unsigned i = 0; i < ARRAY_LEN(sections); i++)
        if (!strcmp(sections[i].name, from))
            return (int)i;
    return -1;
}

int metrics_interface_host(struct orbitald *host, const char *input, size_t len, struct buf *out,
                           struct orb_err *err)
{
    AUTO(buf) struct buf text = {0};
    struct json_write w = json_write_to(out);
    char from[METRICS_NAME + sizeof(NAMES)] = "", last[METRICS_NAME] = "";
    const char *next = NULL;
    struct json_slice value;
    int at;

    if (json_member(input, len, "from", &value))
        json_text(&value, from, sizeof(from));
    at = section_of(from);
    if (at < 0)
        return orb_fail_at(err, ORB_E_INVALID, "/from",
                           "expected \"next\" of an answer; got \"%.60s\"", from);
    for (; at < (int)ARRAY_LEN(sections) && !next; at++) {
        if (text.len >= PAGE_BYTES)
            next = sections[at].name;
        else if (sections[at].add)
            sections[at].add(host, &text);
        else
            introspect_peer_metrics(host->broker, sections[at].peers, &text);
    }
    if (!next &&
        !metrics_page(host->metrics, strncmp(from, NAMES, sizeof(NAMES) - 1) ? "" : from + 6,
                      PAGE_BYTES, &text, last))
        next = last;
    if (!next)
        buf_adds(&text, "# EOF\n");
    json_write_object(&w, NULL);
    json_write_string_len(&w, "text", text.data, text.len);
    if (next)
        json_write_format(&w, "next", "%s%s", next == last ? NAMES : "", next);
    json_write_end(&w);
    return 0;
}
