/* Which revision of the configuration the kernel's addresses, routes and rules were made by. It is
 * kept for the config service, whose disk may come back older than what it said before: an older
 * tree must not be brought over what a newer one made without a person.
 *
 * The file stands in the run directory and names the boot and the network namespace it is about:
 * with either of them the kernel's state is another one, and what the file says is nothing. */
#include "core/host/enforced.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/file.h"
#include "core/base/json_write.h"
#include "core/base/own.h"
#include "core/host/good.h"
#include "core/host/problem.h"
#include "core/host/verdict.h"
#include "core/json/scan.h"

#define FILE_MAX 256u
#define TROUBLE "state.enforced"

struct enforced {
    uint64_t revision; /* 0: not known */
    uint64_t id;       /* of that revision: another appliance's has another one; 0: not known */
    uint64_t void_tx;  /* a transaction that was refused and may yet be on the disk, 0: none */
};

/* The life of the kernel's state in one word. */
static char *this_life(void)
{
    AUTO(buf) struct buf boot = {0};
    struct stat st = {0};

    file_read("/proc/sys/kernel/random/boot_id", FILE_MAX, &boot, NULL);
    stat("/proc/self/ns/net", &st);
    return buf_format("%.*s.%" PRIu64, (int)strcspn(buf_str(&boot), "\n"), buf_str(&boot),
                      (uint64_t)st.st_ino);
}

/* What is noted of another life of the kernel's state is nothing; what cannot be read is not. */
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

/* Not synced: it lives no longer than the memory of the machine. */
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
        problem_clear(host, TROUBLE);
        return;
    }
    what = buf_format("which revision the kernel works by is not known after a restart of the "
                      "config service: %s",
                      err->text);
    problem_set(host, TROUBLE, VERDICT_DEGRADED, what, "",
                "make the run directory writable and remove what lies there, then commit");
}

int enforced_request(struct orbitald *host, const char *input, size_t len, struct buf *out,
                     struct orb_err *err)
{
    AUTO_FREE char *path = buf_format("%s/enforced", host->options.run_dir);
    struct orb_err trouble = {0};
    struct enforced e = read_enforced(path, &trouble);
    const struct enforced was = e;
    struct json_write w = json_write_to(out);
    uint64_t revision = member(input, len, "revision"), void_tx = member(input, len, "void-tx");
    int r = 0;

    if (revision) {
        e.revision = host->revision = revision;
        e.id = member(input, len, "id");
        good_watch(host->good);
    }
    if (void_tx)
        e.void_tx = void_tx;
    if (e.revision != was.revision || e.id != was.id || e.void_tx != was.void_tx) {
        trouble = (struct orb_err){0};
        r = write_enforced(path, &e, &trouble);
        if (r < 0)
            *err = trouble;
    }
    tell(host, &trouble);
    json_write_object(&w, NULL);
    json_write_integer(&w, "revision", (int64_t)e.revision);
    json_write_integer(&w, "id", (int64_t)e.id);
    json_write_integer(&w, "void-tx", (int64_t)e.void_tx);
    json_write_integer(&w, "good", (int64_t)good_read(host));
    json_write_end(&w);
    return r;
}
