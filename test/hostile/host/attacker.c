/* A hostile package. The driver (test_host.py) copies the module once per attack and writes the
 * attack's name into the marker below, so that even an ELF constructor can select its attack.
 *
 * Every attack announces itself ("attack begins NAME", on stderr, because that works before
 * HELLO), and prints "attack succeeded: …" when it got something it must not
 * get. What the host did about it
 * is checked by the driver, from the host's side. */
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/worker/sdk_internal.h"
#include "core/worker/sdk_req.h"
#include "orbital/orbital.h"
#include "test/hostile/host/attacker.h"

/* Replaced in the file; volatile, so that the compiler does not assume the text. */
static volatile char marker[64] = "@@ATTACK@@";
struct wire_in in;

void shout(const char *format, ...)
{
    char line[300];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(line, sizeof(line) - 1, format, args);
    va_end(args);
    line[n < (int)sizeof(line) - 1 ? n : (int)sizeof(line) - 2] = '\n';
    (void)!write(STDERR_FILENO, line, strlen(line));
}

static bool is(const char *name)
{
    for (unsigned i = 0; i < sizeof(marker); i++)
        if (marker[i] != name[i] || !name[i])
            return marker[i] == name[i];
    return false;
}

/* The attempt and the host's answer; anything but a refusal is a success of the attack. */
void refused(const char *what, const char *code, const char *expected)
{
    if (!strcmp(code, "ok"))
        shout("attack succeeded: %s: %.200s", what, in.text);
    else if (strstr(expected, code))
        shout("attack refused: %s: %s", what, code);
    else
        shout("attack unexpected: %s: %s, expected %s", what, code, expected);
}

void ready(void)
{
    wire_say(W_READY, "{\"revision\":0}");
}

/* pause() is no call of a worker: a loop of it would spin. */
void still(void)
{
    for (;;)
        poll(NULL, 0, -1);
}

void stay(void)
{
    wire_linger(&in, 0);
}

static const struct attack {
    const char *name;
    void (*run)(void);
    bool constructor;
    bool linger; /* stay alive afterwards, answering pings: the host alone decides */
} attacks[] = {
#define FRAME(x)                                                                                   \
    {                                                                                              \
#x, f_##x, false, true                                                                     \
    }
    FRAME(hello_twice),
    FRAME(ready_twice),
    FRAME(huge),
    FRAME(zero),
    FRAME(type_99),
    FRAME(flags),
    FRAME(envelope_long),
    FRAME(envelope_huge),
    FRAME(host_frames),
    FRAME(fake_event),
    FRAME(fake_peer),
    FRAME(src_log),
    FRAME(src_host),
    FRAME(src_other),
    FRAME(random),
    FRAME(fds),
#define PLAIN(letter, x)                                                                           \
    {                                                                                              \
#x, letter##_##x, false, true                                                              \
    }
    PLAIN(p, partial),
    PLAIN(p, close),
    PLAIN(p, shutdown),
    PLAIN(p, exit_0),
    PLAIN(p, exit_7),
    PLAIN(p, ready_exit),
    PLAIN(p, hang),
    PLAIN(p, late_pong),
    PLAIN(p, pong_flood),
    PLAIN(p, memory),
    PLAIN(p, fork),
    PLAIN(p, fail_flood),
    PLAIN(a, calls),
    PLAIN(a, subscribe),
    PLAIN(a, publish),
    PLAIN(a, routes),
    PLAIN(a, replies),
    PLAIN(a, twice),
    PLAIN(a, outputs),
    PLAIN(a, json),
    PLAIN(d, log),
    PLAIN(d, metric),
    PLAIN(d, stderr),
    PLAIN(d, events),
    PLAIN(d, events_big),
    PLAIN(d, call),
    PLAIN(d, metrics_call),
    PLAIN(d, logs_call),
    PLAIN(d, bad_call),
    PLAIN(d, denied),
    PLAIN(d, bad_json),
    PLAIN(d, pending),
    PLAIN(d, slow_reader),
    PLAIN(d, tables),
    {"log_words", w_log, false, true},
    {"metric_words", w_metric, false, true},
    PLAIN(w, log_big),
    PLAIN(w, title),
    {"title_early", w_title, true, false},
    PLAIN(s, regex),
    PLAIN(s, any),
    PLAIN(s, unique),
    PLAIN(x, state_files),
    PLAIN(x, state_fill),
    PLAIN(x, state_removed),
    PLAIN(x, state_deep),
    PLAIN(x, state_mapped),
    PLAIN(x, state_leaderless),
    PLAIN(x, state_moved),
    {"state_early", x_state_early, true, false},
    PLAIN(g, authority),
    PLAIN(g, names),
    PLAIN(g, agent),
    {"never_ready", stay, false, true},
#define EARLY(x)                                                                                   \
    {                                                                                              \
        "c_" #x, c_##x, true, false                                                                \
    }
    EARLY(crash),
    EARLY(hang),
    EARLY(spin),
    EARLY(exit),
    EARLY(close),
    EARLY(ready),
    EARLY(greet),
    EARLY(abi),
    EARLY(garbage),
    EARLY(fork),
};

static const struct attack *mine(void)
{
    for (unsigned i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++)
        if (is(attacks[i].name))
            return &attacks[i];
    return NULL;
}

static char own_path[80];

__attribute__((constructor)) static void constructor(void)
{
    const struct attack *attack = mine();

    /* The package of attack prepare_hang is v-prepare-hang, its configuration /v-prepare-hang. */
    snprintf(own_path, sizeof(own_path), "/v-");
    for (unsigned i = 0; marker[i] && i < sizeof(marker); i++)
        own_path[3 + i] = marker[i] == '_' ? '-' : marker[i];

    if (!attack || !attack->constructor)
        return;
    shout("attack begins %s", attack->name);
    attack->run();
}

static int init(struct orb_ctx *ctx, struct orb_err *err)
{
    const struct attack *attack = mine();

    if (attack && attack->constructor)
        return 0;
    if (attack) {
        shout("attack begins %s", attack->name);
        attack->run();
        stay();
    }
    shout("attack begins (callbacks)");
    return 0;
}

/* Configuration: takes part in commits, and spoils them. */
/* The request is pending in the SDK: the answer takes its number. */
static void answer_wrongly(const struct orb_ctx *ctx, const char *reply)
{
    if (!ctx->conf.req) {
        shout("attack unexpected: no request is being worked on");
        return;
    }
    wire_frame((struct wire_frame){.type = W_REP, .corr = ctx->conf.req->corr}, NULL, reply);
}
/* Never done, and always about to be. */
static void work_on(struct orb_ctx *ctx, const char *at)
{
    for (shout("attack works at %s", at);; usleep(100000))
        orb_progress(ctx);
}
static int prepare(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err)
{
    if (change->initial)
        return 0;
    shout("attack is asked to prepare");
    if (is("prepare_hang"))
        still();
    if (is("prepare_works"))
        work_on(ctx, "prepare");
    if (is("prepare_error"))
        return orb_fail(err, ORB_E_INVALID, "never");
    if (is("prepare_never"))
        return ORB_LATER;
    if (is("prepare_exit"))
        _exit(0);
    if (is("prepare_shape")) {
        answer_wrongly(ctx, "{\"plan\":\"yes\",\"committed\":true}");
        return ORB_LATER;
    }
    return 0;
}
static int apply(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err)
{
    if (change->initial)
        return 0;
    shout("attack is asked to apply");
    if (is("apply_hang"))
        still();
    if (is("apply_works"))
        work_on(ctx, "apply");
    if (is("apply_error"))
        return orb_fail(err, ORB_E_INVALID, "never");
    if (is("apply_exit"))
        _exit(0);
    if (is("apply_shape")) {
        answer_wrongly(ctx, "[true]");
        return ORB_LATER;
    }
    return 0;
}
static int undo(struct orb_ctx *ctx, const struct orb_change *change, bool applied,
                struct orb_err *err)
{
    return 0;
}
static int on_echo(struct orb_ctx *ctx, struct orb_req *req, const cJSON *given,
                   struct orb_err *err)
{
    orb_reply(req, cJSON_Duplicate(given, 1));
    return 0;
}
static const char *const paths[] = {own_path, NULL};
static const struct orb_config config = {
    .paths = paths, .prepare = prepare, .apply = apply, .abort = undo};
static const struct orb_method methods[] = {{"echo", on_echo, 0}, {0}};

#ifdef ATTACKER_NO_DESCRIPTOR
__attribute__((visibility("default"))) extern const struct orb_plugin not_orbital_plugin;
__attribute__((visibility("default")))
const struct orb_plugin not_orbital_plugin = {.abi = 1, .init = init};
#elif defined ATTACKER_ABI
ORB_EXPORT extern const struct orb_plugin orbital_plugin;
ORB_EXPORT const struct orb_plugin orbital_plugin = {.abi = ATTACKER_ABI, .init = init};
#else
ORB_PLUGIN(.name = "attacker", .methods = methods, .init = init, .config = &config);
#endif
