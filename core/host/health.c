/* The disk is checked on the thread pool, once a second: a file system that hangs must not block
 * the loop. All other inputs are in memory, so a change of a service is in the report within the
 * same turn of the loop. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/base/json_write.h"
#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/host/auth_interface.h"
#include "core/host/control.h"
#include "core/host/notify.h"
#include "core/host/problem.h"
#include "core/host/statedir.h"
#include "core/host/health.h"
#include "core/loop/loop_scope.h"
#include "core/sup/report.h"

#define CHECK_MS 1000
#define LOG_PROBLEM "log.no-file" /* main.c sets it, too */
#define STATE_REPLACED "state.replaced"
#define STATE_ODD "state.odd"
#define THIRD_BYTES (96u << 10) /* of the answer, all services of third parties together */
#define THIRD_MOST 4096u        /* and one of them, however few there are */
#define LOG_GONE_CHECKS 2       /* a rotation takes it away for a moment */

struct health {
    struct orbitald *host;
    const char *notify_socket;
    void (*on_ready)(void *arg);
    void *arg;
    struct host_problems problems;    /* host->problems while this is there */
    char *state_dir;                  /* the thread's */
    struct health_machine found;      /* the thread's */
    char sentence[ORB_ERR_TEXT + 64]; /* last published */
    enum health_level level;
    bool ready, checking, closing;
    bool try_state, state_mended; /* the thread's: see PROBLEM_STATE */
    bool try_lock, locked;        /* the thread's: see PROBLEM_LOCK */
    struct orb_err replaced;      /* the thread's: code 0: the state directory is what it was */
    struct orb_err odd;           /* the thread's: code 0: its entries are what they should be */
    unsigned log_gone;            /* the thread's: checks in a row that found no log file */
    bool log_failing;             /* when it was looked at last */
    uv_work_t work;
    uv_timer_t check, settle;
    struct loop_scope scope;
};

/* ---- the machine ---- */

static int percent(unsigned long long used, unsigned long long of)
{
    return of ? (int)(used * 100 / of) : -1;
}

static int conntrack_percent(void)
{
    static const char *const paths[] = {"/proc/sys/net/netfilter/nf_conntrack_count",
                                        "/proc/sys/net/netfilter/nf_conntrack_max"};
    unsigned long long values[2] = {0};

    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        AUTO_FILE FILE *file = fopen(paths[i], "re");

        if (!file || fscanf(file, "%llu", &values[i]) != 1)
            return -1;
    }
    return percent(values[0], values[1]);
}

static void on_check_work(uv_work_t *work)
{
    struct health *health = container_of(work, struct health, work);
    struct health_machine *m = &health->found;
    AUTO_FREE char *log = buf_format("%s/log.jsonl", health->state_dir);
    struct statvfs fs;

    *m = (struct health_machine){
        -1, -1, false, health->state_dir, conntrack_percent(), now_wall_us() < MADE_US};
    health->state_mended = health->try_state && statedir_try(health->state_dir, NULL) == 0;
    health->locked =
        health->try_lock && statedir_lock(health->state_dir, health->host->state, NULL) == 0;
    health->replaced = (struct orb_err){0};
    statedir_same(health->state_dir, health->host->state, &health->replaced);
    health->odd = (struct orb_err){0};
    if (!health->replaced.code)
        statedir_sound(&health->host->options, &health->odd);
    health->log_gone = access(log, F_OK) < 0 && errno == ENOENT ? health->log_gone + 1 : 0;
    if (statvfs(health->state_dir, &fs) < 0)
        return;
    m->disk_read_only = fs.f_flag & ST_RDONLY;
    m->disk_percent = percent(fs.f_blocks - fs.f_bavail, fs.f_blocks);
    m->inodes_percent = percent(fs.f_files - fs.f_favail, fs.f_files);
}

/* The log file was removed or renamed without a signal to reopen: records would go to an unlinked
 * file. */
static void follow_log(struct health *health)
{
    struct orb_err err;

    if (health->log_gone < LOG_GONE_CHECKS || health->replaced.code)
        return;
    health->log_gone = 0;
    if (logs_files_reopen(health->host->logs, &err) == 0)
        log_warn(health->host->log, "log.was-removed");
}

static void on_checked(uv_work_t *work, int status)
{
    struct health *health = container_of(work, struct health, work);

    health->checking = false;
    if (health->closing) {
        loop_scope_close(&health->scope);
        return;
    }
    for (unsigned kind = 0; kind < MACHINE_KINDS; kind++) {
        struct health_reason r;

        if (health_report_machine(&health->found, kind, &r))
            problem_set(health->host, health_report_machine_key(kind), r.level, r.what, r.path,
                        r.todo);
        else
            problem_clear(health->host, health_report_machine_key(kind));
    }
    if (health->replaced.code)
        problem_set(health->host, STATE_REPLACED, HEALTH_DEGRADED, health->replaced.text, "",
                    "put it back; what is committed meanwhile is refused or stored there no "
                    "more. Without it the configuration is lost with the next restart: keep "
                    "`orbctl config show` of now");
    else
        problem_clear(health->host, STATE_REPLACED);
    if (health->odd.code)
        problem_set(health->host, STATE_ODD, HEALTH_DEGRADED, health->odd.text, "",
                    "remove it, or give it back its kind, owner and mode; what the daemon "
                    "keeps there is lost or not to be trusted");
    else
        problem_clear(health->host, STATE_ODD);
    follow_log(health);
    if (health->state_mended)
        problem_clear(health->host, PROBLEM_STATE);
    if (health->locked)
        problem_clear(health->host, PROBLEM_LOCK);
    health_changed(health);
}

/* Are records lost because the disk does not take them? */
static void check_logs(struct health *health)
{
    char why[ORB_ERR_TEXT];
    bool failing;

    logs_files_look(health->host->logs);
    failing = logs_files_failing(health->host->logs, why, sizeof(why));
    if (failing)
        problem_set(health->host, LOG_PROBLEM, HEALTH_DEGRADED, why, "",
                    "make room, or make it writable; it is tried again every second, and "
                    "those since then are lost with the next restart");
    else if (health->log_failing)
        problem_clear(health->host, LOG_PROBLEM);
    health->log_failing = failing;
}

static void on_check(uv_timer_t *timer)
{
    struct health *health = container_of(timer, struct health, check);

    check_logs(health);
    control_check(health->host);
    auth_interface_expire_tokens(health->host);
    if (health->checking)
        return; /* the disk does not answer: what was known stays */
    health->checking = true;
    health->try_state = problem_is_set(&health->problems, PROBLEM_STATE);
    health->try_lock = problem_is_set(&health->problems, PROBLEM_LOCK);
    uv_queue_work(health->host->loop, &health->work, on_check_work, on_checked);
}

/* ---- the report ---- */

struct collect {
    struct health_report *report;
    struct buf waiting;
    uint64_t now_us, now_ms;
    bool has_config;
};

static void on_service(void *arg, const struct service_view *s)
{
    struct collect *c = arg;

    c->has_config |= !strcmp(s->name, "config");
    health_report_add_service(c->report, s, c->now_us, c->now_ms);
    if (s->holds_boot)
        buf_addf(&c->waiting, "%s%s", c->waiting.len ? ", " : "", s->name);
}

static size_t share_of_one(const struct orbitald *host)
{
    unsigned third = 1;

    for (unsigned i = 0; i < host->packages.count; i++)
        third += !host->packages.items[i]->shipped;
    return THIRD_BYTES / third < THIRD_MOST ? THIRD_BYTES / third : THIRD_MOST;
}

static void make_report(const struct orbitald *host, struct health_report *ret_report)
{
    struct collect c = {.report = ret_report, .now_us = now_wall_us(), .now_ms = now_ms()};

    *ret_report = (struct health_report){.share = share_of_one(host)};
    problem_add_all(host->problems, ret_report);
    if (host->supervisor) {
        report_each(host->supervisor, on_service, &c);
        health_report_add_boot(ret_report, supervisor_phase(host->supervisor), host->packages.count,
                               c.has_config, buf_str(&c.waiting));
    } else {
        health_report_add(ret_report, &(struct health_reason){.level = HEALTH_FAILED,
                                                              .what = "the daemon is starting"});
    }
    buf_fini(&c.waiting);
    health_report_sort(ret_report);
}

static void tell(struct health *health, const struct health_report *report, const char *sentence)
{
    struct orbitald *host = health->host;
    AUTO_FREE char *status = buf_format("STATUS=%s\n", sentence);
    AUTO(buf) struct buf event = {0};
    struct json_write w = json_write_to(&event);
    struct orb_err err;

    notify_send(health->notify_socket, status);
    if (report->level == HEALTH_OK)
        log_notice(host->log, "health.changed", KV("verdict", sentence));
    else
        log_warn(host->log, "health.changed", KV("verdict", sentence));
    json_write_object(&w, NULL);
    json_write_string(&w, "verdict", health_report_level_name(report->level));
    json_write_string(&w, "text", sentence);
    json_write_end(&w);
    host_publish(host->broker, "host", "health-changed", buf_str(&event), event.len, &err);
}

static void on_settle(uv_timer_t *timer)
{
    struct health *health = container_of(timer, struct health, settle);
    AUTO(health_report) struct health_report report = {0};
    char sentence[sizeof(health->sentence)];

    if (health->host->stopping)
        return;
    make_report(health->host, &report);
    health_report_sentence(&report, sentence, sizeof(sentence));
    health->level = report.level;
    if (strcmp(sentence, health->sentence)) {
        memcpy(health->sentence, sentence, sizeof(sentence));
        tell(health, &report, sentence);
    }
    /* Safe mode is what is left: that it runs an older revision is failed, and yet as far as a
     * start gets. */
    if (health->ready || (report.level == HEALTH_FAILED && !health->host->safe) ||
        !health->host->supervisor ||
        supervisor_phase(health->host->supervisor) != PHASE_OPERATIONAL)
        return;
    health->ready = true;
    notify_send(health->notify_socket, "READY=1\n");
    health->on_ready(health->arg);
}

void health_changed(struct health *health)
{
    if (health && !health->closing && !uv_is_active((uv_handle_t *)&health->settle))
        uv_timer_start(&health->settle, on_settle, 0, 0);
}

void health_json(const struct orbitald *host, struct buf *b)
{
    AUTO(health_report) struct health_report report = {0};
    struct json_write w = json_write_to(b);

    make_report(host, &report);
    json_write_object(&w, NULL);
    health_report_write(&report, &w);
    json_write_string(&w, "phase",
                      host->supervisor ? manifest_phase_name(supervisor_phase(host->supervisor))
                                       : "starting");
    json_write_end(&w);
}

void health_metrics(const struct orbitald *host, struct buf *b)
{
    buf_addf(b,
             "# HELP orbital_health Verdict over the appliance: 0 ok, 1 degraded, 2 failed.\n"
             "# TYPE orbital_health gauge\norbital_health %d\n",
             host->health ? (int)host->health->level : HEALTH_FAILED);
}

/* ---- start and end ---- */

static void on_closed(struct loop_scope *scope)
{
    struct health *health = container_of(scope, struct health, scope);

    free(health->state_dir);
    free(health);
}

static void on_problem(void *arg)
{
    health_changed(arg);
}

int health_new(struct orbitald *host, const char *notify_socket, void (*on_ready)(void *arg),
               void *arg, struct health **ret_health, struct orb_err *err)
{
    struct health *health = xcalloc(1, sizeof(*health));

    health->log_failing = true; /* may have been set by main.c */
    health->host = host;
    health->problems.on_change = on_problem;
    health->problems.arg = health;
    host->problems = &health->problems;
    health->notify_socket = notify_socket;
    health->on_ready = on_ready;
    health->arg = arg;
    health->state_dir = xstrdup(host->options.state_dir);
    loop_scope_init(&health->scope, on_closed);
    uv_timer_init(host->loop, &health->check);
    loop_scope_adopt(&health->scope, (uv_handle_t *)&health->check);
    uv_timer_init(host->loop, &health->settle);
    loop_scope_adopt(&health->scope, (uv_handle_t *)&health->settle);
    uv_timer_start(&health->check, on_check, 0, CHECK_MS);
    *ret_health = health;
    return 0;
}

void health_close(struct health *health)
{
    if (!health)
        return;
    health->closing = true;
    health->host->problems = NULL;
    uv_timer_stop(&health->check);
    uv_timer_stop(&health->settle);
    if (!health->checking)
        loop_scope_close(&health->scope);
}
