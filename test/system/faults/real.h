/* The first step of both wrappers: loading the real package, lib/real.so beside it. Its calls that
 * elf.py renamed reach exported functions of the wrapper with the shortened names.
 */
#ifndef TEST_SYSTEM_FAULTS_REAL_H
#define TEST_SYSTEM_FAULTS_REAL_H

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "orbital/orbital.h"

#define TAKEN(short_name) __asm__(short_name) __attribute__((visibility("default")))

/* own: the address of anything in the wrapper. Returns the real package's descriptor. */
static inline const struct orb_plugin *real_load(const void *own)
{
    const struct orb_plugin *real;
    const char *why;
    Dl_info info;
    void *handle;

    /* The worker loads packages for themselves; the real one must find us. */
    handle =
        dladdr(own, &info) ? dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL) : NULL;
    if (handle)
        handle = dlopen("/pkg/lib/real.so", RTLD_NOW | RTLD_LOCAL);
    real = handle ? dlsym(handle, "orbital_plugin") : NULL;
    if (real)
        return real;
    why = dlerror();
    fprintf(stderr, "wrapper: loading the real package: %s\n", why ? why : "?");
    abort();
}

#endif
