/* The hostile suite: every attack of attacks.h from a method and from an ELF constructor, each in a
 * worker of its own, with results taken from the kernel's view of worker and host. Controls
 * in the same run show that the good package works, that attacks succeed without the sandbox, and
 * that every check can see a success. This program is its own worker. TAP on stdout. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/sandbox/launch.h"
#include "test/hostile/attacks.h"
#include "test/hostile/look.h"
#include "test/hostile/peer.h"

#define METHODS "[\"hostile/attack\",\"hostile/honest\"]"
#define HANG_MS 120
#define REPORT_MS (SANDBOX_SANITIZED ? 30000 : 8000)

enum kind { REFUSE, CRASH, HANG, GARBAGE, EARLY, FORGE };
enum variant { FROM_METHOD, FROM_CONSTRUCTOR, VARIANTS };

struct row {
    const char *name;
    enum kind kind;
};
#define RUN_ROW(name, kind) {#name, kind},
static const struct row rows[] = {ATTACKS(RUN_ROW)};

struct run {
    struct sandbox *sandbox;
    struct host_state host;
    struct launch_plan plans[VARIANTS];
    char dir[128];
    unsigned number, failed, not_ready;
    const char *skip; /* why the attack under way shows nothing on this machine; NULL: it does */
};

static void result(struct run *run, bool ok, const char *name, const char *variant,
                   const struct buf *why)
{
    run->number++;
    run->failed += !ok;
    printf("%sok %u - %s%s%s\n", ok ? "" : "not ", run->number, name, variant ? " from " : "",
           variant ? variant : "");
    if (!ok && why)
        printf("# %s\n", buf_str(why));
    fflush(stdout);
}

static void copy_file(const char *from, const char *dir, const char *name, unsigned mode)
{
    AUTO_FREE char *to = buf_format("%s/%s", dir, name);
    AUTO(buf) struct buf data = {0};
    struct orb_err err = {0};

    if (file_read(from, 64 << 20, &data, &err) < 0 ||
        file_replace(to, data.data, data.len, mode, &err) < 0) {
        printf("Bail out! %s\n", err.text);
        exit(1);
    }
}

static void write_order(struct run *run, const char *dir, const char *name)
{
    AUTO_FREE char *path = buf_format("%s/attack", dir);
    AUTO_FREE char *text = buf_format("%s %s %d\n", name, run->host.canary, (int)run->host.pid);

    if (file_replace(path, text, strlen(text), 0644, NULL) < 0)
        abort();
}

/* The package directory holds what was put there and nothing else. */
static void check_package(const struct launch_plan *plan, struct buf *why)
{
    AUTO_FREE char *order = buf_format("%s/attack", plan->package_dir);
    DIR *dir = opendir(plan->package_dir);
    struct dirent *entry;
    struct stat st;

    while (dir && (entry = readdir(dir)))
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, "attack") &&
            strcmp(entry->d_name, "hostile.so"))
            buf_addf(why, "the package got a file %s; ", entry->d_name);
    if (dir)
        closedir(dir);
    if (stat(order, &st) < 0 || (st.st_mode & 07777) != 0644 || st.st_uid != 0 || st.st_size == 0)
        buf_adds(why, "the package's file \"attack\" changed; ");
}

/* Reads stderr until word appears, the worker ends or time is up. Returns whether it appeared. */
static bool await(const struct sandbox_child *child, const char *word, int wait_ms,
                  struct buf *text)
{
    uint64_t until = now_ms() + (uint64_t)wait_ms;

    for (;;) {
        struct pollfd p[2] = {{.fd = child->stderr_fd, .events = POLLIN},
                              {.fd = child->pidfd, .events = POLLIN}};
        const char *at;
        uint64_t now = now_ms();

        peer_stderr(child, text);
        at = strstr(buf_str(text), word);
        if (at && strchr(at, '\n'))
            return true;
        if (now >= until || poll(p, 2, (int)(until - now)) <= 0)
            return false;
        if (p[1].revents && !(p[0].revents & POLLIN)) {
            peer_stderr(child, text);
            at = strstr(buf_str(text), word);
            return at && strchr(at, '\n');
        }
    }
}

static bool ended(const struct sandbox_child *child, int wait_ms)
{
    struct pollfd p = {.fd = child->pidfd, .events = POLLIN};

    return poll(&p, 1, wait_ms) == 1;
}

/* Runs one attack in a child of ours without the sandbox (but with own mounts and host name, so
 * that nothing lasts). Returns the wait status: exit 0 when the attack reports success. */
static int without_sandbox(struct run *run, const char *name)
{
    AUTO_FREE char *path = buf_format("%s/hostile.so", run->plans[FROM_METHOD].package_dir);
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        int (*go)(const char *, const char *, pid_t);
        int fd = open("/dev/null", O_WRONLY);
        void *handle = dlopen(path, RTLD_NOW);

        dup2(fd, 2);
        if (unshare(CLONE_NEWNS | CLONE_NEWUTS) < 0 ||
            mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || !handle)
            _exit(3);
        *(void **)&go = dlsym(handle, "hostile_attack");
        _exit(go && go(name, run->host.canary, run->host.pid) == 0 ? 0 : 1);
    }
    waitpid(pid, &status, 0);
    return status;
}

/* An attack that ended by this signal in the sandbox ends by it without one, too: it is this
 * kernel or processor that refuses (int $0x80 where there is no 32-bit entry), and nothing was
 * learned of the sandbox. */
static bool machine_refuses(struct run *run, const char *name, int number)
{
    int status = without_sandbox(run, name);

    return WIFSIGNALED(status) && WTERMSIG(status) == number;
}

static void check_refusal(struct run *run, const struct row *row, struct sandbox_child *child,
                          struct buf *text, struct buf *why)
{
    AUTO_FREE char *word = buf_format("attack %s ", row->name);
    bool reported = await(child, word, REPORT_MS, text);
    struct exit_status v = {0};
    int value = 0;

    if (reported) {
        sscanf(strstr(buf_str(text), word) + strlen(word), "%d", &value);
        if (value == 0)
            buf_adds(why, "the attack succeeded; ");
        else if (value > 0 || value < -4095)
            buf_addf(why, "the package does not know this attack (%d); ", value);
        if (!ended(child, 0))
            look_worker(child->pid, why);
        peer_end(run->sandbox, child, 0, &v);
        return;
    }
    if (!ended(child, 0))
        buf_adds(why, "no outcome in time; ");
    peer_end(run->sandbox, child, 0, &v);
    if (v.signaled && v.status != SIGSYS && machine_refuses(run, row->name, v.status))
        run->skip = "the machine refuses it: the same attack ends so without the sandbox";
    else if (!v.signaled || v.status != SIGSYS)
        buf_addf(why, "ended by %s %d (%s) instead of a refusal; ", v.signaled ? "signal" : "exit",
                 v.status, v.fault);
}

static void check_hang(struct run *run, struct sandbox_child *child, struct buf *why)
{
    struct exit_status v = {0};

    if (ended(child, HANG_MS))
        buf_adds(why, "it ended by itself; ");
    else
        look_worker(child->pid, why);
    reap_kill(run->sandbox, child, SIGTERM);
    reap_kill(run->sandbox, child, SIGKILL);
    if (!ended(child, 2000))
        buf_adds(why, "it survived SIGKILL for two seconds; ");
    peer_end(run->sandbox, child, 0, &v);
    if (!v.signaled)
        buf_addf(why, "it ended by exit %d; ", v.status);
}

static void check_crash(struct run *run, struct sandbox_child *child, struct buf *why)
{
    struct exit_status v = {0};

    if (!ended(child, REPORT_MS))
        buf_adds(why, "it did not end; ");
    peer_end(run->sandbox, child, 0, &v);
    if (v.signaled && v.status == SIGKILL)
        buf_adds(why, "it had to be killed; ");
}

static void check_forgery(struct run *run, struct sandbox_child *child, struct buf *why)
{
    struct exit_status v = {0};

    if (!ended(child, REPORT_MS))
        buf_adds(why, "it did not end; ");
    peer_end(run->sandbox, child, 0, &v);
    if (v.step[0] || v.fault[0] || v.frame_count || v.signaled || v.status != 0)
        buf_addf(why, "the forged record was believed: step \"%s\" fault \"%s\"; ", v.step,
                 v.fault);
}

static void check_garbage(struct run *run, const struct row *row, struct sandbox_child *child,
                          struct buf *why)
{
    static const char *const wrong[] = {"ipc_huge", "ipc_zero", "ipc_flags", "ipc_type",
                                        "ipc_envelope"};
    AUTO(buf) struct buf text = {0};
    struct frame frame = {0};
    struct exit_status v = {0};
    int r = 0;

    for (int i = 0; i < 500 && !r; i++)
        r = peer_receive(child->ipc_fd, HANG_MS, &frame, &text);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        if (!strcmp(row->name, wrong[i]) && r != ORB_E_PROTOCOL)
            buf_addf(why, "rubbish was taken for a frame (%d); ", r);
    if (!ended(child, 0))
        look_worker(child->pid, why);
    peer_end(run->sandbox, child, 0, &v);
}

static void check_early(struct run *run, struct sandbox_child *child,
                        const struct launch_plan *plan, struct buf *why)
{
    AUTO(buf) struct buf text = {0};
    struct orb_err err = {0};
    struct exit_status v = {0};

    if (peer_expect(child->ipc_fd, FRAME_HELLO, REPORT_MS, &text))
        buf_adds(why, "no HELLO came; ");
    else if (attest_sandbox(run->sandbox, child, plan, NULL, &err) != ORB_E_DENIED ||
             !strstr(err.text, "Seccomp_filters"))
        buf_addf(why, "a worker without filter B was attested (%s); ", err.text);
    look_worker(child->pid, why);
    peer_end(run->sandbox, child, 0, &v);
}

static int begin(struct run *run, const struct row *row, enum variant variant,
                 struct sandbox_child *child, struct buf *why)
{
    const struct launch_plan *plan = &run->plans[variant];
    AUTO(buf) struct buf order = {0};
    struct orb_err err = {0};

    write_order(run, plan->package_dir, row->name);
    if (spawn_worker(run->sandbox, plan, child, &err) < 0) {
        buf_adds(why, err.text);
        run->not_ready++;
        return -1;
    }
    if (variant == FROM_CONSTRUCTOR)
        return 0;
    if (peer_greet(run->sandbox, child, plan, METHODS, NULL, &err)) {
        struct exit_status v = {0};

        peer_end(run->sandbox, child, 0, &v);
        buf_addf(why, "%s, step \"%s\"", err.text, v.step);
        run->not_ready++;
        return -1;
    }
    buf_addf(&order, "{\"name\":\"%s\",\"canary\":\"%s\",\"pid\":%d}", row->name, run->host.canary,
             (int)run->host.pid);
    return peer_send(child->ipc_fd, FRAME_REQ, 1, 1, buf_str(&order));
}

/* Sanitized builds run without the memory limits, and their run time answers mlockall itself. */
static bool not_here(const char *name)
{
    static const char *const names[] = {"memory_bomb", "space_bomb", "mlock_all"};

    for (size_t i = 0; SANDBOX_SANITIZED && i < ARRAY_LEN(names); i++)
        if (!strcmp(name, names[i]))
            return true;
    return false;
}

static void attack(struct run *run, const struct row *row, enum variant variant)
{
    static const char *const names[] = {"a method", "a constructor"};
    AUTO_FREE char *word = buf_format("begin %s\n", row->name);
    AUTO(buf) struct buf text = {0}, why = {0};
    struct sandbox_child child;
    int spare, after;

    if (not_here(row->name)) {
        printf("ok %u - %s # SKIP not with sanitizers\n", ++run->number, row->name);
        return;
    }
    spare = dup(0);
    close(spare);
    if (begin(run, row, variant, &child, &why) < 0) {
        result(run, false, row->name, names[variant], &why);
        return;
    }
    if (!await(&child, word, REPORT_MS, &text)) {
        buf_addf(&why, "the attack did not begin: %.200s; ", buf_str(&text));
        run->not_ready++;
    }
    if (row->kind == REFUSE)
        check_refusal(run, row, &child, &text, &why);
    else if (row->kind == HANG)
        check_hang(run, &child, &why);
    else if (row->kind == CRASH)
        check_crash(run, &child, &why);
    else if (row->kind == FORGE)
        check_forgery(run, &child, &why);
    else if (row->kind == GARBAGE)
        check_garbage(run, row, &child, &why);
    else
        check_early(run, &child, &run->plans[variant], &why);
    after = dup(0);
    close(after);
    if (after != spare)
        buf_adds(&why, "the host lost or won a descriptor; ");
    look_host(&run->host, &why);
    check_package(&run->plans[variant], &why);
    if (run->skip && why.len == 0)
        printf("ok %u - %s from %s # SKIP %s\n", ++run->number, row->name, names[variant],
               run->skip);
    else
        result(run, why.len == 0, row->name, names[variant], &why);
    run->skip = NULL;
    look_host_restore(&run->host);
}

/* ---- controls ---- */

static void control_good_package(struct run *run)
{
    struct launch_plan *plan = &run->plans[FROM_METHOD];
    AUTO(buf) struct buf text = {0}, why = {0};
    struct sandbox_child child;
    struct orb_err err = {0};
    struct exit_status v = {0};

    if (spawn_worker(run->sandbox, plan, &child, &err) < 0) {
        buf_adds(&why, err.text);
        result(run, false, "control: the good package starts", NULL, &why);
        return;
    }
    if (peer_greet(run->sandbox, &child, plan, METHODS, NULL, &err))
        buf_adds(&why, err.text);
    result(run, why.len == 0, "control: the good package is ready and attested", NULL, &why);
    if (peer_send(child.ipc_fd, FRAME_PING, 0, 0, NULL) ||
        peer_expect(child.ipc_fd, FRAME_PONG, 3000, &text))
        buf_adds(&why, "no PONG; ");
    result(run, why.len == 0, "control: ping is answered", NULL, &why);
    if (peer_send(child.ipc_fd, FRAME_REQ, 2, 2, "{}") ||
        peer_expect(child.ipc_fd, FRAME_REP, 3000, &text))
        buf_adds(&why, "no REP; ");
    result(run, why.len == 0, "control: threads and memory work", NULL, &why);
    if (look_worker(child.pid, &why))
        buf_adds(&why, "(an honest worker)");
    result(run, why.len == 0, "control: no check complains about an honest worker", NULL, &why);
    peer_send(child.ipc_fd, FRAME_STOP, 0, 0, NULL);
    peer_end(run->sandbox, &child, 3000, &v);
    result(run, !v.signaled && v.status == 0, "control: it stops when asked", NULL, NULL);
}

static void control_unconfined(struct run *run)
{
    static const char *const names[] = {
        "read_shadow",  "read_canary",   "read_libc",     "proc_self_status",
        "chdir_up",     "proc_root",     "mmap_rwx",      "mprotect_wx",
        "memfd",        "memfd_exec",    "shared_exec",   "fork_plain",
        "clone3_plain", "unshare_mount", "tcp4",          "udp4",
        "raw4",         "packet",        "netlink_route", "unix_stream",
        "every_family", "hostname",      "mount_tmpfs",   "chroot_dot",
        "setuid_root",  "nice_up",       "dumpable",      "fd_bomb",
        "thread_bomb",  "memory_bomb",   "shared_bomb",   "space_bomb",
        "bpf_map",      "ptrace_host",   "pidfd_host",    "other_name",
        "shared_port",  "send_buffer",   "pair_unix",     "pin_sockets",
        "pin_pipes",    "pin_flying",
    };
    AUTO(buf) struct buf why = {0};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        int status = without_sandbox(run, names[i]);

        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            buf_addf(&why, "%s ", names[i]);
        look_host_restore(&run->host);
    }
    result(run, why.len == 0, "control: without the sandbox the attacks succeed", NULL, &why);
}

static void control_host_checks(struct run *run)
{
    AUTO(buf) struct buf file = {0}, process = {0};

    without_sandbox(run, "write_canary");
    result(run, look_host(&run->host, &file) == 1, "control: a changed file is seen", NULL, NULL);
    look_host_restore(&run->host);
    without_sandbox(run, "kill_host");
    /* Not reaped: waitid with WNOWAIT waits until the signal has done its work. */
    waitid(P_PID, (id_t)run->host.pid, &(siginfo_t){0}, WEXITED | WNOWAIT);
    result(run, look_host(&run->host, &process) == 1, "control: a killed process is seen", NULL,
           NULL);
    run->host.pid = 0;
    look_host_restore(&run->host);
}

static void end_with_child(pid_t pid)
{
    AUTO_FREE char *path = buf_format("/proc/%d/task/%d/children", (int)pid, (int)pid);
    AUTO(buf) struct buf children = {0};

    if (file_read(path, 4096, &children, NULL) >= 0 && children.len)
        kill(atoi(buf_str(&children)), SIGKILL);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* Every check must complain about a process that did what it looks for. */
static void control_worker_checks(struct run *run)
{
    AUTO(buf) struct buf blind = {0};
    int ready[2];
    char byte;
    pid_t pid;

    if (pipe(ready) < 0)
        abort();
    pid = fork();
    if (pid == 0) {
        struct rlimit none = {0, RLIM_INFINITY};
        char *big =
            mmap(NULL, 200 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        setrlimit(RLIMIT_CORE, &none);
        setpriority(PRIO_PROCESS, 0, -5);
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (big != MAP_FAILED)
            memset(big, 1, 200 << 20);
        if (open("/etc/passwd", O_RDONLY) < 0 || fork() == 0)
            for (;;)
                pause();
        if (write(ready[1], "x", 1) == 1)
            for (;;)
                pause();
        _exit(1);
    }
    close(ready[1]);
    if (read(ready[0], &byte, 1) == 1)
        for (size_t i = 0; i < look_check_count; i++) {
            AUTO(buf) struct buf why = {0};

            if (!look_checks[i].run(pid, &why))
                buf_addf(&blind, "%s ", look_checks[i].name);
        }
    else
        buf_adds(&blind, "(the child failed)");
    close(ready[0]);
    result(run, blind.len == 0, "control: every check sees a violation", NULL, &blind);
    end_with_child(pid);
}

/* ---- set-up ---- */

static void make_package(struct run *run, enum variant variant, const char *module)
{
    struct launch_plan *plan = &run->plans[variant];

    plan->package_dir = buf_format("%s/package%d", run->dir, (int)variant);
    if (mkdir(plan->package_dir, 0755) < 0)
        abort();
    copy_file(module, plan->package_dir, "hostile.so", 0755);
    snprintf(plan->service, sizeof(plan->service), "hostile%d", (int)variant);
    snprintf(plan->instance, sizeof(plan->instance), "orbt");
    plan->uid = LOOK_UID;
    plan->library = xstrdup("hostile.so");
    plan->memory_bytes = LOOK_MEMORY;
    plan->files = LOOK_FILES;
    plan->threads = LOOK_THREADS;
    plan->min_tier = 2;
    launch_plan_seal(plan);
}

static void remove_all(struct run *run)
{
    for (int v = 0; v < VARIANTS; v++) {
        static const char *const files[] = {"hostile.so", "attack"};

        for (size_t i = 0; i < ARRAY_LEN(files); i++) {
            AUTO_FREE char *path = buf_format("%s/%s", run->plans[v].package_dir, files[i]);

            unlink(path);
        }
        rmdir(run->plans[v].package_dir);
        launch_plan_fini(&run->plans[v]);
    }
    look_host_close(&run->host);
    rmdir(run->dir);
    sandbox_free(run->sandbox);
}

static int all(struct run *run, const char *only)
{
    AUTO(buf) struct buf why = {0};

    control_good_package(run);
    if (!only) {
        control_unconfined(run);
        control_host_checks(run);
        control_worker_checks(run);
    }
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (only && strcmp(only, rows[i].name))
            continue;
        if (rows[i].kind != EARLY)
            attack(run, &rows[i], FROM_METHOD);
        attack(run, &rows[i], FROM_CONSTRUCTOR);
    }
    buf_addf(&why, "%u workers did not start", run->not_ready);
    result(run, run->not_ready == 0, "control: every attack ran", NULL, &why);
    printf("1..%u\n# %u attempts, %u failures\n", run->number, 2 * (unsigned)ARRAY_LEN(rows) - 2,
           run->failed);
    return run->failed ? 1 : 0;
}

int main(int argc, char **argv)
{
    struct run run = {0};
    struct orb_err err = {0};
    char instance[32];
    int r;

    if (argc > 1 && !strcmp(argv[1], "--worker"))
        return stub_main(argc, argv);
    if (argc < 3) {
        fprintf(stderr, "usage: run HOSTILE.so HOSTILE_CONSTRUCTOR.so [ATTACK]\n");
        return 2;
    }
    if (geteuid() != 0) {
        printf("1..0 # SKIP needs root: a worker gets namespaces and a uid of its own\n");
        return 77;
    }
    signal(SIGPIPE, SIG_IGN);
    snprintf(instance, sizeof(instance), "orbt-%d", (int)getpid());
    snprintf(run.dir, sizeof(run.dir), "/tmp/%s", instance);
    if (sandbox_new(&(struct sandbox_options){.instance = instance}, &run.sandbox, &err) < 0 ||
        mkdir(run.dir, 0700) < 0) {
        printf("Bail out! %s\n", err.text);
        return 1;
    }
    look_host_open(&run.host, run.dir);
    make_package(&run, FROM_METHOD, argv[1]);
    make_package(&run, FROM_CONSTRUCTOR, argv[2]);
    write_order(&run, run.plans[FROM_METHOD].package_dir, "none");
    r = all(&run, argc > 3 ? argv[3] : NULL);
    remove_all(&run);
    return r;
}
