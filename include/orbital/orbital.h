/* What a plugin author compiles against: plain C11 (or C++17) and cJSON.
 *
 * A package is a shared object that exports one descriptor:
 *
 *     static const struct orb_method methods[] = {{"hello", on_hello, 0}, {0}};
 *     ORB_PLUGIN(.name = "greeter", .methods = methods, .init = on_init);
 *
 * The host loads it in a worker process of its own, inside a sandbox, and runs one event loop.
 * All callbacks are called on that loop, one at a time; a callback that blocks fails the health
 * check, and the worker is killed. Methods, events and configuration are described by the package's
 * schema.json; the host validates every payload against it before a handler is called.
 *
 * Within one ABI version members are only added, at the end of a struct; nothing is changed or
 * removed. ORB_PLUGIN records the struct sizes a package was built with, and the host reads no
 * further, so older packages keep working. A package built with a newer header loads if the members
 * unknown to this host are zero. Structs passed to a package begin with their size: check
 * ORB_HAS(change, member) before reading a member that the oldest supported host lacks. struct
 * orb_err, orb_kv and the enums that callbacks return do not change.
 *
 * Units: times in milliseconds. Text is UTF-8. Functions return 0 or a negative code of error.h. */
#ifndef ORBITAL_H
#define ORBITAL_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "orbital/error.h"
#include "orbital/kv.h"
#include "orbital/read.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define ORB_PLUGIN_ABI 2

/* Whether *object, as filled by the host, has this member. */
#define ORB_HAS(object, member)                                                                    \
    ((size_t)((const char *)(&(object)->member + 1) - (const char *)(object)) <= (object)->size)

struct orb_ctx;   /* this worker; given to every callback, valid until the worker ends */
struct orb_req;   /* a request to be answered exactly once */
struct orb_timer; /* see orb_timer_new */
struct orb_watch; /* see orb_watch_new */

/* Sender of a request, authenticated by the host. Strings are valid until the callback returns. */
struct orb_peer {
    uint32_t size;    /* for ORB_HAS */
    uint32_t id;      /* unique while the peer exists; see orb_plugin.peer_gone */
    const char *kind; /* "service", "user" (a local one), "token" (owner of an API token), "host" */
    const char *name; /* unique within its kind: a token and a user may share a name */
    const char *role; /* users: "metrics", "viewer", "operator", "admin"; services: "service" */
    /* Also set by the host: the capabilities granted to a service (NULL-terminated; empty for other
     * kinds), and when the connection or session was opened (clock of orb_now_ms). */
    const char *const *grants;
    uint64_t opened_us;
    /* Tokens: when it was made, microseconds since the epoch; else 0. A token that is made under
     * the name of an earlier one is another identity. */
    uint64_t made_us;
};

/* ---- requests this package answers ---- */

enum orb_method_flags {
    ORB_RAW = 1, /* no cJSON tree is built (in is NULL); use orb_req_text() */
};

/* Answers one request. in: the checked input, owned by the SDK, valid until the request is
 * answered. Return 0 after orb_reply*(), or 0 having kept req to answer later; return a negative
 * code with err filled and the SDK answers with that error. */
typedef int orb_handler(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in,
                        struct orb_err *err);

struct orb_method {
    const char *name; /* as in schema.json; {0} ends the table */
    orb_handler *handle;
    unsigned flags;
};

/* Who sent the request; valid as long as the request. */
const struct orb_peer *orb_req_peer(const struct orb_req *req);
/* The input as sent, NUL-terminated; ret_len may be NULL. */
const char *orb_req_text(const struct orb_req *req, size_t *ret_len);
/* Milliseconds until the caller's deadline; 0 when it has passed. */
uint32_t orb_req_left_ms(const struct orb_req *req);
/* W3C traceparent of the request, "" when there is none. */
const char *orb_req_trace(const struct orb_req *req);
/* Answer. The SDK takes ownership of out (NULL means {}) and of req. */
void orb_reply(struct orb_req *req, cJSON *out);
/* As orb_reply with JSON text, copied before return. */
void orb_reply_text(struct orb_req *req, const char *text, size_t len);
/* As orb_reply with an error, copied before return; code, text and path go to the caller. */
void orb_reply_error(struct orb_req *req, const struct orb_err *err);

/* ---- requests to others ---- */

/* Exactly one call per orb_call while the worker runs (none once stop was called): out is NULL when
 * err is set and the other way round. text/len: the reply as received (valid during the call). */
typedef void orb_reply_fn(struct orb_ctx *ctx, void *arg, const cJSON *out,
                          const struct orb_err *err);
typedef void orb_text_fn(struct orb_ctx *ctx, void *arg, const char *text, size_t len,
                         const struct orb_err *err);

/* Calls a method. to: "interface@MAJOR" or "interface@MAJOR.MINOR" (lowest minor accepted). in is
 * taken (NULL means {}). deadline_ms: 0 for the method's own default. done may be NULL. Returns
 * an error only for invalid arguments; everything else (denied, unknown, busy, deadline, peer-gone)
 * is passed to done. */
int orb_call(struct orb_ctx *ctx, const char *to, const char *method, cJSON *in,
             uint32_t deadline_ms, orb_reply_fn *done, void *arg, struct orb_err *err);
/* The same with JSON text both ways and no trees built. */
int orb_call_text(struct orb_ctx *ctx, const char *to, const char *method, const char *text,
                  size_t len, uint32_t deadline_ms, orb_text_fn *done, void *arg,
                  struct orb_err *err);
/* The same on behalf of a session that auth@1 login returned to this worker (capability
 * session.delegate); session 0 is this service itself. */
int orb_call_as(struct orb_ctx *ctx, uint32_t session, const char *to, const char *method,
                const char *text, size_t len, uint32_t deadline_ms, orb_text_fn *done, void *arg,
                struct orb_err *err);

/* ---- events ---- */

typedef void orb_event_fn(struct orb_ctx *ctx, void *arg, const char *topic, const cJSON *payload);
/* Publishes an event of this package's schema. payload is taken. */
int orb_publish(struct orb_ctx *ctx, const char *topic, cJSON *payload, struct orb_err *err);
/* Calls cb for each event from now on. topic "*": all topics of the interface. A gap (events
 * dropped because this worker was slow) is delivered as topic "gap" with {"topic", "count"}; with
 * "ended": true a strict event was dropped and the subscription has ended. */
int orb_subscribe(struct orb_ctx *ctx, const char *interface, const char *topic, orb_event_fn *cb,
                  void *arg, struct orb_err *err);

/* ---- configuration ---- */

/* One change of the configuration on its way through prepare, apply or abort.
 * tree: the subscribed parts as they will be, e.g. {"firewall": {...}, "interfaces": {...}}; a part
 *       that is not configured is absent. Owned by the SDK; read only.
 * patch: array of {"op": "set"|"delete", "path": "/firewall/rules/10", "value": …, "old": …};
 *       value absent for delete, old absent when there was none. On the first call after start
 *       (initial) the patch sets every subscribed part as a whole.
 * prepared: the slot of this change, *prepared is NULL when prepare begins. See orb_config.
 * question: in prepare of a dry run, what a user asks about the change (docs/config.md, Questions);
 *       orb_answer() answers it. NULL: nothing. A package for older hosts too checks
 *       ORB_HAS(change, question) first. */
struct orb_change {
    uint32_t size; /* for ORB_HAS */
    bool initial;
    uint64_t tx;
    uint64_t revision; /* the revision this will be */
    const cJSON *tree;
    const cJSON *patch;
    void **prepared;
    const cJSON *question;
};

/* Adds a line to the commit plan shown to the user: in prepare what the change will do, in apply
 * what became known only then (e.g. connections that were ended). Copied. kind: "live", "reload" or
 * "restart". */
void orb_plan_step(struct orb_ctx *ctx, const char *kind, const char *text);

/* The answer to change->question, taken; the last one counts. Only until prepare is over; without a
 * question it is freed. */
void orb_answer(struct orb_ctx *ctx, cJSON *answer);

/* prepare reads the configuration into a state of the package's own and leaves it in
 * *change->prepared. apply swaps it with the state in use; what was in use stays in the slot, so
 * that abort after apply swaps it back. discard frees what is in the slot when the change cannot be
 * undone any more. So apply and abort neither parse nor allocate. */
struct orb_config {
    /* Subtrees wanted, JSON pointers, NULL ends; each needs config.read:PATH in the manifest. */
    const char *const *paths;
    /* Check everything that can fail and change nothing. Answer later with orb_config_done() by
     * returning ORB_LATER. An error (with path) vetoes the commit. */
    int (*prepare)(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err);
    /* Bring the change into force. Swap first (orb_swap), then do what can still fail, e.g. calls
     * to the kernel: if they fail, abort swaps back. May also return ORB_LATER. */
    int (*apply)(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err);
    /* Undo: after prepare (nothing was applied) or after apply, also one that failed (applied true:
     * restore the previous state; tree holds the old state again and patch is the inverse). The
     * slot is as prepare or apply left it. May return ORB_LATER. */
    int (*abort)(struct orb_ctx *ctx, const struct orb_change *change, bool applied,
                 struct orb_err *err);
    /* Frees what is in the slot, on every way a change can end: refused, undone, or applied and
     * followed by the next; and before stop. Called exactly once for each thing that is not NULL,
     * after it was taken out of the slot. A prepare that leaves something in the slot of a package
     * without discard is refused. */
    void (*discard)(struct orb_ctx *ctx, void *prepared);
};

/* Swaps what is in the slot with what is in use: self->now = orb_swap(change, self->now); */
static inline void *orb_swap(const struct orb_change *change, void *in_use)
{
    void *prepared = *change->prepared;

    *change->prepared = in_use;
    return prepared;
}

#define ORB_LATER 1
/* Completes a prepare/apply/abort that returned ORB_LATER: err NULL or code 0 for success. */
void orb_config_done(struct orb_ctx *ctx, const struct orb_err *err);

/* ---- loop ---- */

typedef void orb_timer_fn(struct orb_ctx *ctx, void *arg);
/* A timer that calls cb with arg, not started. The package frees it with orb_timer_free; the SDK
 * frees what is left when the worker ends. Never NULL. */
struct orb_timer *orb_timer_new(struct orb_ctx *ctx, orb_timer_fn *cb, void *arg);
/* Fires after after_ms (0: in the next turn of the loop), then every repeat_ms (0: once). Starting
 * a running timer restarts it. */
void orb_timer_start(struct orb_timer *timer, uint64_t after_ms, uint64_t repeat_ms);
/* Stops the timer; no effect when it is not running. */
void orb_timer_stop(struct orb_timer *timer);
/* Stops and frees it, also from inside its cb. NULL: nothing. */
void orb_timer_free(struct orb_timer *timer);

enum orb_io { ORB_READABLE = 1, ORB_WRITABLE = 2 };
typedef void orb_watch_fn(struct orb_ctx *ctx, void *arg, int fd, unsigned events);
/* Watches a descriptor that the plugin owns; it must stay open until orb_watch_free. The callback
 * runs while the descriptor is readable or writable, as asked for. An error of the descriptor
 * (EPOLLERR) calls it with both bits: the plugin's read or write returns and clears the errno, e.g.
 * ENOBUFS of a netlink socket: the kernel dropped events, read everything again. Watching
 * continues; while an error persists the callback is called at growing intervals, up to one second.
 */
struct orb_watch *orb_watch_new(struct orb_ctx *ctx, int fd, unsigned events, orb_watch_fn *cb,
                                void *arg, struct orb_err *err);
/* Changes the events waited for (0: none). */
void orb_watch_set(struct orb_watch *watch, unsigned events);
/* Ends the watch and frees it, also from inside its cb; the descriptor stays open. NULL: nothing.
 */
void orb_watch_free(struct orb_watch *watch);
/* Monotonic time. */
uint64_t orb_now_ms(void);

/* Descriptor of a socket the manifest declared (net.bind:…#NAME), bound and listening, opened
 * before the sandbox closed; -1 when there is none of that name. The worker keeps it open. */
int orb_socket(struct orb_ctx *ctx, const char *name);
/* Directory for the service's own state (capability fs.state), NULL without that capability. */
const char *orb_state_dir(struct orb_ctx *ctx);

/* ---- threads ---- */

typedef void orb_post_fn(struct orb_ctx *ctx, void *arg);
/* Calls fn with arg on the loop; calls posted by one thread keep their order. The only function
 * with ctx that may be called from any thread; it never blocks. Returns 0: fn is called exactly
 * once, before stop() at the latest. On errors fn is not called and arg stays the caller's:
 * ORB_E_BUSY (1024 calls are pending: wait, then post again), ORB_E_STATE (the worker is stopping:
 * end the thread). ctx is valid until stop() returned, so stop() joins the threads. An init() that
 * fails must have joined its own; what they posted is not called. */
int orb_post(struct orb_ctx *ctx, orb_post_fn *fn, void *arg, struct orb_err *err);

/* ---- logs, metrics ---- */

enum orb_level { ORB_DEBUG, ORB_INFO, ORB_NOTICE, ORB_WARNING, ORB_ERROR };
/* Writes a log record of this service; pairs end with a key NULL and are copied. orb_log calls it.
 */
void orb_log_kv(struct orb_ctx *ctx, enum orb_level level, const char *event,
                const struct orb_kv *pairs);
/* orb_log(ctx, ORB_INFO, "peer.up", KV("peer", name), KV("mtu", 1500)); event: a stable dotted
 * name. (In C a macro, so that there may be no pair at all in strict C11; in C++ a function,
 * below.) */
#ifndef __cplusplus
#define orb_log(ctx, level, ...) ORB_LOG_((ctx), (level), __VA_ARGS__, {0})
#define ORB_LOG_(ctx, level, event, ...)                                                           \
    orb_log_kv(ctx, level, event, (const struct orb_kv[]){__VA_ARGS__})
#endif

/* name: [a-z_]+, without the service's name, which the host adds as a label. */
void orb_counter_add(struct orb_ctx *ctx, const char *name, uint64_t delta);
/* Sets a gauge, which is sent with the counters; name as of orb_counter_add. A non-finite value is
 * sent as 0. */
void orb_gauge_set(struct orb_ctx *ctx, const char *name, double value);

/* ---- long work ---- */

/* Reports progress of a long callback (reading a large file in init, applying a large change). It
 * restarts the deadlines ready-ms and ping-ms, and that of every call being answered whose method
 * has "progress" in the contract (prepare and apply have), up to progress-ms in total. Also for
 * steps that returned ORB_LATER. It is cheap: call it from the loop that does the work, and only
 * after work was done, or a hang is not detected. */
void orb_progress(struct orb_ctx *ctx);
/* As orb_progress, from a prepare or apply, with what `orbctl config commit` shows meanwhile.
 * phase: what is being done, a few words, at most 63 bytes, copied. percent: how much of this
 * callback's work is done, 0 to 100; -1: not known. */
void orb_progress_at(struct orb_ctx *ctx, const char *phase, int percent);
/* The same about one request, whose method has "progress": its deadline alone begins anew. */
void orb_req_progress(struct orb_req *req, const char *phase, int percent);
/* Called while a call of this package is being worked on: arg is that of the call. phase is "" and
 * percent -1 when the provider does not tell. Valid during the call. */
typedef void orb_progress_fn(struct orb_ctx *ctx, void *arg, const char *phase, int percent);
/* Sets the one callback for the progress of calls; NULL: none (the default). */
void orb_on_progress(struct orb_ctx *ctx, orb_progress_fn *cb);

/* ---- problems ---- */

/* A condition that the operator should see while it lasts: shown by `orbctl show health`, by the
 * service's own page and by /readyz. FAILED: the appliance as a whole does not do what it is
 * configured to do (accepted from shipped services of the phases early, core and control; from
 * others it counts as DEGRADED). */
enum orb_problem_level { ORB_PROBLEM_DEGRADED, ORB_PROBLEM_FAILED };

struct orb_problem {
    enum orb_problem_level level;
    const char *what; /* one sentence, at most 399 bytes: what is wrong and why */
    const char *path; /* JSON pointer of the configuration concerned; NULL or "": none */
    const char *todo; /* what the operator can do, at most 255 bytes; NULL or "": nothing */
};

#define ORB_PROBLEMS_MAX 32 /* sent to the host; further ones are counted in one last sentence */

/* Reports a problem, or replaces the one of the same key (at most 127 bytes, stable, unique in this
 * service, e.g. "address:/interfaces/lan0"). Everything is copied. Sent to the host at the end of
 * the loop's turn; reporting an unchanged problem sends nothing and keeps its start time. */
static inline void orb_problem_set(struct orb_ctx *ctx, const char *key,
                                   const struct orb_problem *problem);
void orb_problem_set_sized(struct orb_ctx *ctx, const char *key, const struct orb_problem *problem,
                           size_t size); /* what orb_problem_set calls */
/* Clears a problem; a key that ends with "*" clears all keys with that prefix. A problem cleared
 * and set again in the same turn is unchanged for the host: clear all, then set those that still
 * hold. */
void orb_problem_clear(struct orb_ctx *ctx, const char *key);

/* ---- integers ---- */

/* cJSON keeps numbers as doubles: beyond 2^53 a digit is lost. Reads an exact integer: -1 when
 * item is NULL, not a number, has a fraction or exceeds +-2^53 (parse that from orb_req_text()).
 * Items made by orb_add_int64 are read in their full range. */
int orb_int64(const cJSON *item, int64_t *ret_value);
/* Adds an integer, exact in the whole 64-bit range (as raw JSON; cJSON_AddNumberToObject would
 * print 1e15 as "1e+15", which a schema does not take as an integer). Returns the item, NULL when
 * out of memory. */
cJSON *orb_add_int64(cJSON *object, const char *key, int64_t value);

/* ---- the descriptor ---- */

struct orb_plugin {
    /* The header this package was built with; ORB_PLUGIN fills these in. */
    uint32_t abi;
    uint32_t size;        /* of struct orb_plugin */
    uint32_t method_size; /* of struct orb_method */
    uint32_t config_size; /* of struct orb_config */
    const char *name;
    const struct orb_method *methods; /* ends with {0}; NULL: none */
    const struct orb_config *config;  /* NULL: none */
    /* Before configuration: allocate, open what the sandbox allows. Required data is kept with
     * orb_set_user(). A failure ends the worker with the message. */
    int (*init)(struct orb_ctx *ctx, struct orb_err *err);
    /* After the first configuration was applied; the service counts as Running when it returns 0.
     * May return ORB_LATER and call orb_ready(). */
    int (*ready)(struct orb_ctx *ctx, struct orb_err *err);
    /* Asked to stop: release, then return; the worker ends. */
    void (*stop)(struct orb_ctx *ctx);
    /* A peer that had sent a request is gone; its id is not reused. */
    void (*peer_gone)(struct orb_ctx *ctx, uint32_t peer_id);
    /* Called with every ping: 0 or a negative code with err (shown as degraded). */
    int (*health)(struct orb_ctx *ctx, struct orb_err *err);
};

/* Completes a ready that returned ORB_LATER; err NULL or code 0: the service is Running. */
void orb_ready(struct orb_ctx *ctx, const struct orb_err *err);
/* Stores a pointer for the package; the SDK does not use it. */
void orb_set_user(struct orb_ctx *ctx, void *user);
/* The pointer last passed to orb_set_user, NULL before. */
void *orb_user(struct orb_ctx *ctx);
/* The service's name; valid until the worker ends. */
const char *orb_service_name(struct orb_ctx *ctx);
/* Ends this worker as failed; the text is written to the log and the crash report. */
void orb_fatal(struct orb_ctx *ctx, const struct orb_err *err) __attribute__((noreturn));

#pragma GCC visibility pop

static inline void orb_problem_set(struct orb_ctx *ctx, const char *key,
                                   const struct orb_problem *problem)
{
    orb_problem_set_sized(ctx, key, problem, sizeof(*problem));
}

#define ORB_EXPORT __attribute__((visibility("default")))
#ifndef __cplusplus
/* ORB_PLUGIN(.name = "greeter", .init = on_init); */
#define ORB_PLUGIN_HEAD                                                                            \
    .abi = ORB_PLUGIN_ABI, .size = sizeof(struct orb_plugin),                                      \
    .method_size = sizeof(struct orb_method), .config_size = sizeof(struct orb_config)
#define ORB_PLUGIN(...)                                                                            \
    ORB_EXPORT extern const struct orb_plugin orbital_plugin;                                      \
    const struct orb_plugin orbital_plugin = {ORB_PLUGIN_HEAD, __VA_ARGS__}
#else
}

/* C++17 has no designated initializers: a constexpr function fills in the members.
 *     static constexpr orb_plugin describe()
 *     {
 *         orb_plugin plugin = orb_plugin_head();
 *         plugin.name = "greeter";
 *         plugin.init = on_init;
 *         return plugin;
 *     }
 *     ORB_PLUGIN(describe()); */
constexpr orb_plugin orb_plugin_head()
{
    orb_plugin plugin{};

    plugin.abi = ORB_PLUGIN_ABI;
    plugin.size = sizeof(orb_plugin);
    plugin.method_size = sizeof(orb_method);
    plugin.config_size = sizeof(orb_config);
    return plugin;
}

#define ORB_PLUGIN(plugin)                                                                         \
    extern "C" {                                                                                   \
    ORB_EXPORT extern const orb_plugin orbital_plugin;                                             \
    }                                                                                              \
    constexpr orb_plugin orbital_plugin = plugin

template <class... Pairs>
inline void orb_log(orb_ctx *ctx, orb_level level, const char *event, Pairs... pairs)
{
    const orb_kv list[] = {pairs..., orb_kv{}};

    orb_log_kv(ctx, level, event, list);
}
#endif
#endif
