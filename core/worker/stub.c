/* A worker's main: the trusted code between exec and the package. It runs the table of steps below,
 * loads the package, loads the last filter and calls the SDK's loop. A failing step is reported on
 * the crash pipe and ends the process; no step is ever skipped because it failed. */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/worker/enter.h"
#include "core/worker/library.h"
#include "core/worker/sdk_plugin.h"

struct step {
    const char *name;
    int (*run)(struct enter *e);
    uint32_t tier; /* lowest tier that has this step */
};

static int arm(struct enter *e)
{
    return crash_arm();
}

static const struct step steps[] = {
    {"title", enter_title, 1},
    {"sockets", enter_open_sockets, 1},
    {"libraries", enter_open_libraries, 1},
    {"observe", enter_open_observe, 1},
    {"network", enter_open_network, 2},
    {"limits", enter_limits, 1},
    {"root", enter_root, 2},
    {"privileges", enter_limits_privileges, 2},
    {"parent", enter_limits_parent, 1},
    {"crash-handler", arm, 1},
    {"landlock", enter_root_landlock, 1},
    {"mdwe", enter_filter_mdwe, 1},
    {"filter", enter_filter_all, 1},
};

static void __attribute__((noreturn)) fail(enum crash_kind kind, int number, const char *text)
{
    crash_report(kind, number, text);
    _exit(LAUNCH_EXIT_STEP);
}

static void read_launch(struct enter *e)
{
    ssize_t n = pread(LAUNCH_FD_RECORD, &e->launch, sizeof(e->launch), 0);

    if (n != (ssize_t)sizeof(e->launch) || e->launch.magic != LAUNCH_MAGIC ||
        e->launch.size != sizeof(e->launch)) {
        fputs("orbitald: --worker is only for orbitald itself\n", stderr);
        _exit(2);
    }
    close(LAUNCH_FD_RECORD);
}

static void walk(struct enter *e)
{
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        char text[CRASH_TEXT];
        int r;

        if (steps[i].tier > e->launch.tier)
            continue;
        r = steps[i].run(e);
        if (r < 0) {
            snprintf(text, sizeof(text), "%s%s%s", steps[i].name, e->detail[0] ? " " : "",
                     e->detail);
            fail(CRASH_STEP, -r, text);
        }
    }
}

/* Removes the directory, which is internal to the sandbox. */
static const char *without_dir(const char *text, const char *dir)
{
    size_t n = strlen(dir);

    if (!text)
        return "unknown error of the loader";
    return !strncmp(text, dir, n) && text[n] == '/' ? text + n + 1 : text;
}

static const struct orb_plugin *load(const struct enter *e)
{
    const struct orb_plugin *plugin;
    struct sdk_plugin read;
    struct orb_err err;
    char path[LAUNCH_PATH + sizeof(e->launch.library) + 2], text[CRASH_TEXT];
    const char *dir = e->launch.tier >= 2 ? "/pkg" : e->launch.package_dir;
    void *handle;
    int r;

    snprintf(path, sizeof(path), "%s/%s", dir, e->launch.library);
    r = library_check(path, text, sizeof(text));
    if (r)
        fail(CRASH_LOAD, r, text);
    handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        fail(CRASH_LOAD, ENOEXEC, without_dir(dlerror(), dir));
    plugin = dlsym(handle, "orbital_plugin");
    if (!plugin)
        fail(CRASH_LOAD, ENOENT, "the library exports no orbital_plugin (use ORB_PLUGIN)");
    if (sdk_plugin_read(plugin, &read, &err) < 0)
        fail(CRASH_LOAD, EPROTO, err.text);
    sdk_plugin_fini(&read);
    return plugin;
}

int stub_main(int argc, char **argv)
{
    struct enter *e = xcalloc(1, sizeof(*e));
    const struct orb_plugin *plugin;
    struct sdk_setup setup;
    sigset_t none;
    char title[16];
    int r;

    read_launch(e);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_IGN);
    snprintf(title, sizeof(title), "orb:%.11s", e->launch.service);
    prctl(PR_SET_NAME, title, 0, 0, 0);
    walk(e);
    crash_report(CRASH_CLOSED, 0, "");
    plugin = load(e);
    crash_report(CRASH_LOADED, 0, "");
    r = enter_filter_b();
    if (r < 0)
        fail(CRASH_LOAD, -r, "filter B");
    setup = (struct sdk_setup){.service = e->launch.service,
                               .ipc_fd = LAUNCH_FD_IPC,
                               .sockets = e->sockets,
                               .socket_count = e->socket_count,
                               .state_dir = !e->launch.state_dir[0] ? NULL
                                            : e->launch.tier >= 2   ? "/state"
                                                                    : e->launch.state_dir};
    _exit(sdk_run(&setup, plugin)); /* without destructors, which belong to the package */
}
