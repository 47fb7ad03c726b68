/* What the sandbox costs at start: from the call to the worker's HELLO, against a bare vfork, exec
 * and dlopen of the same module in the same binary without any of it. Not against fork, which
 * copies page tables: the supervisor does not, so that would be praise for vfork. Both kinds
 * alternate in one run, so both meet the same machine; medians are compared. Needs root. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/sandbox/sandbox.h"
#include "core/worker/sdk.h"
#include "test/hostile/peer.h"

#define ROUNDS 200
#define WARM_UP 10
#define HOST_BYTES (64u << 20)
#define TARGET_RATIO 1.3
#define TARGET_STALL_MS 0.3

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), compare);
    return values[count / 2];
}

static void __attribute__((noreturn)) give_up(const char *what)
{
    fprintf(stderr, "spawn: %s\n", what);
    exit(1);
}

/* The bare worker: loads the module and runs the same SDK. */
static int bare_main(char **argv)
{
    void *handle = dlopen(argv[2], RTLD_NOW | RTLD_LOCAL);
    const struct orb_plugin *plugin = handle ? dlsym(handle, "orbital_plugin") : NULL;
    struct sdk_setup setup = {.service = "bare", .ipc_fd = 3};

    return plugin ? sdk_run(&setup, plugin) : 1;
}

static double bare_life(const char *module)
{
    AUTO(buf) struct buf text = {0};
    uint64_t start = now_ns();
    double ms;
    int pair[2];
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        give_up("no socket pair");
    pid = vfork(); /* as core/sandbox starts its workers */
    if (pid == 0) {
        if (pair[1] == 3)
            fcntl(3, F_SETFD, 0);
        else
            dup2(pair[1], 3);
        execl("/proc/self/exe", "bare", "--bare", module, (char *)NULL);
        _exit(127);
    }
    close(pair[1]);
    if (peer_expect(pair[0], FRAME_HELLO, 5000, &text))
        give_up("the bare worker sent no HELLO");
    ms = (double)(now_ns() - start) / 1e6;
    close(pair[0]);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return ms;
}

static double sandboxed_life(struct sandbox *sandbox, const struct launch_plan *plan,
                             double *ret_stall_ms)
{
    AUTO(buf) struct buf text = {0};
    struct sandbox_child child;
    struct orb_err err = {0};
    struct exit_status v;
    uint64_t start = now_ns();
    double ms;

    if (spawn_worker(sandbox, plan, &child, &err) < 0)
        give_up(err.text);
    *ret_stall_ms = (double)(now_ns() - start) / 1e6;
    if (peer_expect(child.ipc_fd, FRAME_HELLO, 5000, &text))
        give_up("the sandboxed worker sent no HELLO");
    ms = (double)(now_ns() - start) / 1e6;
    if (attest_sandbox(sandbox, &child, plan, NULL, &err) < 0)
        give_up(err.text);
    peer_end(sandbox, &child, 0, &v);
    return ms;
}

static void print(bool json, double sandboxed, double bare, double stall)
{
    double ratio = sandboxed / bare;

    if (json)
        printf(
            "{\"figures\":[{\"name\":\"spawn.hello\",\"value\":%.3f,\"unit\":\"ms\",\"versus\":"
            "\"bare vfork+exec+dlopen %.3f ms\",\"ratio\":%.3f,\"target\":%.1f,\"holds\":%s},"
            "{\"name\":\"spawn.stall\",\"value\":%.3f,\"unit\":\"ms\",\"versus\":\"host of 64 MB\","
            "\"ratio\":null,\"target\":%.1f,\"holds\":%s}]}\n",
            sandboxed, bare, ratio, TARGET_RATIO, ratio <= TARGET_RATIO ? "true" : "false", stall,
            TARGET_STALL_MS, stall <= TARGET_STALL_MS ? "true" : "false");
    else
        printf("spawn to HELLO, median of %d: sandboxed %.3f ms, bare %.3f ms, ratio %.2f "
               "(target %.1f)\nhost's loop is blocked for %.3f ms at 64 MB (target %.1f)\n",
               ROUNDS, sandboxed, bare, ratio, TARGET_RATIO, stall, TARGET_STALL_MS);
}

/* A package directory of its own: the worker's uid need not reach the build directory. */
static void make_plan(struct launch_plan *plan, const char *dir, const char *module)
{
    AUTO_FREE char *copy = buf_format("%s/spawn_guest.so", dir);
    AUTO(buf) struct buf data = {0};
    struct orb_err err = {0};

    if (mkdir(dir, 0755) < 0 || file_read(module, 64 << 20, &data, &err) < 0 ||
        file_replace(copy, data.data, data.len, 0755, &err) < 0)
        give_up(err.text[0] ? err.text : strerror(errno));
    memset(plan, 0, sizeof(*plan));
    snprintf(plan->service, sizeof(plan->service), "bench");
    plan->uid = 61236;
    plan->package_dir = xstrdup(dir);
    plan->library = xstrdup("spawn_guest.so");
    plan->min_tier = 2;
    launch_plan_seal(plan);
}

int main(int argc, char **argv)
{
    static double sandboxed[ROUNDS], bare[ROUNDS], stall[ROUNDS];
    bool json = argc > 1 && !strcmp(argv[1], "--json");
    char self[1024] = "", dir[64], instance[32], *weight;
    AUTO_FREE char *module = NULL, *copy = NULL;
    struct sandbox *sandbox;
    struct launch_plan plan;
    struct orb_err err = {0};
    double ignored;

    if (argc > 1 && !strcmp(argv[1], "--worker"))
        return stub_main(argc, argv);
    if (argc > 2 && !strcmp(argv[1], "--bare"))
        return bare_main(argv);
    if (geteuid() != 0)
        give_up("needs root: a worker gets namespaces and a uid of its own");
    if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
        give_up("cannot find myself");
    module = buf_format("%s/spawn_guest.so", dirname(self));
    snprintf(instance, sizeof(instance), "orbt-%d", (int)getpid());
    snprintf(dir, sizeof(dir), "/tmp/%s", instance);
    if (sandbox_new(&(struct sandbox_options){.instance = instance}, &sandbox, &err) < 0)
        give_up(err.text);
    make_plan(&plan, dir, module);
    for (int i = -WARM_UP; i < ROUNDS; i++) {
        double s = sandboxed_life(sandbox, &plan, &ignored), b = bare_life(module);

        if (i >= 0) {
            sandboxed[i] = s;
            bare[i] = b;
        }
    }
    /* Only now the host grows: a fork would have to copy its page tables and look worse for it. */
    weight = malloc(HOST_BYTES);
    if (!weight)
        give_up("no memory");
    memset(weight, 1, HOST_BYTES);
    for (int i = 0; i < ROUNDS; i++)
        sandboxed_life(sandbox, &plan, &stall[i]);
    print(json, median(sandboxed, ROUNDS), median(bare, ROUNDS), median(stall, ROUNDS));
    free(weight);
    sandbox_free(sandbox);
    copy = buf_format("%s/spawn_guest.so", dir);
    unlink(copy);
    rmdir(dir);
    launch_plan_fini(&plan);
    return 0;
}
