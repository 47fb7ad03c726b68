/* From a plan to a running worker that has not yet entered its sandbox: its descriptors, its launch
 * record, its cgroup, and the process itself (child.c). All of this happens on the host's loop, so
 * it is counted in microseconds. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/sandbox/cgroup.h"
#include "core/sandbox/child.h"
#include "core/sandbox/listeners.h"
#include "core/sandbox/sandbox_internal.h"

static int write_record(const struct sandbox *sandbox, const struct launch_plan *plan, int *ret_fd,
                        struct orb_err *err)
{
    AUTO_FREE struct launch *record = xcalloc(1, sizeof(*record));
    AUTO_FD int fd = -1;
    int r = launch_plan_record(plan, sandbox->tier, record, err);

    if (r < 0)
        return r;
    record->bounding = sandbox->bounding;
    record->sealed_title = sandbox->sealed_title;
    fd = memfd_create("orbital-launch", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || write(fd, record, sizeof(*record)) != (ssize_t)sizeof(*record) ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK) < 0)
        return orb_fail(err, -errno, "cannot write the launch record");
    *ret_fd = take_fd(&fd);
    return 0;
}

static int pipe_in(int ret_fds[2])
{
    if (pipe2(ret_fds, O_CLOEXEC) < 0)
        return -errno;
    return fcntl(ret_fds[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

struct ends {
    int ipc[2], err[2], crash[2];
};

static int make_ends(struct ends *ends, struct orb_err *err)
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends->ipc) < 0 ||
        fcntl(ends->ipc[0], F_SETFL, O_NONBLOCK) < 0)
        return orb_fail(err, -errno, "cannot make a socket pair");
    if (pipe_in(ends->err) < 0 || pipe_in(ends->crash) < 0)
        return orb_fail(err, -errno, "cannot make a pipe");
    return 0;
}

static void close_ends(struct ends *ends, int which)
{
    own_close(&ends->ipc[which]);
    own_close(&ends->err[which]);
    own_close(&ends->crash[which]);
}

static int launch(struct sandbox *sandbox, const struct launch_plan *plan, const struct ends *ends,
                  struct sandbox_child *child, struct orb_err *err)
{
    const int *filters = sandbox->filter_fds[(plan->state_dir ? FILTER_STATE : 0) |
                                             (plan->netlink ? FILTER_NETLINK : 0)];
    const int root_fd = sandbox->root_fds[plan->state_dir != NULL];
    AUTO_FD int record_fd = -1, cgroup_fd = -1;
    int binds[LAUNCH_MAX_BINDS];
    struct child *c;
    int r;

    for (unsigned i = 0; i < LAUNCH_MAX_BINDS; i++)
        binds[i] = sandbox->null_fd;
    r = listeners_prepare(sandbox, plan, binds, err);
    if (!r)
        r = write_record(sandbox, plan, &record_fd, err);
    if (r < 0)
        return r;
    cgroup_fd = cgroup_open_service(sandbox, plan);
    c = child_take(sandbox);
    snprintf(c->title, sizeof(c->title), "orbitald: %s", plan->service);
    c->argv[0] = c->title;
    c->argv[1] = "--worker";
    c->envp[0] = SANDBOX_SANITIZED ? "ASAN_OPTIONS=detect_leaks=0" : NULL; /* else empty */
    c->cgroup_fd = cgroup_fd;
    memcpy(c->fds,
           (int[LAUNCH_FDS]){sandbox->null_fd, ends->err[1], ends->err[1], ends->ipc[1], record_fd,
                             ends->crash[1], filters[FILTER_A], filters[FILTER_B],
                             sandbox->void_fd >= 0 ? sandbox->void_fd : sandbox->null_fd,
                             root_fd >= 0 ? root_fd : sandbox->null_fd},
           sizeof(c->fds));
    memcpy(c->fds + LAUNCH_FD_BIND, binds, sizeof(binds));
    c->fds[LAUNCH_FD_EXE] = sandbox->exe_fd;
    r = child_start(sandbox, c, &child->pid, &child->pidfd);
    return r < 0 ? orb_fail(err, r, "cannot start a process") : 0;
}

int spawn_worker(struct sandbox *sandbox, const struct launch_plan *plan,
                 struct sandbox_child *ret_child, struct orb_err *err)
{
    struct ends ends = {{-1, -1}, {-1, -1}, {-1, -1}};
    struct sandbox_child child = {.pid = -1, .pidfd = -1};
    int r;

    if (sandbox->tier < 1 || sandbox->tier < plan->min_tier)
        return orb_fail(
            err, ORB_E_DENIED,
            "%s requires sandbox tier %d, this machine has tier %d; see \"orbctl service "
            "show %s sandbox\"",
            plan->service, plan->min_tier > 1 ? plan->min_tier : 1, sandbox->tier, plan->service);
    r = make_ends(&ends, err);
    if (!r)
        r = launch(sandbox, plan, &ends, &child, err);
    close_ends(&ends, 1);
    if (r < 0) {
        close_ends(&ends, 0);
        return orb_wrap(err, "cannot start %s", plan->service);
    }
    child.ipc_fd = ends.ipc[0];
    child.stderr_fd = ends.err[0];
    child.crash_fd = ends.crash[0];
    snprintf(child.service, sizeof(child.service), "%s", plan->service);
    *ret_child = child;
    return 0;
}
