/* Families sorted by name, their samples by service: finding one takes a few comparisons, however
 * many names there are, and a page of the text costs what it holds. */
#include "core/obs/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/json/scan.h"

struct sample {
    char service[64];
    uint64_t count;
    double value;
};

struct family {
    char name[METRICS_NAME];
    bool gauge;
    struct sample *samples;
    size_t count;
};

struct reporter {
    char service[64];
    struct metrics_limits limits;
    uint32_t names;
    double tokens; /* frames it may send now */
    uint64_t filled_ms;
};

struct metrics {
    struct family **families;
    size_t count;
    struct reporter **reporters;
    size_t reporter_count;
    uint64_t refused;
};

struct metrics *metrics_new(void)
{
    return xcalloc(1, sizeof(struct metrics));
}

static void family_free(struct family *family)
{
    free(family->samples);
    free(family);
}

void metrics_free(struct metrics *metrics)
{
    if (!metrics)
        return;
    for (size_t i = 0; i < metrics->count; i++)
        family_free(metrics->families[i]);
    for (size_t i = 0; i < metrics->reporter_count; i++)
        free(metrics->reporters[i]);
    free(metrics->families);
    free(metrics->reporters);
    free(metrics);
}

/* ---- reporters ---- */

static struct reporter *reporter_of(struct metrics *m, const char *service)
{
    struct reporter *r;

    for (size_t i = 0; i < m->reporter_count; i++)
        if (!strcmp(m->reporters[i]->service, service))
            return m->reporters[i];
    m->reporters = xrealloc(m->reporters, (m->reporter_count + 1) * sizeof(struct reporter *));
    r = m->reporters[m->reporter_count++] = xcalloc(1, sizeof(*r));
    snprintf(r->service, sizeof(r->service), "%s", service);
    r->limits = (struct metrics_limits){.names = METRICS_PER_SERVICE, .rate = METRICS_RATE};
    r->tokens = 2.0 * METRICS_RATE;
    return r;
}

void metrics_limit(struct metrics *m, const char *service, const struct metrics_limits *limits)
{
    struct reporter *r = reporter_of(m, service);

    if (r->limits.rate != limits->rate)
        r->tokens = 2.0 * limits->rate;
    r->limits = *limits;
}

static bool within_rate(struct reporter *r, uint64_t now_ms)
{
    double most = 2.0 * r->limits.rate;

    if (now_ms > r->filled_ms) {
        r->tokens += (double)(now_ms - r->filled_ms) * r->limits.rate / 1000;
        r->filled_ms = now_ms;
    }
    if (r->tokens > most)
        r->tokens = most;
    if (r->tokens < 1)
        return false;
    r->tokens--;
    return true;
}

/* ---- names ---- */

static bool good_name(const char *name)
{
    if (name[0] < 'a' || name[0] > 'z')
        return false;
    return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name);
}

/* Names that the host itself reports of a service (core/sup/report.c): no service may use one. */
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

/* The index of the first family whose name is not below name. */
static size_t family_at(const struct metrics *m, const char *name)
{
    size_t low = 0, high = m->count;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (strcmp(m->families[mid]->name, name) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static size_t sample_at(const struct family *family, const char *service)
{
    size_t low = 0, high = family->count;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (strcmp(family->samples[mid].service, service) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static struct family *family_get(struct metrics *m, const char *name, bool gauge)
{
    size_t at = family_at(m, name);
    struct family *family;

    if (at < m->count && !strcmp(m->families[at]->name, name))
        return m->families[at];
    family = xcalloc(1, sizeof(*family));
    snprintf(family->name, sizeof(family->name), "%s", name);
    family->gauge = gauge;
    m->families = xrealloc(m->families, (m->count + 1) * sizeof(struct family *));
    memmove(m->families + at + 1, m->families + at, (m->count - at) * sizeof(struct family *));
    m->families[at] = family;
    m->count++;
    return family;
}

/* The type of a name is what the first service uses it for, but one that ships has it its way:
 * then the others' samples go. A family with two types would make the whole text unreadable. */
static bool take_type(struct metrics *m, const struct reporter *r, struct family *family,
                      bool gauge)
{
    if (family->gauge == gauge)
        return true;
    if (!r->limits.first)
        return false;
    for (size_t i = 0; i < family->count; i++)
        if (reporter_of(m, family->samples[i].service)->limits.first)
            return false;
    for (size_t i = 0; i < family->count; i++)
        reporter_of(m, family->samples[i].service)->names--;
    family->count = 0;
    family->gauge = gauge;
    return true;
}

static struct sample *sample_get(struct metrics *m, struct reporter *r, const char *name,
                                 bool gauge)
{
    struct family *family;
    struct sample *sample;
    size_t at = family_at(m, name);
    bool there = at < m->count && !strcmp(m->families[at]->name, name);

    if (of_host(name) || (gauge && looks_counted(name)))
        return NULL;
    if (there && !take_type(m, r, m->families[at], gauge))
        return NULL;
    if (there) {
        size_t s = sample_at(m->families[at], r->service);

        if (s < m->families[at]->count && !strcmp(m->families[at]->samples[s].service, r->service))
            return &m->families[at]->samples[s];
    }
    if (r->names >= r->limits.names)
        return NULL;
    r->names++;
    family = family_get(m, name, gauge);
    at = sample_at(family, r->service);
    family->samples = xrealloc(family->samples, (family->count + 1) * sizeof(*family->samples));
    memmove(family->samples + at + 1, family->samples + at,
            (family->count - at) * sizeof(*family->samples));
    family->count++;
    sample = &family->samples[at];
    *sample = (struct sample){0};
    snprintf(sample->service, sizeof(sample->service), "%s", r->service);
    return sample;
}

void metrics_frame(struct metrics *m, const char *service, const char *text, size_t len,
                   uint64_t now_ms)
{
    struct reporter *r = reporter_of(m, service);
    struct sample *sample = NULL;
    struct json_slice value;
    char name[METRICS_NAME];
    int64_t add = 0;
    bool counts, sets;

    if (!within_rate(r, now_ms) || !json_member(text, len, "name", &value) ||
        json_text(&value, name, sizeof(name)) < 0 || !good_name(name)) {
        m->refused++;
        return;
    }
    counts = json_member(text, len, "add", &value) && json_int64(&value, &add) == 0 && add >= 0;
    sets = !counts && json_member(text, len, "set", &value) &&
           (value.type == 'i' || value.type == 'n');
    if (counts || sets)
        sample = sample_get(m, r, name, sets);
    if (!sample)
        m->refused++;
    else if (counts)
        sample->count += (uint64_t)add;
    else
        sample->value = strtod(value.p, NULL);
}

/* ---- the text ---- */

static void add_family(const struct family *family, struct buf *to)
{
    const char *name = family->name;

    if (!family->count)
        return;
    buf_addf(to, "# TYPE orbital_service_%s %s\n", name, family->gauge ? "gauge" : "counter");
    for (size_t i = 0; i < family->count; i++) {
        const struct sample *s = &family->samples[i];

        if (family->gauge)
            buf_addf(to, "orbital_service_%s{service=\"%s\"} %.17g\n", name, s->service, s->value);
        else
            buf_addf(to, "orbital_service_%s_total{service=\"%s\"} %llu\n", name, s->service,
                     (unsigned long long)s->count);
    }
}

bool metrics_page(const struct metrics *m, const char *after, size_t most, struct buf *ret_text,
                  char ret_last[METRICS_NAME])
{
    size_t at = family_at(m, after);

    if (at < m->count && !strcmp(m->families[at]->name, after))
        at++;
    for (; at < m->count; at++) {
        add_family(m->families[at], ret_text);
        if (ret_text->len < most || at + 1 == m->count)
            continue;
        memcpy(ret_last, m->families[at]->name, METRICS_NAME);
        return false;
    }
    buf_addf(ret_text,
             "# TYPE orbital_metrics_refused counter\norbital_metrics_refused_total %llu\n",
             (unsigned long long)m->refused);
    return true;
}
