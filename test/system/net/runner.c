/* Runs one package's module on the real SDK loop, without sandbox: `runner MODULE FD`. The other
 * end of FD is a test that plays the host (host.py). */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/worker/sdk.h"

int main(int argc, char **argv)
{
    const struct orb_plugin *plugin;
    struct sdk_setup setup = {0};
    void *module;

    if (argc != 3) {
        fprintf(stderr, "usage: runner MODULE FD\n");
        return 2;
    }
    module = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    plugin = module ? dlsym(module, "orbital_plugin") : NULL;
    if (!plugin) {
        fprintf(stderr, "runner: %s\n", dlerror());
        return 2;
    }
    setup.service = plugin->name;
    setup.ipc_fd = atoi(argv[2]);
    return sdk_run(&setup, plugin);
}
