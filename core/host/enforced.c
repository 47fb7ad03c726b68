/* Which revision of the configuration the kernel's addresses, routes and rules were made by. It is
 * kept for the config service, whose disk may come back older than what it reported before: an
 * older tree must not be brought over what a newer one made without a user's decision.
 *
 * The file is in the run directory and names the boot and the network namespace it is about:
 * with either of them the kernel's state is another one, and the content of the file does not
 * matter. */
#include "core/host/enforced.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/file.h"
#include "core/base/json_write.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/host/good.h"
#include "core/host/problem.h"
#include "core/host/health.h"
#include "core/ipc/host.h"
#include "core/json/scan.h"

#define FILE_MAX 256u
#define PROBLEM_KEY "state.enforced"

struct enforced {
    uint64_t revision; /* 0: not known */
    uint64_t id;       /* of that revision: another appliance's has another one; 0: not known */
    uint64_t void_tx;  /* a transaction that was refused and may yet be on the disk, 0: none */
};

/* One request. The file is read and written on a thread, one request after the other. */
struct enforced_job {
    struct enforced_job *next;
    uv_work_t work;
    struct orbitald *host;
    struct host_req *req;
    struct enforced given, known; /* given: 0 where absent from the request */
    uint64_t good;
    bool not_written;
    struct orb_err problem, good_problem;
};

/* An id of this instance of the kernel's state (boot and network namespace). */
static char *this_life(void)
{
    AUTO(buf) struct buf boot = {0};
    struct stat st = {0};

    file_read("/proc/sys/kernel/random/boot_id", FILE_MAX, &boot, NULL);
    stat("/proc/self/ns/net", &st);
    return buf_format("%.*s.%" PRIu64, (int)strcspn(buf_str(&boot), "\n"), buf_str(&boot),
                      (uint64_t)st.st_ino);
}

/* A note of another instance of the kernel's state is ignored; one that cannot be read is an error.
 * */
static struct enforced read_enforced(const char *path, struct orb_err *err)
{
    AUTO_FREE char *life = this_life();
    AUTO(buf) struct buf text = {0};
    struct enforced e = {0}, none = {0};
    char word[FILE_MAX + 1];

    int r = file_read_regular(path, FILE_MAX, &text, err);

    if (r == -ENOENT)
        *err = (struct orb_err){0};
    if (r == 0 && sscanf(buf_str(&text), "%256s %" SCNu64 " %" SCNu64 " %" SCNu64, word,
                         &e.revision, &e.void_tx, &e.id) < 3) /* older daemons wrote three */
        r = orb_fail(err, ORB_E_INVALID, "%s is damaged", path);
    return r < 0 || strcmp(word, life) ? none : e;
}

/* Without fsync: the file is in memory, like the state it is about. */
static int write_enforced(const char *path, const struct enforced *e, struct orb_err *err)
{
    AUTO_FREE char *life = this_life();
    AUTO_FREE char *text = buf_format("%s %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", life, e->revision,
                                      e->void_tx, e->id);
    AUTO_FREE char *next = buf_format("%s.new", path);
    AUTO_FD int fd = file_create(next, 0600);
    int r;

    if (fd < 0)
        errno = -fd;
    if (fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) &&
        rename(next, path) == 0)
        return 0;
    r = orb_fail(err, -errno, "cannot write %s", path);
    unlink(path); /* an old number would pass for the newest */
    return r;
}

static uint64_t member(const char *input, size_t len, const char *key)
{
    struct json_slice value;
    int64_t n;

    return json_member(input, len, key, &value) && json_int64(&value, &n) == 0 && n > 0
               ? (uint64_t)n
               : 0;
}

static void tell(struct orbitald *host, const struct orb_err *err)
{
    AUTO_FREE char *what = NULL;

    if (!err->code) {
        problem_clear(host, PROBLEM_KEY);
        return;
    }
    what = buf_format("which revision the kernel works by is not known after a restart of the "
                      "config service: %s",
                      err->text);
    problem_set(host, PROBLEM_KEY, HEALTH_DEGRADED, what, "",
                "make the run directory writable and remove the file, then commit");
}

static void on_work(uv_work_t *work)
{
    struct enforced_job *job = container_of(work, struct enforced_job, work);
    AUTO_FREE char *path = buf_format("%s/enforced", job->host->options.run_dir);
    struct enforced e = read_enforced(path, &job->problem);
    const struct enforced was = e;

    if (job->given.revision) {
        e.revision = job->given.revision;
        e.id = job->given.id;
    }
    if (job->given.void_tx)
        e.void_tx = job->given.void_tx;
    if (e.revision != was.revision || e.id != was.id || e.void_tx != was.void_tx) {
        job->problem = (struct orb_err){0};
        job->not_written = write_enforced(path, &e, &job->problem) < 0;
    }
    job->known = e;
    job->good = good_read_file(job->host->options.state_dir, &job->good_problem);
}

static void reply(const struct enforced_job *job)
{
    AUTO(buf) struct buf out = {0};
    struct json_write w = json_write_to(&out);

    json_write_object(&w, NULL);
    json_write_integer(&w, "revision", (int64_t)job->known.revision);
    json_write_integer(&w, "id", (int64_t)job->known.id);
    json_write_integer(&w, "void-tx", (int64_t)job->known.void_tx);
    json_write_integer(&w, "good", (int64_t)job->good);
    json_write_end(&w);
    host_reply(job->req, buf_str(&out), out.len);
}

static void on_worked(uv_work_t *work, int status);

static void start_next(struct orbitald *host)
{
    struct enforced_job *job = host->enforced_first;

    if (job)
        uv_queue_work(host->loop, &job->work, on_work, on_worked);
}

static void on_worked(uv_work_t *work, int status)
{
    struct enforced_job *job = container_of(work, struct enforced_job, work);
    struct orbitald *host = job->host;

    tell(host, &job->problem);
    good_report(host, &job->good_problem);
    if (job->not_written)
        host_reply_error(job->req, &job->problem);
    else
        reply(job);
    host->enforced_first = job->next;
    free(job);
    start_next(host);
}

void enforced_request(struct orbitald *host, struct host_req *req, const char *input, size_t len)
{
    struct enforced_job *job = xcalloc(1, sizeof(*job)), **end = &host->enforced_first;

    job->host = host;
    job->req = req;
    job->given.revision = member(input, len, "revision");
    job->given.id = member(input, len, "id");
    job->given.void_tx = member(input, len, "void-tx");
    if (job->given.revision) {
        host->revision = job->given.revision;
        good_watch(host->good);
    }
    while (*end)
        end = &(*end)->next;
    *end = job;
    if (job == host->enforced_first)
        start_next(host);
}
