/* Loads a built package directory (environment variable PACKAGE) into the fake host and checks its
 * two JSON files as the daemon does. */
#ifndef TEST_GUIDE_PACKAGE_H
#define TEST_GUIDE_PACKAGE_H

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/file.h"
#include "core/base/own.h"
#include "core/ipc/contract.h"
#include "test/lib/harness.h"
#include "test/unit/worker/fakehost.h"

/* Starts the package's worker, answers WELCOME and attach with tree, and waits for READY. methods:
 * as in WELCOME. */
static inline void package_start(struct fakehost *h, const char *library, const char *methods,
                                 const char *tree)
{
    const char *dir = getenv("PACKAGE");
    AUTO_FREE char *path = NULL;
    AUTO(buf) struct buf answer = {0};
    const struct orb_plugin *plugin;
    struct fakeframe f;
    void *so;

    ck_assert_msg(dir != NULL, "set PACKAGE to the directory of the built package");
    path = buf_format("%s/%s", dir, library);
    so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    ck_assert_msg(so != NULL, "%s", dlerror());
    plugin = dlsym(so, "orbital_plugin");
    ck_assert_ptr_nonnull(plugin);
    fakehost_start(h, plugin);
    fakehost_welcome(h, methods, "");
    fakehost_expect(h, FRAME_REQ, &f);
    buf_addf(&answer, "{\"revision\":1,\"bytes\":%zu,\"data\":", strlen(tree));
    buf_add_json(&answer, tree, strlen(tree));
    buf_addc(&answer, '}');
    fakehost_send(h, FRAME_REP, 0, f.head.corr, 0, 0, NULL, buf_str(&answer));
    fakehost_expect(h, FRAME_OPEN, &f);
    fakehost_send(h, FRAME_OPENED, 1, f.head.corr, 0, 0, NULL, NULL);
    fakehost_ready(h);
}

/* Sends a request to a method number and expects the answer of this type. */
static inline void package_ask(struct fakehost *h, uint32_t method, uint32_t peer, const char *in,
                               unsigned type, struct fakeframe *ret)
{
    fakehost_send(h, FRAME_REQ, method, 21, peer, 5000, NULL, in);
    fakehost_expect(h, type, ret);
}

/* schema.json compiles as a contract of this interface. */
static inline void package_check_contract(const char *interface)
{
    AUTO_FREE char *path = buf_format("%s/schema.json", getenv("PACKAGE"));
    AUTO(buf) struct buf text = {0};
    struct contract *contract;
    struct orb_err err = {0};

    ck_assert_msg(file_read(path, 1 << 20, &text, &err) == 0, "%s", err.text);
    ck_assert_msg(contract_compile(text.data, text.len, &contract, &err) == 0, "%s: %s", err.path,
                  err.text);
    ck_assert_str_eq(contract_interface(contract), interface);
    ck_assert(contract_has_config(contract));
    contract_free(contract);
}

#endif
