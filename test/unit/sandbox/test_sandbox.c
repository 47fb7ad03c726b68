/* A worker's whole life against the real kernel: this program is also the worker's executable.
 * The modules and the SDK are real; only the host's broker is replaced by test/hostile/peer. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <linux/capability.h>
#include <unistd.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/sandbox/sandbox.h"
#include "core/sandbox/state_dir.h"
#include "test/hostile/peer.h"
#include "test/lib/harness.h"

#define METHODS                                                                                    \
    "[\"guest/threads\",\"guest/state\",\"guest/socket\",\"guest/netlink\",\"guest/"               \
    "crash\",\"guest/bits\",\"guest/unlisten\",\"guest/hangup\",\"guest/inodes\"]"
enum { THREADS = 1, STATE, SOCKET, NETLINK, CRASH, BITS, UNLISTEN, HANGUP, INODES };

/* Before check's main: a worker must not become a test runner. */
__attribute__((constructor)) static void maybe_worker(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "--worker"))
        stub_main(argc, argv);
    if (geteuid() != 0) {
        printf("1..0 # SKIP needs root: namespaces and uids of their own\n");
        exit(77);
    }
}

struct stage {
    struct sandbox *sandbox;
    struct launch_plan plan;
    struct sandbox_child child;
    struct buf report, text;
    struct orb_err err;
};

static struct stage *stage_new(void)
{
    struct stage *s = xcalloc(1, sizeof(*s));
    const char *dir = getenv("GUEST_DIR");
    char name[32];

    snprintf(name, sizeof(name), "orbt-%d", (int)getpid());
    ck_assert_msg(dir, "GUEST_DIR names the directory of guest.so");
    ck_assert_msg(sandbox_new(&(struct sandbox_options){.instance = name}, &s->sandbox, &s->err) ==
                      0,
                  "%s", s->err.text);
    snprintf(s->plan.service, sizeof(s->plan.service), "guest%d", (int)getpid());
    s->plan.uid = 61234;
    s->plan.package_dir = xstrdup(dir);
    s->plan.library = xstrdup("guest.so");
    s->plan.memory_bytes = 64u << 20;
    s->plan.files = 64;
    s->plan.threads = 16;
    s->plan.min_tier = 2;
    return s;
}

static void start(struct stage *s)
{
    launch_plan_seal(&s->plan);
    ck_assert_msg(spawn_worker(s->sandbox, &s->plan, &s->child, &s->err) == 0, "%s", s->err.text);
}

static void greet(struct stage *s)
{
    start(s);
    if (peer_greet(s->sandbox, &s->child, &s->plan, METHODS, &s->report, &s->err)) {
        struct exit_status v = {0};

        peer_stderr(&s->child, &s->text);
        peer_end(s->sandbox, &s->child, 0, &v);
        ck_abort_msg("%s; step \"%s\" errno %d status %d fault %s: %s", s->err.text, v.step,
                     v.step_errno, v.status, v.fault, buf_str(&s->text));
    }
}

static const char *ask(struct stage *s, unsigned method)
{
    ck_assert_int_eq(peer_send(s->child.ipc_fd, FRAME_REQ, method, 7, "{}"), 0);
    ck_assert_int_eq(peer_expect(s->child.ipc_fd, FRAME_REP, 3000, &s->text), 0);
    return buf_str(&s->text);
}

static void stage_free(struct stage *s)
{
    sandbox_free(s->sandbox);
    launch_plan_fini(&s->plan);
    buf_fini(&s->report);
    buf_fini(&s->text);
    free(s);
}

static struct exit_status end_worker(struct stage *s, int wait_ms)
{
    struct exit_status v = {0};

    ck_assert_int_eq(peer_end(s->sandbox, &s->child, wait_ms, &v), 0);
    return v;
}

static struct exit_status finish(struct stage *s, int wait_ms)
{
    struct exit_status v = end_worker(s, wait_ms);

    stage_free(s);
    return v;
}

TEST(a_worker_sends_hello_and_the_kernel_agrees_with_its_plan)
{
    struct stage *s = stage_new();
    struct exit_status v;

    greet(s);
    ck_assert_ptr_nonnull(strstr(buf_str(&s->report), "\"attested\":true"));
    ck_assert_ptr_nonnull(strstr(buf_str(&s->report), "\"network\":\"none\""));
    ck_assert_ptr_nonnull(strstr(buf_str(&s->report), "/pkg"));
    ck_assert_int_eq(peer_send(s->child.ipc_fd, FRAME_STOP, 0, 0, NULL), 0);
    v = finish(s, 3000);
    ck_assert(!v.signaled);
    ck_assert_int_eq(v.status, 0);
    ck_assert_str_eq(v.step, "");
}

TEST(a_plan_that_claims_more_than_the_kernel_shows_is_refused)
{
    struct stage *s = stage_new();

    greet(s);
    s->plan.kernel_caps = 1ull << CAP_NET_ADMIN;
    ck_assert_int_eq(attest_sandbox(s->sandbox, &s->child, &s->plan, NULL, &s->err), ORB_E_DENIED);
    ck_assert_ptr_nonnull(strstr(s->err.text, "Cap"));
    s->plan.kernel_caps = 0;
    s->plan.host_net = true;
    ck_assert_int_eq(attest_sandbox(s->sandbox, &s->child, &s->plan, NULL, &s->err), ORB_E_DENIED);
    ck_assert_ptr_nonnull(strstr(s->err.text, "network namespace"));
    s->plan.host_net = false;
    s->plan.uid++;
    ck_assert_int_eq(attest_sandbox(s->sandbox, &s->child, &s->plan, NULL, &s->err), ORB_E_DENIED);
    s->plan.uid--;
    snprintf(s->plan.service, sizeof(s->plan.service), "another");
    ck_assert_int_eq(attest_sandbox(s->sandbox, &s->child, &s->plan, NULL, &s->err), ORB_E_DENIED);
    ck_assert_ptr_nonnull(strstr(s->err.text, "cgroup"));
    finish(s, 0);
}

TEST(threads_start_within_the_sandbox)
{
    struct stage *s = stage_new();

    greet(s);
    ck_assert_ptr_nonnull(strstr(ask(s, THREADS), "\"started\":8"));
    finish(s, 0);
}

TEST(a_fault_is_reported_with_its_address_and_frames)
{
    struct stage *s = stage_new();
    struct exit_status v;

    greet(s);
    ck_assert_int_eq(peer_send(s->child.ipc_fd, FRAME_REQ, CRASH, 7, "{}"), 0);
    v = finish(s, 3000);
    ck_assert(v.signaled);
    ck_assert_int_eq(v.status, SIGSEGV);
    ck_assert_msg(strstr(v.fault, "SIGSEGV") && strstr(v.fault, "0x10"), "%s", v.fault);
    ck_assert_int_ge((int)v.frame_count, 3);
}

TEST(a_missing_library_is_a_load_failure_with_the_loaders_words)
{
    struct stage *s = stage_new();
    struct exit_status v;

    free(s->plan.library);
    s->plan.library = xstrdup("absent.so");
    start(s);
    v = finish(s, 3000);
    ck_assert_int_eq(v.status, 120);
    ck_assert_str_eq(v.step, "load");
    ck_assert_msg(strstr(v.fault, "absent.so"), "%s", v.fault);
}

TEST(a_failing_step_is_named_with_its_errno)
{
    struct stage *s = stage_new();
    struct exit_status v;

    free(s->plan.package_dir);
    s->plan.package_dir = xstrdup("/nonexistent/orbt");
    start(s);
    v = finish(s, 3000);
    ck_assert_int_eq(v.status, 120);
    ck_assert_str_eq(v.step, "root /nonexistent/orbt");
    ck_assert_int_eq(v.step_errno, ENOENT);
}

TEST(a_declared_socket_is_bound_in_the_hosts_network_and_listens)
{
    struct stage *s = stage_new();
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    AUTO_FD int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    AUTO_FD int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(bind(probe, (struct sockaddr *)&at, sizeof(at)), 0); /* a free port */
    ck_assert_int_eq(getsockname(probe, (struct sockaddr *)&at, &len), 0);
    close(take_fd(&probe));
    s->plan.bind_count = 1;
    s->plan.binds[0] =
        (struct launch_bind){.name = "web", .address = "127.0.0.1", .port = ntohs(at.sin_port)};
    greet(s);
    ck_assert_ptr_null(strstr(ask(s, SOCKET), "-1"));
    ck_assert_int_eq(connect(client, (struct sockaddr *)&at, sizeof(at)), 0);
    finish(s, 0);
}

TEST(an_occupied_port_is_named)
{
    struct stage *s = stage_new();
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    AUTO_FD int holder = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct orb_err err;

    ck_assert_int_eq(bind(holder, (struct sockaddr *)&at, sizeof(at)), 0);
    ck_assert_int_eq(listen(holder, 1), 0);
    ck_assert_int_eq(getsockname(holder, (struct sockaddr *)&at, &len), 0);
    s->plan.bind_count = 1;
    s->plan.binds[0] =
        (struct launch_bind){.name = "web", .address = "127.0.0.1", .port = ntohs(at.sin_port)};
    ck_assert_int_eq(spawn_worker(s->sandbox, &s->plan, &s->child, &err), -EADDRINUSE);
    ck_assert_ptr_nonnull(strstr(err.text, "tcp/127.0.0.1:"));
    stage_free(s);
}

/* A socket on a loopback address, bound to the address in at; port 0: a free one, written to at. */
static int tcp_at(struct sockaddr_in *at, int option)
{
    socklen_t len = sizeof(*at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    if (option)
        ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, option, &on, sizeof(on)), 0);
    if (bind(fd, (struct sockaddr *)at, sizeof(*at)) < 0 || listen(fd, 1) < 0) {
        close(fd);
        return -errno;
    }
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)at, &len), 0);
    return fd;
}

/* No other process can listen there, whatever options it sets. */
static void ck_assert_taken(struct sockaddr_in *at)
{
    ck_assert_int_eq(tcp_at(at, 0), -EADDRINUSE);
    ck_assert_int_eq(tcp_at(at, SO_REUSEADDR), -EADDRINUSE);
    ck_assert_int_eq(tcp_at(at, SO_REUSEPORT), -EADDRINUSE);
}

static struct stage *stage_with_port(struct sockaddr_in *ret_at)
{
    struct stage *s = stage_new();
    int probe;

    *ret_at =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    probe = tcp_at(ret_at, 0);
    ck_assert_int_ge(probe, 0);
    close(probe);
    s->plan.bind_count = 1;
    s->plan.binds[0] = (struct launch_bind){
        .name = "web", .address = "127.0.0.1", .port = ntohs(ret_at->sin_port)};
    return s;
}

TEST(a_port_is_held_before_between_and_after_workers)
{
    struct sockaddr_in at;
    struct stage *s = stage_with_port(&at);
    AUTO_FD int early = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    AUTO_FD int between = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    AUTO_FD int after = -1;
    struct orb_err err;

    ck_assert_int_eq(listeners_hold(s->sandbox, &s->plan, &err), 0);
    ck_assert_taken(&at);
    ck_assert_int_eq(connect(early, (struct sockaddr *)&at, sizeof(at)), 0); /* it waits */
    greet(s);
    ck_assert_taken(&at);
    end_worker(s, 0);
    ck_assert_taken(&at);
    ck_assert_int_eq(connect(between, (struct sockaddr *)&at, sizeof(at)), 0);
    listeners_release(s->sandbox, s->plan.service);
    after = tcp_at(&at, SO_REUSEADDR); /* control: now any process can have it */
    ck_assert_int_ge(after, 0);
    stage_free(s);
}

TEST(a_socket_that_a_worker_shut_down_listens_again_for_the_next)
{
    struct sockaddr_in at;
    struct stage *s = stage_with_port(&at);
    AUTO_FD int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    greet(s);
    ck_assert_ptr_nonnull(strstr(ask(s, UNLISTEN), "\"ok\":0"));
    ck_assert_int_eq(connect(client, (struct sockaddr *)&at, sizeof(at)), -1);
    ck_assert_taken(&at);
    end_worker(s, 0);
    greet(s);
    close(take_fd(&client));
    client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(client, (struct sockaddr *)&at, sizeof(at)), 0);
    ck_assert_taken(&at);
    ck_assert_ptr_nonnull(strstr(ask(s, UNLISTEN), "\"ok\":0"));
    ck_assert_taken(&at); /* the second time too: the guard guards again */
    finish(s, 0);
}

/* As after a host that died: what its workers closed first waits for its end (TIME_WAIT) for a
 * minute, and keeps a socket without SO_REUSEADDR from the port. */
TEST(a_port_is_bound_again_while_closed_connections_wait_for_their_end)
{
    struct sockaddr_in at;
    struct stage *s = stage_with_port(&at), *next = stage_new();
    AUTO_FD int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct orb_err err;
    char byte;

    greet(s);
    ck_assert_int_eq(connect(client, (struct sockaddr *)&at, sizeof(at)), 0);
    ck_assert_ptr_nonnull(strstr(ask(s, HANGUP), "\"ok\":0"));
    ck_assert_int_eq(recv(client, &byte, 1, 0), 0);
    close(take_fd(&client));
    next->plan.bind_count = 1;
    next->plan.binds[0] = s->plan.binds[0];
    finish(s, 0);
    ck_assert_int_eq(tcp_at(&at, 0), -EADDRINUSE); /* control: one does wait */
    ck_assert_int_eq(listeners_hold(next->sandbox, &next->plan, &err), 0);
    ck_assert_taken(&at);
    stage_free(next);
}

TEST(a_port_is_held_for_one_service)
{
    struct sockaddr_in at;
    struct stage *s = stage_with_port(&at);
    struct launch_plan other = s->plan;
    struct orb_err err;

    ck_assert_int_eq(listeners_hold(s->sandbox, &s->plan, &err), 0);
    snprintf(other.service, sizeof(other.service), "thief");
    ck_assert_int_eq(listeners_hold(s->sandbox, &other, &err), -EADDRINUSE);
    ck_assert_ptr_nonnull(strstr(err.text, "thief"));
    ck_assert_ptr_nonnull(strstr(err.text, s->plan.service));
    listeners_release(s->sandbox, s->plan.service);
    ck_assert_int_eq(listeners_hold(s->sandbox, &other, &err), 0); /* control */
    listeners_release(s->sandbox, other.service);
    stage_free(s);
}

static void give_state(struct stage *s, const char *dir)
{
    struct orb_err incomplete;

    s->plan.state_dir = xstrdup(dir);
    ck_assert_msg(state_dir_prepare(dir, s->plan.uid, &incomplete, &s->err) == 0, "%s",
                  s->err.text);
}

TEST(state_can_be_written_only_when_granted)
{
    struct stage *s = stage_new();
    AUTO_FREE char *dir = buf_format("/tmp/orbt-state-%d", (int)getpid());
    AUTO_FREE char *kept = buf_format("%s/kept", dir);
    struct stat st;

    give_state(s, dir);
    greet(s);
    ck_assert_ptr_nonnull(strstr(buf_str(&s->report), "/state"));
    ck_assert_ptr_nonnull(strstr(ask(s, STATE), "\"ok\":1"));
    finish(s, 0);
    ck_assert_int_eq(stat(kept, &st), 0);
    ck_assert_int_eq((int)st.st_uid, 61234);
    unlink(kept);
    rmdir(dir);

    s = stage_new();
    greet(s);
    ck_assert_int_eq(peer_send(s->child.ipc_fd, FRAME_REQ, STATE, 7, "{}"), 0);
    ck_assert_int_eq(peer_expect(s->child.ipc_fd, FRAME_ERR, 3000, &s->text), 0);
    finish(s, 0);
}

TEST(no_file_a_service_makes_or_changes_has_set_user_id)
{
    struct stage *s = stage_new();
    AUTO_FREE char *dir = buf_format("/tmp/orbt-bits-%d", (int)getpid());
    const char *answer;

    give_state(s, dir);
    greet(s);
    answer = ask(s, BITS);
    ck_assert_msg(strstr(answer, "\"got\":0") != NULL, "%s", answer);
    finish(s, 0);
    rmdir(dir);
}

/* Whiteouts need no privilege since Linux 5.8. */
TEST(nothing_but_files_and_directories_comes_into_the_state_directory)
{
    struct stage *s = stage_new();
    AUTO_FREE char *dir = buf_format("/tmp/orbt-inodes-%d", (int)getpid());
    const char *answer;

    give_state(s, dir);
    greet(s);
    answer = ask(s, INODES);
    ck_assert_msg(strstr(answer, "\"got\":0") != NULL, "%s", answer);
    finish(s, 0);
    rmdir(dir);
}

TEST(an_observer_sees_the_hosts_links_and_changes_none)
{
    struct stage *s = stage_new();
    AUTO_FREE char *wanted = buf_format("\"set\":%d", -EPERM);
    const char *answer;

    s->plan.observe_net = true;
    greet(s);
    answer = ask(s, NETLINK);
    ck_assert_msg(strstr(answer, "\"dump\":16"), "%s", answer); /* RTM_NEWLINK */
    ck_assert_msg(strstr(answer, wanted), "%s", answer);
    ck_assert_msg(strstr(answer, "\"own\":-1"), "%s", answer);
    finish(s, 0);
}

TEST(the_control_plane_changes_links_and_opens_no_other_family)
{
    struct stage *s = stage_new();
    const char *answer;

    s->plan.netlink = s->plan.host_net = true;
    s->plan.kernel_caps = 1ull << CAP_NET_ADMIN;
    greet(s);
    answer = ask(s, NETLINK);
    ck_assert_msg(strstr(answer, "\"own\":0"), "%s", answer); /* sets lo up: as it is */
    ck_assert_msg(strstr(answer, "\"other\":-1}"), "%s", answer);
    finish(s, 0);
}

TEST(a_worker_dies_with_the_process_that_spawned_it)
{
    struct stage *s = stage_new();
    struct pollfd ended;
    char name[32];
    int pass[2], fd = -1;
    pid_t host;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, pass), 0);
    host = fork();
    if (host == 0) {
        char byte = 0;
        union {
            struct cmsghdr head;
            char space[CMSG_SPACE(sizeof(int))];
        } control = {.head = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
        struct iovec part = {&byte, 1};
        struct msghdr message = {.msg_iov = &part,
                                 .msg_iovlen = 1,
                                 .msg_control = &control,
                                 .msg_controllen = sizeof(control)};

        greet(s);
        memcpy(CMSG_DATA(&control.head), &s->child.pidfd, sizeof(int));
        sendmsg(pass[1], &message, 0);
        pause();
    } else {
        char byte;
        char control[CMSG_SPACE(sizeof(int))];
        struct iovec part = {&byte, 1};
        struct msghdr message = {.msg_iov = &part,
                                 .msg_iovlen = 1,
                                 .msg_control = control,
                                 .msg_controllen = sizeof(control)};

        ck_assert_int_eq((int)recvmsg(pass[0], &message, MSG_CMSG_CLOEXEC), 1);
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
    }
    kill(host, SIGKILL);
    waitpid(host, NULL, 0);
    ended = (struct pollfd){.fd = fd, .events = POLLIN};
    ck_assert_int_eq(poll(&ended, 1, 30000), 1);
    close(fd);
    sandbox_free(s->sandbox);
    snprintf(name, sizeof(name), "orbt-%d", (int)getpid());
    ck_assert_int_eq(sandbox_new(&(struct sandbox_options){.instance = name}, &s->sandbox, NULL),
                     0);
    stage_free(s); /* the next host tidied up, so its own directory can go */
}

TEST(a_plan_above_the_machines_tier_is_refused)
{
    struct stage *s = stage_new();

    s->plan.min_tier = 3;
    ck_assert_int_eq(spawn_worker(s->sandbox, &s->plan, &s->child, &s->err), ORB_E_DENIED);
    ck_assert_ptr_nonnull(strstr(s->err.text, "tier 3"));
    s->plan.min_tier = 2;
    start(s);
    finish(s, 0);
}

TEST(nothing_is_left_open_after_fifty_lives)
{
    struct stage *s = stage_new();
    struct exit_status v;
    int before, after;

    before = dup(0);
    close(before);
    for (int i = 0; i < 50; i++) {
        start(s);
        reap_kill(s->sandbox, &s->child, SIGKILL);
        ck_assert_int_eq(peer_end(s->sandbox, &s->child, 3000, &v), 0);
    }
    after = dup(0);
    close(after);
    ck_assert_int_eq(after, before);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* no zombie, no child */
    start(s);
    finish(s, 0);
}
