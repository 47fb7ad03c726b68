/* The engine in a test's hands: a state directory, a clock that stands still, and services whose
 * answer to each phase the test chooses. Calls are queued and answered by fake_pump(), as a loop
 * would. */
#ifndef TEST_CONFIG_FAKE_H
#define TEST_CONFIG_FAKE_H

#include "core/base/buf.h"
#include "core/json/tree.h"
#include "plugins/config/engine.h"

enum fake_mode { FAKE_OK, FAKE_ERROR, FAKE_GONE, FAKE_TIMEOUT, FAKE_AWAY };
enum fake_phase { FAKE_PREPARE, FAKE_APPLY, FAKE_ABORT };

struct fake_service {
    char name[16];
    char path[32];
    uint32_t peer;
    enum fake_mode mode[3];
    /* What a real one keeps: the revision it works by, and a transaction on its way. */
    uint64_t revision, before, tx, next;
    bool prepared, applied;
};

struct fake_call {
    char *to, *method, *text;
    engine_done *done;
    void *arg;
    struct fake_call *next;
};

struct fake {
    struct engine *engine;
    struct engine_host host;
    struct log_sink log;
    char dir[64];
    bool fresh;
    uint64_t now, wall, wake_at;
    struct fake_service *services; /* shared with forked children */
    unsigned service_count;
    struct fake_call *calls;
    struct buf trace;    /* "firewall.prepare system.prepare firewall.apply …" */
    struct buf logged;   /* event names */
    const char *kill_at; /* step at which the process ends */
    unsigned steps;      /* or the number of the step */
    unsigned kill_number;
    unsigned published;
    /* of the last request */
    const char *method;
    bool answered;
    json_t *reply;
    struct orb_err err;
    struct buf text;
};

void fake_new(struct fake *f);
void fake_open(struct fake *f);
void fake_close(struct fake *f); /* as a crash: nothing is said to anybody */
void fake_free(struct fake *f);
struct fake_service *fake_service(struct fake *f, const char *name, const char *path);
void fake_attach(struct fake *f, struct fake_service *s);
void fake_pump(struct fake *f);
void fake_advance(struct fake *f, uint64_t ms);
/* Sends and pumps; format gives the JSON input. Returns 0 or the error's code. */
int fake_ask(struct fake *f, const char *user, uint32_t peer, const char *method,
             const char *format, ...) __attribute__((format(printf, 5, 6)));
/* A commit by ada that must succeed. */
void fake_set(struct fake *f, const char *path, const char *value);
void fake_commit(struct fake *f);
/* The running tree as text, freed with the fake. */
const char *fake_running(struct fake *f);

#endif
