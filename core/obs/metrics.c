/* A flat table: few services, few names each; looked up linearly. */
#include "core/obs/metrics.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/json/scan.h"

struct metric {
    char service[64];
    char name[64];
    bool gauge;
    uint64_t count;
    double value;
};

/* A service that may report another number of names than METRICS_PER_SERVICE. */
struct allowance {
    char service[64];
    unsigned names;
};

struct metrics {
    struct allowance *allowances;
    size_t allowance_count;
    struct metric *items;
    size_t count;
    uint64_t refused;
};

struct metrics *metrics_new(void)
{
    return xcalloc(1, sizeof(struct metrics));
}

void metrics_free(struct metrics *metrics)
{
    if (!metrics)
        return;
    free(metrics->items);
    free(metrics->allowances);
    free(metrics);
}

static struct allowance *allowance_of(const struct metrics *m, const char *service)
{
    for (size_t i = 0; i < m->allowance_count; i++)
        if (!strcmp(m->allowances[i].service, service))
            return &m->allowances[i];
    return NULL;
}

static unsigned names_of(const struct metrics *m, const char *service)
{
    const struct allowance *a = allowance_of(m, service);

    return a ? a->names : METRICS_PER_SERVICE;
}

void metrics_limit(struct metrics *m, const char *service, unsigned names)
{
    struct allowance *a = allowance_of(m, service);

    if (!a && names == METRICS_PER_SERVICE)
        return;
    if (!a) {
        m->allowances = xrealloc(m->allowances, (m->allowance_count + 1) * sizeof *a);
        a = &m->allowances[m->allowance_count++];
        snprintf(a->service, sizeof a->service, "%s", service);
    }
    a->names = names;
}

static bool good_name(const char *name)
{
    if (name[0] < 'a' || name[0] > 'z')
        return false;
    return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name);
}

/* Names the host itself reports of a service (core/sup/show.c): nobody speaks for the host. */
static bool of_host(const char *name)
{
    static const char *const names[] = {"up", "restarts", "breaker_open"};

    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (!strcmp(names[i], name))
            return true;
    return false;
}

/* Would a gauge of this name be a sample of a counter ("x_total" is one of "x")? */
static bool looks_counted(const char *name)
{
    size_t n = strlen(name);

    return n > 6 && !strcmp(name + n - 6, "_total");
}

/* One name has one type, whoever uses it: a family that stands twice makes the whole text
 * unreadable for its readers. */
static struct metric *find(struct metrics *m, const char *service, const char *name, bool gauge)
{
    unsigned same = 0;
    struct metric *item;

    if (of_host(name) || (gauge && looks_counted(name)))
        return NULL;
    for (size_t i = 0; i < m->count; i++) {
        item = &m->items[i];
        if (!strcmp(item->name, name) && item->gauge != gauge)
            return NULL;
        if (strcmp(item->service, service))
            continue;
        if (!strcmp(item->name, name))
            return item;
        same++;
    }
    if (same >= names_of(m, service))
        return NULL;
    m->items = xrealloc(m->items, (m->count + 1) * sizeof *m->items);
    item = &m->items[m->count++];
    *item = (struct metric){.gauge = gauge};
    snprintf(item->service, sizeof item->service, "%s", service);
    snprintf(item->name, sizeof item->name, "%s", name);
    return item;
}

void metrics_frame(struct metrics *m, const char *service, const char *text, size_t len)
{
    struct json_slice value;
    struct metric *item = NULL;
    char name[64];
    int64_t add = 0;
    bool counts, sets;

    if (!json_member(text, len, "name", &value) || json_text(&value, name, sizeof name) < 0 ||
        !good_name(name)) {
        m->refused++;
        return;
    }
    counts = json_member(text, len, "add", &value) && json_int64(&value, &add) == 0 && add >= 0;
    sets = !counts && json_member(text, len, "set", &value) &&
           (value.type == 'i' || value.type == 'n');
    if (counts || sets)
        item = find(m, service, name, sets);
    if (!item) {
        m->refused++;
        return;
    }
    if (counts)
        item->count += (uint64_t)add;
    else
        item->value = strtod(value.p, NULL);
}

void metrics_text(struct metrics *m, struct buf *ret_text)
{
    for (size_t i = 0; i < m->count; i++) {
        const struct metric *item = &m->items[i];
        bool told = false;

        for (size_t k = 0; k < i && !told; k++)
            told = !strcmp(m->items[k].name, item->name) && m->items[k].gauge == item->gauge;
        if (told)
            continue;
        buf_addf(ret_text, "# TYPE orbital_service_%s %s\n", item->name,
                 item->gauge ? "gauge" : "counter");
        for (size_t k = i; k < m->count; k++) {
            const struct metric *other = &m->items[k];

            if (strcmp(other->name, item->name) || other->gauge != item->gauge)
                continue;
            if (other->gauge)
                buf_addf(ret_text, "orbital_service_%s{service=\"%s\"} %.17g\n", other->name,
                         other->service, other->value);
            else
                buf_addf(ret_text, "orbital_service_%s_total{service=\"%s\"} %llu\n", other->name,
                         other->service, (unsigned long long)other->count);
        }
    }
    buf_addf(ret_text,
             "# TYPE orbital_metrics_refused counter\norbital_metrics_refused_total %llu\n",
             (unsigned long long)m->refused);
}
