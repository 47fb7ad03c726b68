/* core/sup/crash.c: reports in memory, on the disk, and over a restart of the daemon. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/own.h"
#include "core/json/scan.h"
#include "core/obs/logs.h"
#include "core/sup/filequeue.h"
#include "core/sup/supervisor_internal.h"
#include "test/lib/harness.h"

struct rig {
    uv_loop_t loop;
    struct logs *logs;
    struct filequeue queue;
    char dir[64];
    struct supervisor sup;
    struct package package;
    struct service service;
};

static uint64_t on_now_ms(void *arg)
{
    return 1000;
}

/* A run of the daemon on the directory of rig. */
static void begin_run(struct rig *rig)
{
    struct logs_options options = {.output = LOGS_QUIET, .level = LOG_LEVEL_INFO};
    struct crash_log earlier;

    ck_assert_int_ge(logs_new(&options, &rig->logs, NULL), 0);
    uv_loop_init(&rig->loop);
    rig->queue = (struct filequeue){.loop = &rig->loop, .log = logs_sink(rig->logs)};
    rig->sup = (struct supervisor){.setup = {.state_dir = rig->dir, .instance = "test"},
                                   .host = {.now_ms = on_now_ms}};
    rig->package = (struct package){.manifest = {.name = "probe", .version = "1.0"}};
    rig->service = (struct service){.sup = &rig->sup, .package = &rig->package};
    crash_log_read(rig->dir, "probe", &earlier);
    crash_log_take(&rig->service.crashes, &earlier, logs_sink(rig->logs));
}

static void end_run(struct rig *rig)
{
    uv_run(&rig->loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&rig->loop), 0);
    crash_log_fini(&rig->service.crashes);
    logs_free(rig->logs);
}

static void begin(struct rig *rig)
{
    *rig = (struct rig){.dir = "/tmp/orbital-crash-XXXXXX"};
    ck_assert_ptr_nonnull(mkdtemp(rig->dir));
    begin_run(rig);
}

static void end(struct rig *rig)
{
    AUTO_FREE char *command = buf_format("rm -rf %s", rig->dir);

    end_run(rig);
    ck_assert_int_eq(system(command), 0);
}

static void crash(struct rig *rig, pid_t pid)
{
    const struct exit_status status = {.signaled = true, .status = 11, .fault = "at \"0x10\""};
    const struct worker_exit exit = {.spawned = true,
                                     .pid = pid,
                                     .uptime_ms = 5,
                                     .status = &status,
                                     .ended_because = "",
                                     .why = "killed by signal 11"};

    crash_record(&rig->service, &exit, rig->logs, &rig->queue);
}

/* The pids of the reports, oldest first: "1 2 3". */
static void must_read(struct rig *rig, const char *want)
{
    AUTO(buf) struct buf text = {0};
    AUTO(buf) struct buf pids = {0};
    struct json_write w = json_write_to(&text);
    const char *at;

    json_write_object(&w, NULL);
    crash_write(&rig->service, &w, "crashes");
    json_write_end(&w);
    ck_assert_int_eq(scan_json(text.data, text.len, NULL, NULL), 0);
    at = text.data;
    while ((at = strstr(at, "\"pid\":"))) {
        at += 6;
        buf_addf(&pids, "%s%d", pids.len ? " " : "", atoi(at));
    }
    ck_assert_str_eq(buf_str(&pids), want);
}

TEST(a_report_can_be_read_before_the_disk_has_it)
{
    struct rig rig;
    AUTO_FREE char *path = NULL;

    begin(&rig);
    path = buf_format("%s/crashes/probe-0.json", rig.dir);
    crash(&rig, 7);
    must_read(&rig, "7");
    uv_run(&rig.loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(access(path, R_OK), 0);
    must_read(&rig, "7");
    end(&rig);
}

TEST(the_newest_reports_are_kept_over_a_restart_of_the_daemon)
{
    struct rig rig;

    begin(&rig);
    for (pid_t pid = 1; pid <= CRASHES_KEPT + 3; pid++)
        crash(&rig, pid);
    must_read(&rig, "4 5 6 7 8 9 10 11");
    end_run(&rig);
    begin_run(&rig);
    must_read(&rig, "4 5 6 7 8 9 10 11");
    crash(&rig, 12);
    must_read(&rig, "5 6 7 8 9 10 11 12");
    end_run(&rig);
    begin_run(&rig);
    crash(&rig, 13);
    must_read(&rig, "6 7 8 9 10 11 12 13");
    ck_assert_uint_eq(rig.service.crashes.count, 1);
    end(&rig);
}

TEST(a_report_with_the_keys_of_earlier_versions_is_read_with_those_of_today)
{
    static const char old[] = "{\"number\":1,\"time_us\":5,\"pid\":1,\"uptime_ms\":7,"
                              "\"ended_because\":\",\\\"time_us\\\":\",\"frames_untrusted\":[],"
                              "\"log\":{\"records\":[{\"seq\":1,\"time_us\":4}]}}";
    static const char now[] = "{\"number\":1,\"time-us\":5,\"pid\":1,\"uptime-ms\":7,"
                              "\"ended-because\":\",\\\"time_us\\\":\",\"frames-untrusted\":[],"
                              "\"log\":{\"records\":[{\"seq\":1,\"time-us\":4}]}}";
    struct rig rig;
    AUTO_FREE char *path = NULL;

    begin(&rig);
    crash(&rig, 1);
    end_run(&rig);
    path = buf_format("%s/crashes/probe-0.json", rig.dir);
    ck_assert_int_eq(file_replace(path, old, strlen(old), 0600, NULL), 0);
    begin_run(&rig);
    ck_assert_str_eq(rig.service.crashes.items[0].json, now);
    ck_assert_uint_eq(rig.service.crashes.items[0].time_us, 5);
    end(&rig);
}

TEST(a_file_that_is_no_report_is_passed_over)
{
    struct rig rig;
    AUTO_FREE char *path = NULL;

    begin(&rig);
    crash(&rig, 1);
    crash(&rig, 2);
    end_run(&rig);
    path = buf_format("%s/crashes/probe-0.json", rig.dir);
    ck_assert_int_eq(file_replace(path, "{\"time-us\":\"x\"}", 15, 0600, NULL), 0);
    begin_run(&rig);
    must_read(&rig, "2");
    end(&rig);
}
