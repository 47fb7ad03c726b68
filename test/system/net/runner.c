/* Runs one package's module on the real SDK loop, as a child of a test that plays the host
 * (host.py) at the other end of FD:
 *
 *     runner MODULE FD             in this process, without sandbox (sanitizers, debuggers)
 *     runner --sandboxed MODULE FD as the host would: sandboxed, with the rights of net.configure;
 *                                  this process then only carries the bytes between the two */
#include <dlfcn.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/sandbox/sandbox.h"
#include "core/worker/sdk.h"

static int run_here(const char *path, int fd)
{
    const struct orb_plugin *plugin;
    struct sdk_setup setup = {.ipc_fd = fd};
    void *module;

    module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    plugin = module ? dlsym(module, "orbital_plugin") : NULL;
    if (!plugin) {
        fprintf(stderr, "runner: %s\n", dlerror());
        return 2;
    }
    setup.service = plugin->name;
    return sdk_run(&setup, plugin);
}

/* One piece from one descriptor to the other, waiting when the other is full; false at the end. */
static bool carry(int from, int to)
{
    char data[65536];
    ssize_t n = read(from, data, sizeof(data));

    for (ssize_t done = 0; done < n;) {
        struct pollfd room = {.fd = to, .events = POLLOUT};
        ssize_t w;

        if (poll(&room, 1, 10000) != 1)
            return false;
        w = write(to, data + done, (size_t)(n - done));
        if (w < 0)
            return false;
        done += w;
    }
    return n > 0;
}

static void relay(int fd, const struct sandbox_child *child)
{
    for (;;) {
        struct pollfd p[] = {{.fd = fd, .events = POLLIN},
                             {.fd = child->ipc_fd, .events = POLLIN},
                             {.fd = child->stderr_fd, .events = POLLIN}};

        if (poll(p, 3, -1) < 0)
            return;
        if (p[2].revents)
            carry(child->stderr_fd, STDERR_FILENO);
        if ((p[0].revents && !carry(fd, child->ipc_fd)) ||
            (p[1].revents && !carry(child->ipc_fd, fd)))
            return;
    }
}

static void fill(struct launch_plan *plan, const char *path)
{
    const char *slash = strrchr(path, '/');

    snprintf(plan->service, sizeof(plan->service), "net%d", (int)getpid());
    plan->uid = 61235;
    plan->package_dir = xstrndup(path, (size_t)(slash - path));
    plan->library = xstrdup(slash + 1);
    plan->libraries[0] = xstrdup("libnl-3.so.200");
    plan->library_count = 1;
    plan->kernel_caps = 1ull << CAP_NET_ADMIN;
    plan->host_net = true;
    plan->netlink = true;
    plan->memory_bytes = 64u << 20;
    plan->files = 64;
    plan->threads = 16;
    launch_plan_seal(plan);
}

static int run_sandboxed(const char *path, int fd)
{
    struct sandbox_child child;
    struct sandbox *sandbox = NULL;
    struct exit_status status;
    struct launch_plan plan = {0};
    struct orb_err err;
    char name[32];
    int r;

    snprintf(name, sizeof(name), "orbt-net-%d", (int)getpid());
    signal(SIGPIPE, SIG_IGN);
    fill(&plan, path);
    if (sandbox_new(&(struct sandbox_options){.instance = name}, &sandbox, &err) < 0 ||
        spawn_worker(sandbox, &plan, &child, &err) < 0) {
        fprintf(stderr, "runner: %s\n", err.text);
        sandbox_free(sandbox);
        return 2;
    }
    relay(fd, &child);
    close(child.ipc_fd);
    while ((r = reap_worker(sandbox, &child, &status, &err)) == 1)
        poll(&(struct pollfd){.fd = child.pidfd, .events = POLLIN}, 1, 10000);
    if (r < 0 || status.signaled || status.step[0] || status.fault[0])
        fprintf(stderr, "runner: status %d step %s errno %d fault %s\n", status.status, status.step,
                status.step_errno, status.fault);
    launch_plan_fini(&plan);
    sandbox_free(sandbox);
    return r < 0 ? 2 : status.signaled ? 128 + status.status : status.status;
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "--worker"))
        return stub_main(argc, argv);
    if (argc == 4 && !strcmp(argv[1], "--sandboxed") && strchr(argv[2], '/'))
        return run_sandboxed(argv[2], atoi(argv[3]));
    if (argc == 3)
        return run_here(argv[1], atoi(argv[2]));
    fprintf(stderr, "usage: runner [--sandboxed] MODULE FD\n");
    return 2;
}
