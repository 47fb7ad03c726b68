/* The config service without its process: datastore, candidates and transactions behind callbacks,
 * so that tests control every step, clock and failure. plugin.c binds it to the SDK.
 *
 * Only disk access blocks here, and no callback may call back into the engine before it returns:
 * `call` must answer from the loop, never inside. */
#ifndef CONFIG_ENGINE_H
#define CONFIG_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/log.h"
#include "orbital/error.h"

struct buf;
struct engine;

/* Exactly one per call: text is NULL when err is set and the other way round. */
typedef void engine_done(void *arg, const char *text, size_t len, const struct orb_err *err);

struct engine_host {
    void *arg;
    struct log_sink *log;
    /* A request to a service; below 0: it was not sent and done is not called. */
    int (*call)(void *arg, const char *to, const char *method, const char *text, size_t len,
                uint32_t deadline_ms, engine_done *done, void *done_arg, struct orb_err *err);
    /* The answer to a request given to engine_request. */
    void (*reply)(void *arg, void *req, const char *text, size_t len);
    void (*refuse)(void *arg, void *req, const struct orb_err *err);
    void (*publish)(void *arg, uint64_t revision, const char *const *paths, size_t count);
    /* Requests engine_tick() after after_ms; replaces an earlier request. */
    void (*wake)(void *arg, uint64_t after_ms);
    /* Requests engine_go_on() in the next turn of the loop. NULL: each request is answered at once.
     */
    void (*soon)(void *arg);
    /* Does the caller not wait for the answer any more? May be NULL. */
    bool (*given_up)(void *arg, void *req);
    uint64_t (*now_ms)(void *arg);  /* monotonic */
    uint64_t (*now_us)(void *arg);  /* the same clock */
    uint64_t (*wall_us)(void *arg); /* since the epoch */
    uint64_t (*used_us)(void *arg); /* of the processor, by this thread. NULL: now_us is used */
    void (*step)(void *arg, const char *name); /* fault tests; may be NULL */
    void (*progress)(void *arg);               /* progress of a long operation; may be NULL */
    /* The caller of a request that is not answered yet may show this; percent 0 to 100, -1: not
     * known. May be NULL. */
    void (*tell)(void *arg, void *req, const char *phase, int percent);
    /* Reports a problem, or, what NULL, takes it back; may be NULL. */
    void (*problem)(void *arg, const char *key, bool failed, const char *what, const char *todo);
    /* The running revision is one the kernel may be brought to; id: history_id(); void_tx: a
     * transaction that was refused and may yet be on the disk, 0: none. May be NULL. */
    void (*enforced)(void *arg, uint64_t revision, uint64_t id, uint64_t void_tx);
    /* Which revision services should follow: the input of host@1 follow. May be NULL. */
    void (*follow)(void *arg, const char *text, size_t len);
    /* Last arguments of enforced() for this instance of the kernel's state; 0: none. */
    uint64_t was_enforced, was_enforced_id, was_void_tx;
    uint64_t was_good; /* the newest revision that is known to have run, over reboots; 0: none */
    /* Safe mode: the last revision known to have run well; 0: load the newest. */
    uint64_t safe_revision;
};

/* Kind and name are one identity: a token, a user and a service of the same name are three. */
enum caller_kind { CALLER_USER, CALLER_TOKEN, CALLER_SERVICE, CALLER_HOST };

/* The caller, as reported by the broker. */
struct engine_caller {
    uint32_t peer;
    enum caller_kind kind;
    const char *name;
    const char *const *grants; /* capabilities of a service, NULL ends; NULL: none */
    uint64_t opened_us;        /* when its connection or session was opened, monotonic */
    uint64_t made_us; /* when the token was made, which distinguishes it from an earlier one; 0 */
};

/* schemas: reply of host@1 schemas. Loads the state directory, truncates a torn journal, undoes
 * what was interrupted or not confirmed. ret_fresh: there was no configuration yet. An error means
 * that something cannot be read without which an older configuration would run. */
int engine_open(const struct engine_host *host, const char *state_dir, const char *schemas,
                size_t schemas_len, struct engine **ret_engine, bool *ret_fresh,
                struct orb_err *err);
/* Commits a first configuration as revision 1. A text that does not fit changes nothing. */
int engine_first(struct engine *engine, const char *text, size_t len, struct orb_err *err);
void engine_free(struct engine *engine);

/* A checked request of config@1; answered now or later through host->reply or host->refuse. */
void engine_request(struct engine *engine, const struct engine_caller *caller, const char *method,
                    const char *text, size_t len, void *req);
/* Continues waiting requests (engine_host.soon). */
void engine_go_on(struct engine *engine);
/* A service reports progress of a call; done_arg as given to host->call, phase "" and percent -1:
 * not known. */
void engine_progress(struct engine *engine, const void *done_arg, const char *phase, int percent);
/* A peer is gone: its requests, subscriptions, reads and waiting attach end; nothing is answered
 * to it any more. */
void engine_peer_gone(struct engine *engine, uint32_t peer);
/* Begins what is due: undoing what was not confirmed, time limits of steps, the next change. Called
 * when the time is over that engine_host.wake asked for. */
void engine_tick(struct engine *engine);
/* 0, or what is wrong: stored parts that no schema fits, an unconfirmed commit that cannot go. */
int engine_health(const struct engine *engine, struct orb_err *err);

/* Of the running tree; 0: nothing was ever committed. */
uint64_t engine_revision(const struct engine *engine);
/* Canonical text of the running tree (tests). */
void engine_running(const struct engine *engine, struct buf *ret_text);

#endif
