/* The supervisor under a million events in any order. After each turn of the loop all invariants
 * of fake_check() hold. In the end, without further events and with well-behaved workers, all that
 * can run runs, and stops in order. SEED=N repeats a run. */
#include <stdio.h>
#include <string.h>

#include "core/base/own.h"
#include "test/lib/harness.h"
#include "test/unit/sup/fake.h"

#define EVENTS 1000000u
#define LIFE 20000u /* events in the life of one supervisor */

/* xorshift64* */
static uint64_t state;

static uint32_t any(uint32_t below)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)((state * 2685821657736338717ull) >> 33) % below;
}

/* Up to 12 packages; each requires up to two others: later ones, itself, or one that is not there.
 */
static void packages(struct fake *f)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f",    "g",
                                        "h", "i", "j", "k", "l", "ghost"};
    unsigned count = 2 + any(11);

    for (unsigned i = 0; i < count; i++) {
        AUTO(buf) struct buf requires = {0};
        struct package *p;

        for (unsigned n = any(3); n; n--)
            buf_addf(&requires, "%s%s", requires.len ? " " : "",
                     names[any(20) ? any(i + 1) : any(13)]);
        p = fake_package(f, names[i], buf_str(&requires));
        p->shipped = any(4) != 0;
        p->manifest.phase = any(PHASE_OPERATIONAL);
        p->manifest.restart = any(4) ? RESTART_ALWAYS : any(3);
        p->manifest.breaker_healthy_s = any(20);
        p->manifest.breaker_failures = 1 + any(8);
    }
}

static struct service *any_service(struct fake *f)
{
    return f->sup->services[any(f->sup->count)];
}

/* Something a worker can do at any time. */
static void worker_event(struct fake *f, struct service *s)
{
    const struct worker_events *e = &service_worker_events;
    struct fake_worker *w = (struct fake_worker *)(void *)s->worker;

    switch (any(9)) {
    case 0:
    case 1:
        if (!w->opened)
            e->ready(s, any(3));
        break;
    case 2:
        if (!w->opened)
            e->late(s);
        break;
    case 3:
        e->unhealthy(s);
        break;
    case 4:
        e->failed(s, "it broke a rule");
        break;
    case 5:
        e->progress(s);
        break;
    case 6:
        e->applied(s, any(3));
        break;
    default:
        fake_exit(f, service_name(s), any(2));
    }
}

static void order(struct fake *f, struct service *s)
{
    const char *name = service_name(s);
    struct limits limits = {.ready_ms = any(2) * 5000};

    switch (any(7)) {
    case 0:
        control_stop(f->sup, name, "ada", NULL);
        break;
    case 1:
        control_restart(f->sup, name, NULL);
        break;
    case 2:
        control_kill(f->sup, name, "a deadline", NULL);
        break;
    case 3:
        control_need(f->sup, name, "undone", NULL);
        break;
    case 4:
        control_configure(f->sup, name, (int)any(3) - 1, NULL, &limits, NULL);
        break;
    default:
        control_start(f->sup, name, NULL);
    }
}

static void something(struct fake *f)
{
    /* What a worker or a timer may still have sent when it means nothing any more. */
    static const enum machine_event stray[] = {EVENT_READY,     EVENT_LATE,  EVENT_FAULT,
                                               EVENT_UNHEALTHY, EVENT_RETRY, EVENT_PROBE};
    struct service *s = any_service(f);

    switch (any(10)) {
    case 0:
        order(f, s);
        break;
    case 1:
        f->spawn_fails = any(8) == 0;
        f->random = any(UINT32_MAX);
        supervisor_release(f->sup);
        break;
    case 2:
        fake_advance(f, any(4) ? any(200) : any(60000));
        break;
    case 3:
        service_event(s, stray[any(sizeof(stray) / sizeof(stray[0]))], "a stray event");
        break;
    default:
        if (s->worker)
            worker_event(f, s);
    }
    if (any(3)) /* else there is more before the turn ends */
        fake_turn(f);
    buf_clear(&f->trace);
    buf_clear(&f->logged);
}

/* Every worker behaves from now on, and time passes: nothing may be stuck. */
static void recover(struct fake *f)
{
    f->spawn_fails = false;
    supervisor_release(f->sup);
    fake_turn(f);
    for (int round = 0; round < 40; round++) {
        for (unsigned i = 0; i < f->sup->count; i++) {
            struct service *s = f->sup->services[i];

            if (s->state == MACHINE_STOPPING || s->state == MACHINE_KILLING)
                fake_exit(f, service_name(s), s->state == MACHINE_STOPPING);
        }
        fake_advance(f, 60000);
        fake_run_all(f);
    }
    for (unsigned i = 0; i < f->sup->count; i++) {
        const struct service *s = f->sup->services[i];

        fake_must(s->state == MACHINE_RUNNING || s->state == MACHINE_DISABLED ||
                      s->state == MACHINE_FAILED || s->state == MACHINE_WAITING,
                  "%s is stuck in state %d", service_name(s), s->state);
        fake_must(s->state != MACHINE_FAILED || s->package->manifest.restart != RESTART_ALWAYS,
                  "%s was given up for good", service_name(s));
    }
}

static bool has_dependant(struct fake *f, const struct service *service)
{
    for (unsigned i = 0; i < f->sup->count; i++)
        for (struct service **r = f->sup->services[i]->requires; *r; r++)
            if (*r == service && f->sup->services[i]->worker)
                return true;
    return false;
}

/* A service is stopped only when no service that requires it has a worker. */
static void stop_all(struct fake *f)
{
    unsigned left = f->workers;

    supervisor_stop(f->sup);
    fake_turn(f);
    while (f->workers) {
        struct service *s = any_service(f);
        const struct fake_worker *w = (const struct fake_worker *)(const void *)s->worker;

        if (!w || !(w->stopped || w->killed))
            continue;
        fake_must(w->killed || !has_dependant(f, s), "%s stops before what requires it",
                  service_name(s));
        fake_exit(f, service_name(s), any(2));
        fake_turn(f);
        fake_must(f->workers == --left, "a worker was started while the host stops");
    }
    fake_must(f->stopped_told == 1, "told %u times that all stopped", f->stopped_told);
}

static void life(void)
{
    struct fake f;

    fake_new(&f);
    packages(&f);
    fake_open(&f);
    for (unsigned i = 0; i < f.sup->count; i++)
        if (any(2))
            f.sup->services[i]->enabled = 1;
    supervisor_start(f.sup);
    fake_turn(&f);
    for (unsigned i = 0; i < LIFE; i++)
        something(&f);
    recover(&f);
    stop_all(&f);
    fake_free(&f);
}

TEST(nothing_that_happens_brings_the_supervisor_into_a_state_that_may_not_be)
{
    state = harness_seed();
    for (unsigned i = 0; i < EVENTS / LIFE; i++)
        life();
}
