/* A well-behaved package for the sandbox tests: every method reports what it could do. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "orbital/orbital.h"

static void reply_number(struct orb_req *req, const char *name, double value)
{
    cJSON *out = cJSON_CreateObject();

    cJSON_AddNumberToObject(out, name, value);
    orb_reply(req, out);
}

static void *on_thread(void *arg)
{
    return arg;
}

static int on_threads(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in,
                      struct orb_err *err)
{
    pthread_t threads[8];
    int started = 0;

    for (; started < 8; started++)
        if (pthread_create(&threads[started], NULL, on_thread, NULL))
            break;
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    reply_number(req, "started", started);
    return 0;
}

/* Writes, renames, reads back and removes a file below the state directory. */
static int on_state(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    const char *dir = orb_state_dir(ctx);
    char a[128], b[128], text[8] = "";
    int fd;

    if (!dir)
        return orb_fail(err, ORB_E_DENIED, "no state directory");
    snprintf(a, sizeof(a), "%s/a.tmp", dir);
    snprintf(b, sizeof(b), "%s/kept", dir);
    fd = open(a, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, "hello", 5) != 5 || fdatasync(fd) < 0 || rename(a, b) < 0)
        return orb_fail(err, -errno, "%s", a);
    if (pread(fd, text, 5, 0) != 5 || strcmp(text, "hello"))
        return orb_fail(err, ORB_E_IO, "read back \"%s\"", text);
    close(fd);
    reply_number(req, "ok", 1);
    return 0;
}

static bool has_bits(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && (st.st_mode & (S_ISUID | S_ISGID));
}

/* Each way to a file with set-user-ID: how many ended in one. "tried" proves that the same calls
 * work without the bit. */
static int on_bits(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    const unsigned modes[] = {04755, 02755, 06777, 0755};
    char path[128];
    int got = 0, tried = 0;

    snprintf(path, sizeof(path), "%s/bits", orb_state_dir(ctx));
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        const unsigned mode = modes[i];
        int fd = open(path, O_WRONLY | O_CREAT, 0644), r[7];

        r[0] = fchmod(fd, mode);
        got += has_bits(path);
        r[1] = chmod(path, mode);
        got += has_bits(path);
        r[2] = fchmodat(AT_FDCWD, path, mode, 0);
        got += has_bits(path);
        r[3] = (int)syscall(SYS_chmod, path, mode);
        got += has_bits(path);
        close(fd);
        unlink(path);
        r[4] = open(path, O_WRONLY | O_CREAT, mode);
        got += has_bits(path);
        unlink(path);
        r[5] = (int)syscall(SYS_open, path, O_WRONLY | O_CREAT, mode);
        got += has_bits(path);
        unlink(path);
        r[6] = creat(path, mode);
        got += has_bits(path);
        unlink(path);
        for (int n = 0; n < 7; n++) {
            tried += mode == 0755 && r[n] >= 0;
            if (n > 3 && r[n] >= 0)
                close(r[n]);
        }
    }
    reply_number(req, tried == 7 ? "got" : "control", tried == 7 ? got : tried);
    return 0;
}

/* Each way to an inode that is neither file nor directory: how many there are. "control": a plain
 * rename by the same call does not work. */
static int on_inodes(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    const unsigned whiteouts[] = {RENAME_WHITEOUT, RENAME_WHITEOUT | RENAME_NOREPLACE};
    char a[128], b[128];
    struct stat st;
    int got = 0, plain;

    snprintf(a, sizeof(a), "%s/a", orb_state_dir(ctx));
    snprintf(b, sizeof(b), "%s/b", orb_state_dir(ctx));
    close(open(a, O_WRONLY | O_CREAT, 0644));
    plain = (int)syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, RENAME_NOREPLACE);
    unlink(b);
    for (size_t i = 0; i < sizeof(whiteouts) / sizeof(whiteouts[0]); i++) {
        close(open(a, O_WRONLY | O_CREAT, 0644));
        syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, whiteouts[i]);
        got += lstat(a, &st) == 0 && !S_ISREG(st.st_mode); /* a character device 0:0 in its place */
        unlink(a);
        unlink(b);
    }
    got += symlink("/etc", a) == 0;
    close(open(b, O_WRONLY | O_CREAT, 0644));
    got += link(b, a) == 0;
    unlink(a);
    unlink(b);
    reply_number(req, plain ? "control" : "got", got);
    return 0;
}

static int on_socket(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    reply_number(req, "fd", orb_socket(ctx, "web"));
    return 0;
}

/* Takes the host's listening socket out of service. */
static int on_unlisten(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in,
                       struct orb_err *err)
{
    reply_number(req, "ok", shutdown(orb_socket(ctx, "web"), SHUT_RDWR));
    return 0;
}

/* Accepts a connection and ends it first, so that TIME_WAIT is here and not at the client. */
static int on_hangup(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    struct pollfd wait = {.fd = orb_socket(ctx, "web"), .events = POLLIN};
    int fd = poll(&wait, 1, 5000) == 1 ? accept4(wait.fd, NULL, NULL, SOCK_CLOEXEC) : -1;

    reply_number(req, "ok", fd < 0 ? -1 : close(fd));
    return 0;
}

/* Link dump: kernel's answer type, or below 0 an errno. set: a change instead. */
static int ask_netlink(int fd, int set)
{
    struct {
        struct nlmsghdr head;
        struct ifinfomsg link;
    } ask = {{.nlmsg_len = sizeof(ask),
              .nlmsg_type = set ? RTM_NEWLINK : RTM_GETLINK,
              .nlmsg_flags = NLM_F_REQUEST | (set ? NLM_F_ACK : NLM_F_DUMP),
              .nlmsg_seq = 1},
             {.ifi_index = set ? 1 : 0, .ifi_change = set ? 1 : 0, .ifi_flags = set ? 1 : 0}};
    union {
        struct nlmsghdr head;
        char bytes[16384];
    } in;
    ssize_t n;

    if (fd < 0 || send(fd, &ask, sizeof(ask), 0) < 0)
        return -errno;
    do { /* the rest of an earlier dump may still be queued */
        n = recv(fd, &in, sizeof(in), 0);
        if (n < (ssize_t)sizeof(in.head))
            return -errno;
    } while (set && in.head.nlmsg_type != NLMSG_ERROR);
    if (in.head.nlmsg_type == NLMSG_ERROR)
        return ((struct nlmsgerr *)NLMSG_DATA(&in.head))->error;
    return in.head.nlmsg_type;
}

static int on_netlink(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in,
                      struct orb_err *err)
{
    int own = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    int own_errno = own < 0 ? -errno : 0;
    int given = orb_socket(ctx, "netlink");
    cJSON *out = cJSON_CreateObject();

    cJSON_AddNumberToObject(out, "own", own < 0 ? own_errno : ask_netlink(own, 1));
    cJSON_AddNumberToObject(out, "dump", ask_netlink(given >= 0 ? given : own, 0));
    cJSON_AddNumberToObject(out, "set", given < 0 ? -EBADF : ask_netlink(given, 1));
    cJSON_AddNumberToObject(out, "other",
                            socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT) < 0 ? -errno : 0);
    if (own >= 0)
        close(own);
    orb_reply(req, out);
    return 0;
}

static int on_crash(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    volatile uintptr_t nowhere = 16;

    *(volatile int *)nowhere = 1;
    return 0;
}

static const struct orb_method methods[] = {
    {"threads", on_threads, 0}, {"state", on_state, 0},
    {"socket", on_socket, 0},   {"netlink", on_netlink, 0},
    {"crash", on_crash, 0},     {"bits", on_bits, 0},
    {"inodes", on_inodes, 0},   {"unlisten", on_unlisten, 0},
    {"hangup", on_hangup, 0},   {0}};

ORB_PLUGIN(.name = "guest", .methods = methods);
