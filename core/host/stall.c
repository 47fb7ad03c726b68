/* The duration of a turn is the time between two polls without that spent in polling, which libuv
 * measures. Note: on a busy machine a turn is long because other processes run, hence the processor
 * time beside it. */
#include "core/host/stall.h"

#include <time.h>

#include "core/base/now.h"
#include "core/base/own.h"

#define LOG_EVERY_MS 10000

static const struct {
    uint64_t ns;
    const char *name;
} bounds[STALL_BUCKETS] = {{1000000, "0.001"}, {5000000, "0.005"},  {20000000, "0.02"},
                           {50000000, "0.05"}, {250000000, "0.25"}, {UINT64_MAX, "+Inf"}};

static uint64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void tell(struct stall *s, uint64_t busy_ns, uint64_t used_ns)
{
    char who[64] = "";
    uint64_t served_ns = broker_busiest(s->host->broker, who, sizeof(who)), now = now_ms();

    if (busy_ns < STALL_MS * 1000000ull)
        return;
    /* One that is far longer is not hidden by the one before. */
    if (s->logged_ms && now - s->logged_ms < LOG_EVERY_MS && used_ns < 2 * s->logged_used_ns) {
        s->unlogged++;
        return;
    }
    log_warn(s->host->log, "loop.stalled", KV("ms", busy_ns / 1000000),
             KV("processor-ms", used_ns / 1000000), KV("longest-for", who),
             KV("its-ms", served_ns / 1000000), KV("not-logged-before", s->unlogged));
    s->logged_ms = now;
    s->logged_used_ns = used_ns;
    s->unlogged = 0;
}

static void on_prepare(uv_prepare_t *handle)
{
    struct stall *s = container_of(handle, struct stall, prepare);
    uint64_t now = uv_hrtime(), idle = uv_metrics_idle_time(s->host->loop), used = cpu_ns();
    uint64_t passed = now - s->seen_ns, waited = idle - s->idle_ns;
    uint64_t busy = passed > waited ? passed - waited : 0;
    size_t i = 0;

    if (s->seen_ns) {
        while (busy > bounds[i].ns)
            i++;
        s->buckets[i]++;
        s->count++;
        s->sum_ns += busy;
        if (busy > s->most_ns)
            s->most_ns = busy;
        tell(s, busy, used - s->cpu_ns);
    }
    s->seen_ns = now;
    s->idle_ns = idle;
    s->cpu_ns = used;
}

void stall_watch(struct stall *s, struct orbitald *host, struct loop_scope *scope)
{
    *s = (struct stall){.host = host};
    uv_prepare_init(host->loop, &s->prepare);
    loop_scope_adopt(scope, (uv_handle_t *)&s->prepare);
    uv_prepare_start(&s->prepare, on_prepare);
    uv_unref((uv_handle_t *)&s->prepare);
    host->stall = s;
}

void stall_metrics(const struct stall *s, struct buf *text)
{
    uint64_t n = 0;

    if (!s)
        return;
    buf_adds(text, "# TYPE orbital_loop_stall_seconds histogram\n");
    for (size_t i = 0; i < STALL_BUCKETS; i++) {
        n += s->buckets[i];
        buf_addf(text, "orbital_loop_stall_seconds_bucket{le=\"%s\"} %llu\n", bounds[i].name,
                 (unsigned long long)n);
    }
    buf_addf(text,
             "orbital_loop_stall_seconds_count %llu\norbital_loop_stall_seconds_sum %.6f\n"
             "# TYPE orbital_loop_stall_max_seconds gauge\norbital_loop_stall_max_seconds %.6f\n",
             (unsigned long long)s->count, (double)s->sum_ns / 1e9, (double)s->most_ns / 1e9);
}
