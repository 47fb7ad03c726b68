/* What a crash leaves, kept so that a person can read it: in memory (the last ones) and as a file
 * each below STATE/crashes, so that a restart of the daemon takes none of them away. Files are read
 * when they are first needed, and written on a thread: a disk may take its time. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json_write.h"
#include "core/base/own.h"
#include "core/json/scan.h"
#include "core/sup/internal.h"

#define CRASH_LINES 20
#define CRASH_FILE_MOST (30u << 10) /* so that all of a service fit into an answer */
#define CRASHES_ANSWER (250u << 10)
#define CRASH_FILES_WAITING 64

static void report(const struct service *service, const struct worker *worker,
                   const struct verdict *v, uint64_t number, struct buf *b)
{
    const struct manifest *m = &service->package->manifest;
    struct json_write w = json_write_to(b);

    json_write_object(&w, NULL);
    json_write_integer(&w, "number", (int64_t)number);
    json_write_integer(&w, "time_us", (int64_t)wall_us());
    json_write_string(&w, "service", m->name);
    json_write_string(&w, "version", m->version);
    json_write_string(&w, "instance", service->sup->setup.instance);
    json_write_string(&w, "plan", service->plan.hash);
    json_write_integer(&w, "pid", worker->child.pid);
    json_write_integer(&w, "uptime_ms", (int64_t)(now_ms() - worker->started_ms));
    json_write_integer(&w, "restarts", service->restart.restarts);
    json_write_boolean(&w, "reached_ready", worker->ready_ms != 0);
    json_write_boolean(&w, "signaled", v->signaled);
    json_write_integer(&w, "status", v->status);
    json_write_string(&w, "signal", v->signaled ? strsignal(v->status) : "");
    json_write_string(&w, "ended_because", worker->reason);
    json_write_string(&w, "sandbox_step", v->step);
    if (!strcmp(v->step, "load"))
        json_write_string(&w, "load_error", v->fault);
    else if (v->step[0])
        json_write_string(&w, "sandbox_error", strerror(v->step_errno));
    json_write_string(&w, "fault_untrusted", strcmp(v->step, "load") ? v->fault : "");
    json_write_array(&w, "frames_untrusted");
    for (unsigned i = 0; i < v->frame_count; i++)
        json_write_format(&w, NULL, "0x%llx", (unsigned long long)v->frames[i]);
    json_write_end(&w);
    logs_tail(service->sup->setup.logs, m->name, CRASH_LINES, &w, "log");
    json_write_end(&w);
}

/* ---- to the disk, one after the other, on a thread ---- */

struct crash_file {
    struct crash_file *next;
    struct supervisor *sup;
    char *path;
    struct buf text;
    uv_work_t work;
    struct orb_err err;
};

static void write_next(struct supervisor *sup);

static void on_write(uv_work_t *work)
{
    struct crash_file *file = container_of(work, struct crash_file, work);
    AUTO_FREE char *dir = xstrndup(file->path, (size_t)(strrchr(file->path, '/') - file->path));

    if (dir_make(dir, 0700, &file->err) == 0)
        file_replace(file->path, file->text.data, file->text.len, 0600, &file->err);
}

static void on_written(uv_work_t *work, int status)
{
    struct crash_file *file = container_of(work, struct crash_file, work);
    struct supervisor *sup = file->sup;

    if (file->err.code)
        log_warn(sup->log, "crash.not-kept", KV("error", file->err.text));
    sup->crash_files = file->next;
    sup->crash_file_count--;
    free(file->path);
    buf_fini(&file->text);
    free(file);
    write_next(sup);
    supervisor_put(sup);
}

static void write_next(struct supervisor *sup)
{
    if (sup->crash_files)
        uv_queue_work(sup->setup.loop, &sup->crash_files->work, on_write, on_written);
}

/* Takes path and text. */
static void keep(struct supervisor *sup, char *path, struct buf *text)
{
    struct crash_file *file, **end = &sup->crash_files;

    if (sup->crash_file_count == CRASH_FILES_WAITING) {
        log_warn(sup->log, "crash.not-kept", KV("error", "too many reports wait for the disk"));
        free(path);
        return;
    }
    file = xcalloc(1, sizeof *file);
    file->sup = sup;
    file->path = path;
    file->text = *text;
    *text = (struct buf){0};
    while (*end)
        end = &(*end)->next;
    *end = file;
    sup->open_scopes++; /* put back by on_written */
    if (sup->crash_file_count++ == 0)
        write_next(sup);
}

static char *path_of(const struct service *service, unsigned slot)
{
    return xasprintf("%s/crashes/%s-%u.json", service->sup->setup.state_dir,
                     service->package->manifest.name, slot);
}

static void read_one(struct service *service, unsigned slot)
{
    AUTO_FREE char *path = path_of(service, slot);
    struct crash *c = &service->crashes[slot];
    AUTO(buf) struct buf text = {0};
    struct json_slice value;
    struct orb_err err = {0};
    int64_t time_us = 0, number = 0;
    int r = file_read_regular(path, CRASH_FILE_MOST, &text, &err);

    if (r == -ENOENT)
        return;
    if (r == 0)
        r = json_scan(buf_str(&text), text.len, NULL, &err);
    if (r == 0 &&
        (buf_str(&text)[0] != '{' || !json_member(text.data, text.len, "time_us", &value) ||
         json_int64(&value, &time_us) < 0 || time_us <= 0))
        r = orb_fail(&err, ORB_E_INVALID, "it is no crash report");
    if (r < 0) {
        log_warn(service->sup->log, "crash.not-read", KV("file", path), KV("error", err.text));
        return;
    }
    if (json_member(text.data, text.len, "number", &value) && json_int64(&value, &number) == 0 &&
        number > 0)
        c->number = (uint64_t)number;
    c->time_us = (uint64_t)time_us;
    c->json = buf_take(&text);
}

/* By number: the clock may have been set between two reports. */
static bool is_older(const struct crash *a, const struct crash *b)
{
    return a->number != b->number ? a->number < b->number : a->time_us < b->time_us;
}

/* Once: what earlier runs of the daemon left. The next report takes the place of the oldest. */
static void load(struct service *service)
{
    const struct crash *c = service->crashes;

    if (service->crashes_read)
        return;
    service->crashes_read = true;
    for (unsigned i = 0; i < CRASHES_KEPT; i++)
        read_one(service, i);
    for (unsigned i = 1; i < CRASHES_KEPT; i++)
        if (is_older(&c[i], &c[service->crash_slot]))
            service->crash_slot = i;
}

void crash_record(struct service *service, const struct worker *worker, const struct verdict *v)
{
    AUTO(buf) struct buf b = {0};
    struct crash *slot;
    uint64_t last = 0;

    load(service);
    slot = &service->crashes[service->crash_slot];
    for (unsigned i = 0; i < CRASHES_KEPT; i++)
        if (service->crashes[i].number > last)
            last = service->crashes[i].number;
    report(service, worker, v, last + 1, &b);
    slot->number = last + 1;
    free(slot->json);
    slot->time_us = wall_us();
    slot->json = xstrdup(buf_str(&b));
    /* One file a slot: the newest CRASHES_KEPT of each service stay on disk. */
    keep(service->sup, path_of(service, service->crash_slot), &b);
    service->crash_slot = (service->crash_slot + 1) % CRASHES_KEPT;
    service->crash_count++;
}

int supervisor_crashes(struct supervisor *sup, const char *name, struct buf *ret_json,
                       struct orb_err *err)
{
    struct json_write w = json_write_to(ret_json);
    struct service *service;
    int r = supervisor_find_or_fail(sup, name, &service, err);

    if (r < 0)
        return r;
    load(service);
    json_write_object(&w, NULL);
    json_write_array(&w, "crashes");
    for (unsigned i = 0; i < CRASHES_KEPT; i++) {
        const struct crash *c = &service->crashes[(service->crash_slot + i) % CRASHES_KEPT];

        if (c->json && ret_json->len + strlen(c->json) < CRASHES_ANSWER) /* one frame */
            json_write_raw(&w, NULL, c->json, strlen(c->json));
    }
    json_write_end(&w);
    json_write_end(&w);
    return 0;
}
