/* What a crash leaves, kept so that a person can read it: in memory (the last ones) and as a file
 * below STATE/crashes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/sup/internal.h"

#define CRASH_LINES 20

static void add_text(struct buf *b, const char *key, const char *text)
{
    buf_addf(b, ",\"%s\":", key);
    buf_add_json(b, text, strlen(text));
}

static void report(const struct service *service, const struct worker *worker,
                   const struct verdict *v, struct buf *b)
{
    const struct manifest *m = &service->package->manifest;
    uint64_t now = now_ms();

    buf_addf(b, "{\"time_us\":%llu", (unsigned long long)wall_us());
    add_text(b, "service", m->name);
    add_text(b, "version", m->version);
    add_text(b, "instance", service->sup->setup.instance);
    add_text(b, "plan", service->plan.hash);
    buf_addf(b, ",\"pid\":%d,\"uptime_ms\":%llu,\"restarts\":%u", (int)worker->child.pid,
             (unsigned long long)(now - worker->started_ms), service->restart.restarts);
    buf_addf(b, ",\"reached_ready\":%s,\"signaled\":%s,\"status\":%d",
             worker->ready_ms ? "true" : "false", v->signaled ? "true" : "false", v->status);
    add_text(b, "signal", v->signaled ? strsignal(v->status) : "");
    add_text(b, "ended_because", worker->reason);
    add_text(b, "sandbox_step", v->step);
    if (v->step[0])
        add_text(b, "sandbox_error", strerror(v->step_errno));
    add_text(b, "fault_untrusted", v->fault);
    buf_adds(b, ",\"frames_untrusted\":[");
    for (unsigned i = 0; i < v->frame_count; i++)
        buf_addf(b, "%s\"0x%llx\"", i ? "," : "", (unsigned long long)v->frames[i]);
    buf_adds(b, "],\"log\":");
    logs_tail(service->sup->setup.logs, m->name, CRASH_LINES, b);
    buf_addc(b, '}');
}

void crash_record(struct service *service, const struct worker *worker, const struct verdict *v)
{
    AUTO_FREE char *dir = xasprintf("%s/crashes", service->sup->setup.state_dir);
    AUTO_FREE char *path = NULL;
    AUTO(buf) struct buf b = {0};
    struct crash *slot = &service->crashes[service->crash_count++ % CRASHES_KEPT];
    struct orb_err err = {0};

    report(service, worker, v, &b);
    free(slot->json);
    slot->time_us = wall_us();
    slot->json = xstrdup(buf_str(&b));
    /* One file a slot: the newest CRASHES_KEPT of each service stay on disk. */
    path = xasprintf("%s/%s-%u.json", dir, service->package->manifest.name,
                     (service->crash_count - 1) % CRASHES_KEPT);
    if (dir_make(dir, 0700, &err) < 0 || file_replace(path, b.data, b.len, 0600, &err) < 0)
        log_warn(service->sup->log, "crash.not-kept", KV("error", err.text));
}

int supervisor_crashes(struct supervisor *sup, const char *name, struct buf *ret_json,
                       struct orb_err *err)
{
    struct service *service;
    unsigned n = 0;
    int r = supervisor_find_or_fail(sup, name, &service, err);

    if (r < 0)
        return r;
    buf_adds(ret_json, "{\"crashes\":[");
    for (unsigned i = 0; i < CRASHES_KEPT; i++) {
        const struct crash *c = &service->crashes[(service->crash_count + i) % CRASHES_KEPT];

        if (c->json)
            buf_addf(ret_json, "%s%s", n++ ? "," : "", c->json);
    }
    buf_adds(ret_json, "]}");
    return 0;
}
