/* The host's end of a worker's socket, for tests: starts a plugin in a forked child on sdk_run()
 * and exchanges frames with it, blocking, with a time limit on every read. */
#ifndef TEST_UNIT_WORKER_FAKEHOST_H
#define TEST_UNIT_WORKER_FAKEHOST_H

#include <sys/types.h>

#include "core/ipc/frame.h"
#include "core/worker/sdk.h"

#define FAKEHOST_WAIT_MS 10000

struct fakehost {
    int fd;
    pid_t pid;
    unsigned char *in; /* the last frame */
    size_t in_len;
};

/* A received frame; texts are NUL-terminated copies that live until the next read. */
struct fakeframe {
    struct frame head;
    char *env;
    char *payload;
};

/* Forks a worker that runs plugin; its exit code is sdk_run's. */
void fakehost_start(struct fakehost *host, const struct orb_plugin *plugin);
void fakehost_send(struct fakehost *host, unsigned type, uint32_t handle, uint32_t corr,
                   uint32_t src, uint32_t deadline_ms, const char *env, const char *payload);
void fakehost_raw(struct fakehost *host, const void *data, size_t len);
/* Reads the next frame; the test fails when none comes. */
void fakehost_read(struct fakehost *host, struct fakeframe *ret);
/* Reads frames, skipping LOG and METRIC, and fails unless the first other one has this type. */
void fakehost_expect(struct fakehost *host, unsigned type, struct fakeframe *ret);
/* Reads until a frame of this type comes (logs for example). */
void fakehost_until(struct fakehost *host, unsigned type, struct fakeframe *ret);
/* HELLO read, WELCOME with the members of extra ("" or "\"k\":v,…"), PEER 7 (config, a service) and
 * PEER 9 (user eve, operator). */
void fakehost_welcome(struct fakehost *host, const char *methods, const char *extra);
/* READY expected. */
void fakehost_ready(struct fakehost *host);
/* Waits for the child: its exit code, or -signal. */
int fakehost_wait(struct fakehost *host);
/* STOP, and exit code 0 expected. */
void fakehost_stop(struct fakehost *host);

#endif
