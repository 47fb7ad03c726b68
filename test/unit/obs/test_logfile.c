/* core/obs/logfile: whole lines or none, whatever the disk does. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "core/base/buf.h"
#include "core/base/file.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/obs/logfile.h"
#include "test/lib/harness.h"

#define LINE                                                                                       \
    "{\"seq\":%llu,\"time-us\":1,\"level\":\"info\",\"service\":\"a\",\"event\":\"e\",\"kv\":{}}"

struct place {
    char dir[40];
    char path[64];
};

static void make(struct place *p)
{
    snprintf(p->dir, sizeof(p->dir), "/tmp/orbital-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(p->dir));
    snprintf(p->path, sizeof(p->path), "%s/log.jsonl", p->dir);
}

static void clean(struct place *p)
{
    unlink(p->path);
    for (int i = 1; i <= LOGFILE_OLD + 1; i++) {
        AUTO_FREE char *old = buf_format("%s.%d", p->path, i);

        unlink(old);
    }
    ck_assert_int_eq(rmdir(p->dir), 0);
}

static void add(struct logfile *f, unsigned long long seq)
{
    AUTO_FREE char *line = buf_format(LINE, seq);

    logfile_add(f, line, strlen(line));
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit = {.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};

    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void read_all(const char *path, struct buf *text)
{
    struct orb_err err;

    ck_assert_msg(file_read(path, 64u << 20, text, &err) == 0, "%s", err.text);
}

static unsigned lines_of(const struct buf *text)
{
    unsigned n = 0;

    for (size_t i = 0; i < text->len; i++)
        n += text->data[i] == '\n';
    return n;
}

TEST(a_disk_that_takes_half_a_line_has_none_of_it_and_continues_later)
{
    struct place p;
    uint64_t last;
    struct orb_err err = {0};
    struct logfile *f;
    struct logfile_state state;
    AUTO(buf) struct buf text = {0};

    make(&p);
    f = logfile_start(p.path, 1, &last, &err);
    limit_files(1000);
    for (unsigned i = 0; i < 40; i++)
        add(f, 1000 + i);
    ck_assert(logfile_settle(f, 10000));
    logfile_state(f, &state);
    ck_assert(state.failing);
    ck_assert_ptr_nonnull(strstr(state.why, p.path));
    read_all(p.path, &text);
    ck_assert_uint_gt(text.len, 800);
    ck_assert_int_eq(text.data[text.len - 1], '\n');
    ck_assert_uint_eq(lines_of(&text) + state.lost, 40);
    limit_files(RLIM_INFINITY);
    add(f, 2000);
    ck_assert(logfile_settle(f, 10000));
    logfile_state(f, &state);
    ck_assert(!state.failing);
    buf_clear(&text);
    read_all(p.path, &text);
    ck_assert_uint_eq(lines_of(&text) + state.lost, 41);
    logfile_close(f);
    clean(&p);
}

TEST(a_torn_line_is_cut_off_at_start_and_numbers_go_on)
{
    struct place p;
    uint64_t last;
    struct orb_err err = {0};
    AUTO(buf) struct buf text = {0};
    FILE *file;
    struct logfile *f;

    make(&p);
    file = fopen(p.path, "w");
    fprintf(file, LINE "\n" LINE "\nrubbish\n{\"seq\":99,\"time", 41ull, 42ull);
    fclose(file);
    f = logfile_start(p.path, 1, &last, &err);
    ck_assert_uint_eq(last, 42);
    add(f, 43);
    logfile_close(f);
    read_all(p.path, &text);
    ck_assert_uint_eq(lines_of(&text), 4);
    ck_assert_ptr_null(strstr(text.data, "\"seq\":99"));
    ck_assert_ptr_nonnull(strstr(text.data, "\n{\"seq\":43,"));
    clean(&p);
}

TEST(numbers_go_on_from_the_elder_file_where_the_newest_is_empty)
{
    struct place p;
    AUTO_FREE char *elder = NULL;
    uint64_t last;
    struct orb_err err = {0};
    FILE *file;

    make(&p);
    elder = buf_format("%s.1", p.path);
    file = fopen(elder, "w");
    fprintf(file, LINE "\n", 77ull);
    fclose(file);
    logfile_close(logfile_start(p.path, 1, &last, &err));
    ck_assert_uint_eq(last, 77);
    clean(&p);
}

TEST(all_files_together_stay_within_the_budget)
{
    struct place p;
    uint64_t last, all = 0;
    struct orb_err err = {0};
    struct logfile *f;
    AUTO_FREE char *line = xcalloc(1, 16001);
    struct stat st;

    make(&p);
    f = logfile_start(p.path, 1, &last, &err);
    memset(line, 'x', 16000);
    for (unsigned i = 0; i < 4600; i++) { /* 73 MB */
        logfile_add(f, line, 16000);
        if (i % 100 == 0)
            ck_assert(logfile_settle(f, 60000));
    }
    logfile_close(f);
    for (int i = 0; i <= LOGFILE_OLD + 1; i++) {
        AUTO_FREE char *old = i ? buf_format("%s.%d", p.path, i) : xstrdup(p.path);

        all += stat(old, &st) == 0 ? (uint64_t)st.st_size : 0;
    }
    ck_assert_uint_le(all, LOGFILE_BUDGET);
    ck_assert_uint_gt(all, LOGFILE_BYTES);
    clean(&p);
}

TEST(a_file_that_was_taken_away_is_made_anew)
{
    struct place p;
    uint64_t last;
    struct orb_err err = {0};
    struct logfile *f;
    AUTO(buf) struct buf text = {0};

    make(&p);
    f = logfile_start(p.path, 1, &last, &err);
    add(f, 1);
    ck_assert(logfile_settle(f, 10000));
    unlink(p.path);
    add(f, 2);
    logfile_close(f);
    read_all(p.path, &text);
    ck_assert_uint_eq(lines_of(&text), 1);
    clean(&p);
}

TEST(a_place_that_is_not_there_yet_is_tried_again)
{
    struct place p;
    uint64_t last;
    struct orb_err err = {0};
    struct logfile *f;
    struct logfile_state state = {.failing = true};

    make(&p);
    ck_assert_int_eq(rmdir(p.dir), 0);
    f = logfile_start(p.path, 1, &last, &err);
    ck_assert_int_eq(err.code, -ENOENT);
    add(f, 1);
    ck_assert(logfile_settle(f, 10000));
    logfile_state(f, &state);
    ck_assert(state.failing && state.lost == 1);
    ck_assert_int_eq(mkdir(p.dir, 0700), 0);
    for (unsigned i = 0; state.failing && i < 1000; i++) {
        add(f, 2 + i);
        ck_assert(logfile_settle(f, 10000));
        logfile_state(f, &state);
        usleep(10000);
    }
    ck_assert(!state.failing);
    logfile_close(f);
    clean(&p);
}

TEST(what_is_no_file_is_never_written)
{
    struct place p;
    uint64_t last;
    struct orb_err err = {0};

    make(&p);
    ck_assert_int_eq(mkfifo(p.path, 0600), 0);
    logfile_close(logfile_start(p.path, 1, &last, &err));
    ck_assert_int_lt(err.code, 0);
    clean(&p);
}
