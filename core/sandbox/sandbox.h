/* From a launch plan to a confined process, and the facts the kernel reports about it.
 * docs/sandbox.md explains the order of steps. Spawn only from the main thread: PDEATHSIG is tied
 * to the spawning thread. */
#ifndef CORE_SANDBOX_SANDBOX_H
#define CORE_SANDBOX_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/buf.h"
#include "core/base/json_write.h"
#include "orbital/error.h"

#define LAUNCH_MAX_BINDS 4
#define LAUNCH_MAX_LIBRARIES 8

struct launch_bind {
    char name[16];    /* orb_socket() name */
    bool udp;         /* else tcp, listening */
    char address[46]; /* IPv4 or IPv6 literal */
    uint16_t port;
};

/* What one service may do; immutable once hashed. Filled by core/pkg from manifest and grants.
 * Strings are owned by the plan (heap, may be NULL). */
struct launch_plan {
    char service[32];
    char instance[32];
    uint32_t uid;      /* of the worker, never 0; equal gid */
    char *package_dir; /* absolute, on the host */
    char *library;     /* relative to package_dir */
    char *
        libraries[LAUNCH_MAX_LIBRARIES]; /* SONAMEs, loaded by the stub before the sandbox closes */
    unsigned library_count;
    uint64_t kernel_caps; /* bit mask of CAP_*; only CAP_NET_ADMIN is ever set */
    bool host_net;        /* stays in the host's network namespace (net.configure) */
    bool netlink;         /* AF_NETLINK/NETLINK_ROUTE sockets allowed (net.configure) */
    bool observe_net;     /* read-only route netlink descriptor named "netlink" */
    struct launch_bind binds[LAUNCH_MAX_BINDS];
    unsigned bind_count;
    char *state_dir; /* host path given to fs.state (state_dir_prepare() made it), NULL: none; seen
                        as /state inside */
    uint64_t memory_bytes; /* RLIMIT_DATA (and cgroup where a controller exists) */
    uint32_t files;        /* RLIMIT_NOFILE */
    uint32_t threads;      /* RLIMIT_NPROC */
    int min_tier;
    char hash[65]; /* hex BLAKE2b-256 of the canonical form */
};

/* Canonical form of a plan (an object, for `orbctl service show X sandbox` and for the hash). */
void launch_plan_describe(const struct launch_plan *plan, struct json_write *w, const char *key);
void launch_plan_seal(struct launch_plan *plan); /* computes hash */
void launch_plan_fini(struct launch_plan *plan);
/* Whether soname is on the compiled-in list of system libraries a manifest may name. */
bool launch_plan_library_allowed(const char *soname);

struct sandbox; /* what is made once: own executable, void namespace, seccomp filters, cgroup root
                 */

struct sandbox_options {
    const char *exe;         /* path of orbitald; NULL: /proc/self/exe */
    const char *cgroup_root; /* NULL: found from /proc/self/cgroup, "" for none */
    const char *instance;
};

/* As root this empties the calling thread's capability bounding set but for CAP_NET_ADMIN and
 * makes its permitted capabilities inheritable: what it starts later begins with no more. */
int sandbox_new(const struct sandbox_options *options, struct sandbox **ret_sandbox,
                struct orb_err *err);
void sandbox_free(struct sandbox *sandbox);
/* Highest tier this machine gives: 0 (no worker can start), 1, 2. reason (may be NULL): what the
 * next tier lacks. */
int sandbox_tier(const struct sandbox *sandbox, struct buf *ret_reason);
/* Each layer of the sandbox that this machine lacks, with the reason. sandbox may be NULL. */
void sandbox_given_up(const struct sandbox *sandbox,
                      void (*each)(void *arg, const char *feature, const char *reason), void *arg);

struct sandbox_child {
    pid_t pid;
    int pidfd;
    int ipc_fd;       /* host's end of the socketpair, non-blocking */
    int stderr_fd;    /* worker's stdout and stderr, non-blocking pipe */
    int crash_fd;     /* step failures and crash records, non-blocking pipe */
    char service[32]; /* of the plan; names the cgroup */
};

/* Makes and keeps the sockets of plan's binds for its service, and closes those it had and plan has
 * not. One that cannot be made is an error, and the others are there all the same. */
int listeners_hold(struct sandbox *sandbox, const struct launch_plan *plan, struct orb_err *err);
/* The service may not run: its ports are no longer held. */
void listeners_release(struct sandbox *sandbox, const char *service);
/* Starts a worker for plan, with duplicates of the sockets held for it (made now if need be). The
 * caller owns the descriptors. */
int spawn_worker(struct sandbox *sandbox, const struct launch_plan *plan,
                 struct sandbox_child *ret_child, struct orb_err *err);
/* Compares /proc/PID/{status,ns,mountinfo,cgroup} with the plan. ret_report: JSON object of what
 * was read. A difference is ORB_E_DENIED naming the layer. Call after the worker's HELLO. */
int attest_sandbox(struct sandbox *sandbox, const struct sandbox_child *child,
                   const struct launch_plan *plan, struct buf *ret_report, struct orb_err *err);
/* Kills everything the worker started (cgroup.kill where there is one, pidfd otherwise). */
void reap_kill(struct sandbox *sandbox, const struct sandbox_child *child, int signal);

/* How a worker ended. */
struct exit_status {
    bool signaled;
    int status;    /* exit code or signal */
    char step[48]; /* sandbox step that failed, "" when it got through; "load": see fault */
    int step_errno;
    bool loading;        /* it ended before its library was loaded; untrusted */
    char fault[400];     /* text of the in-worker handler or the loader, "" if none; untrusted */
    uint64_t frames[16]; /* return addresses, untrusted */
    unsigned frame_count;
};
/* Reaps the child (waitid on its pidfd; returns 1 when it has not ended yet), reads the crash pipe,
 * removes its cgroup. Closes nothing. */
int reap_worker(struct sandbox *sandbox, struct sandbox_child *child,
                struct exit_status *ret_status, struct orb_err *err);

/* The worker's side: called from main() when argv[1] is "--worker"; does not return. */
int stub_main(int argc, char **argv);

#endif
