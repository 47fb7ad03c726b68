/* See crash.h. Files of earlier runs are read once, at the start. */
#include "core/sup/crash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/json/scan.h"
#include "core/sup/filequeue.h"
#include "core/sup/supervisor_internal.h"

#define CRASH_LINES 20
#define CRASH_FILE_MOST (30u << 10) /* so that all of a service fit into an answer */
#define CRASHES_ANSWER (250u << 10)

static void report(const struct service *service, const struct worker_exit *exit, struct logs *logs,
                   uint64_t number, struct buf *b)
{
    const struct exit_status *v = exit->status;
    const struct manifest *m = &service->package->manifest;
    struct json_write w = json_write_to(b);

    json_write_object(&w, NULL);
    json_write_integer(&w, "number", (int64_t)number);
    json_write_integer(&w, "time-us", (int64_t)now_wall_us());
    json_write_string(&w, "service", m->name);
    json_write_string(&w, "version", m->version);
    json_write_string(&w, "instance", service->sup->setup.instance);
    json_write_string(&w, "plan", service->spec.plan.hash);
    json_write_integer(&w, "pid", exit->pid);
    json_write_integer(&w, "uptime-ms", (int64_t)exit->uptime_ms);
    json_write_integer(&w, "restarts", service->restart.restarts);
    json_write_boolean(&w, "reached-ready", exit->reached_ready);
    json_write_boolean(&w, "signaled", v->signaled);
    json_write_integer(&w, "status", v->status);
    json_write_string(&w, "signal", v->signaled ? strsignal(v->status) : "");
    json_write_string(&w, "ended-because", exit->ended_because);
    json_write_string(&w, "sandbox-step", v->step);
    if (!strcmp(v->step, "load"))
        json_write_string(&w, "load-error", v->fault);
    else if (v->step[0])
        json_write_string(&w, "sandbox-error", strerror(v->step_errno));
    json_write_string(&w, "fault-untrusted", strcmp(v->step, "load") ? v->fault : "");
    json_write_array(&w, "frames-untrusted");
    for (unsigned i = 0; i < v->frame_count; i++)
        json_write_format(&w, NULL, "0x%llx", (unsigned long long)v->frames[i]);
    json_write_end(&w);
    logs_find_tail(logs, m->name, CRASH_LINES, &w, "log");
    json_write_end(&w);
}

static char *path_of(const char *state_dir, const char *service, unsigned slot)
{
    return buf_format("%s/crashes/%s-%u.json", state_dir, service, slot);
}

/* Reports of earlier versions have these keys with _; the names are as long as those of today. A
 * quote within a string is escaped, so that what is found is a key. */
static void renew_keys(char *text)
{
    static const char *const old[] = {"time_us",       "uptime_ms",       "reached_ready",
                                      "ended_because", "sandbox_step",    "load_error",
                                      "sandbox_error", "fault_untrusted", "frames_untrusted"};

    for (unsigned i = 0; i < ARRAY_LEN(old); i++) {
        size_t len = strlen(old[i]);

        for (char *at = text; (at = strstr(at, old[i])); at += len)
            if (at - text >= 2 && strchr("{,", at[-2]) && at[-1] == '"' && at[len] == '"' &&
                at[len + 1] == ':')
                *strchr(at, '_') = '-';
    }
}

static int take(struct crash *c, struct buf *text, struct orb_err *err)
{
    struct json_slice value;
    int64_t time_us = 0, number = 0;
    int r = scan_json(buf_str(text), text->len, NULL, err);

    if (r < 0)
        return r;
    renew_keys(text->data);
    if (buf_str(text)[0] != '{' || !json_member(text->data, text->len, "time-us", &value) ||
        json_int64(&value, &time_us) < 0 || time_us <= 0)
        return orb_fail(err, ORB_E_INVALID, "it is no crash report");
    if (json_member(text->data, text->len, "number", &value) && json_int64(&value, &number) == 0 &&
        number > 0)
        c->number = (uint64_t)number;
    c->time_us = (uint64_t)time_us;
    c->json = buf_take(text);
    return 0;
}

static void read_one(const char *path, struct crash *c)
{
    AUTO(buf) struct buf text = {0};
    struct orb_err err = {0};
    int r = file_read_regular(path, CRASH_FILE_MOST, &text, &err);

    if (r == 0)
        r = take(c, &text, &err);
    if (r < 0 && r != -ENOENT)
        c->fault = buf_format("%s: %s", path, err.text);
}

/* By number: the clock may have been set between two reports. */
static bool is_older(const struct crash *a, const struct crash *b)
{
    return a->number != b->number ? a->number < b->number : a->time_us < b->time_us;
}

void crash_log_read(const char *state_dir, const char *service, struct crash_log *ret_log)
{
    struct crash_log *log = ret_log;

    *log = (struct crash_log){0};
    for (unsigned i = 0; i < CRASHES_KEPT; i++) {
        AUTO_FREE char *path = path_of(state_dir, service, i);

        read_one(path, &log->items[i]);
    }
    for (unsigned i = 1; i < CRASHES_KEPT; i++)
        if (is_older(&log->items[i], &log->items[log->next]))
            log->next = i;
}

void crash_log_take(struct crash_log *log, struct crash_log *from, struct log_sink *sink)
{
    crash_log_fini(log);
    *log = *from;
    *from = (struct crash_log){0};
    for (unsigned i = 0; i < CRASHES_KEPT; i++) {
        AUTO_FREE char *fault = take_ptr(log->items[i].fault);

        if (fault)
            log_warn(sink, "crash.not-read", KV("error", fault));
    }
}

void crash_record(struct service *service, const struct worker_exit *exit, struct logs *logs,
                  struct filequeue *queue)
{
    struct crash_log *log = &service->crashes;
    AUTO(buf) struct buf text = {0};
    struct crash *item;
    uint64_t last = 0;

    item = &log->items[log->next];
    for (unsigned i = 0; i < CRASHES_KEPT; i++)
        if (log->items[i].number > last)
            last = log->items[i].number;
    report(service, exit, logs, last + 1, &text);
    free(item->json);
    *item = (struct crash){
        .number = last + 1, .time_us = now_wall_us(), .json = xstrdup(buf_str(&text))};
    /* One file for each place: the newest CRASHES_KEPT of each service stay on disk. */
    filequeue_add(
        queue, path_of(service->sup->setup.state_dir, service->package->manifest.name, log->next),
        &text);
    log->next = (log->next + 1) % CRASHES_KEPT;
    log->count++;
}

void crash_write(const struct service *service, struct json_write *w, const char *key)
{
    const struct crash_log *log = &service->crashes;
    size_t room = CRASHES_ANSWER;

    json_write_array(w, key);
    for (unsigned i = 0; i < CRASHES_KEPT; i++) {
        const struct crash *c = &log->items[(log->next + i) % CRASHES_KEPT];
        size_t len = c->json ? strlen(c->json) : 0;

        if (!len || len >= room) /* one frame */
            continue;
        json_write_raw(w, NULL, c->json, len);
        room -= len + 1;
    }
    json_write_end(w);
}

void crash_log_fini(struct crash_log *log)
{
    for (unsigned i = 0; i < CRASHES_KEPT; i++) {
        free(log->items[i].json);
        free(log->items[i].fault);
    }
    *log = (struct crash_log){0};
}
