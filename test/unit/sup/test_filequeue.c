/* core/sup/filequeue.c: files written on a thread, in order. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/own.h"
#include "core/sup/filequeue.h"
#include "test/lib/harness.h"

struct rig {
    uv_loop_t loop;
    struct filequeue queue;
    char dir[64];
    unsigned emptied;
    struct log_sink log;
    unsigned logged;
};

static void on_emptied(void *arg)
{
    struct rig *rig = arg;

    rig->emptied++;
}

static void on_log(struct log_sink *sink, const char *service, enum log_level level,
                   const char *event, const struct orb_kv *pairs)
{
    ck_assert_str_eq(event, "crash.not-kept");
    container_of(sink, struct rig, log)->logged++;
}

static void begin(struct rig *rig)
{
    *rig = (struct rig){.dir = "/tmp/orbital-filequeue-XXXXXX", .log.write = on_log};
    ck_assert_ptr_nonnull(mkdtemp(rig->dir));
    uv_loop_init(&rig->loop);
    rig->queue =
        (struct filequeue){.loop = &rig->loop, .log = &rig->log, .emptied = on_emptied, .arg = rig};
}

static void end(struct rig *rig)
{
    AUTO_FREE char *command = buf_format("rm -rf %s", rig->dir);

    uv_run(&rig->loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&rig->loop), 0);
    ck_assert_int_eq(system(command), 0);
}

static bool add(struct rig *rig, const char *name, const char *format, int number)
{
    struct buf text = {0};

    buf_addf(&text, "%s %d", format, number);
    return filequeue_add(&rig->queue, buf_format("%s/%s", rig->dir, name), &text);
}

static void must_hold(const struct rig *rig, const char *name, const char *want)
{
    AUTO_FREE char *path = buf_format("%s/%s", rig->dir, name);
    AUTO(buf) struct buf text = {0};

    ck_assert_int_eq(file_read(path, 4096, &text, NULL), 0);
    ck_assert_str_eq(buf_str(&text), want);
}

TEST(the_last_text_given_for_a_file_is_the_one_that_stays)
{
    struct rig rig;

    begin(&rig);
    for (int i = 0; i < FILEQUEUE_MAX; i++)
        ck_assert(add(&rig, i % 2 ? "below/odd" : "below/even", "text", i));
    uv_run(&rig.loop, UV_RUN_DEFAULT);
    must_hold(&rig, "below/even", "text 62");
    must_hold(&rig, "below/odd", "text 63");
    ck_assert_uint_eq(rig.emptied, 1);
    ck_assert_uint_eq(rig.queue.count, 0);
    end(&rig);
}

TEST(more_files_than_may_wait_are_refused_and_logged)
{
    struct rig rig;

    begin(&rig);
    for (int i = 0; i < FILEQUEUE_MAX; i++)
        ck_assert(add(&rig, "file", "text", i));
    ck_assert(!add(&rig, "file", "one more", 0));
    ck_assert_uint_eq(rig.logged, 1);
    end(&rig);
    ck_assert_uint_eq(rig.emptied, 1);
}

TEST(a_file_that_cannot_be_written_is_logged_and_the_next_one_is_written)
{
    struct rig rig;

    begin(&rig);
    ck_assert(add(&rig, "file", "text", 1));
    ck_assert(add(&rig, "file/below", "text", 2)); /* its directory is a file */
    ck_assert(add(&rig, "other", "text", 3));
    uv_run(&rig.loop, UV_RUN_DEFAULT);
    ck_assert_uint_eq(rig.logged, 1);
    must_hold(&rig, "other", "text 3");
    end(&rig);
}
