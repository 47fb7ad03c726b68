/* The engine driven by a test: a state directory, a clock that only the test moves, and services
 * whose answer to each phase the test chooses. Calls are queued and answered by fake_pump(), as a
 * loop would. */
#ifndef TEST_CONFIG_FAKE_H
#define TEST_CONFIG_FAKE_H

#include "core/base/buf.h"
#include "core/json/tree.h"
#include "plugins/config/engine.h"

/* FAKE_SILENT: the answer never comes, and the caller gets an error when the deadline is over.
 * FAKE_WORKS: the same without a deadline, as it reports progress. FAKE_PICKY: refuses all but a
 * change without effect. */
enum fake_mode {
    FAKE_OK,
    FAKE_ERROR,
    FAKE_GONE,
    FAKE_TIMEOUT,
    FAKE_AWAY,
    FAKE_SILENT,
    FAKE_WORKS,
    FAKE_PICKY
};
enum fake_phase { FAKE_PREPARE, FAKE_APPLY, FAKE_ABORT };

struct fake_service {
    char name[16];
    char path[32];
    char secret[48];  /* another capability, "": none */
    bool explains;    /* a step of its plan in apply, too */
    char words[128];  /* of its plans and errors, "": some */
    const char *plan; /* a text for its plan, NULL: words */
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
    uint64_t deadline;
    bool silent;
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
    struct buf sent;     /* the input of the last prepare */
    struct buf logged;   /* event names */
    const char *kill_at; /* step at which the process ends */
    unsigned steps;      /* or the number of the step */
    unsigned kill_number;
    unsigned published;
    json_t *problems; /* {key: what} of the present problems */
    /* What the host stores; 0 after a reboot. */
    uint64_t enforced, void_tx, good;
    uint64_t told, enforced_id; /* the id is that of the revision reported */
    json_t *follow;             /* the last report about revisions to the host */
    uint64_t applying;          /* the first one of them that was not 0 */
    const char *without;        /* a package that is not installed */
    const char *guest;    /* schema.json of the third-party package guest, NULL: it has none */
    uint64_t us;          /* monotonic, increases with each call */
    uint32_t newest_peer; /* of fake_ask, and when it was opened */
    uint64_t newest_us;
    void *told_to;             /* the test's own */
    uint64_t made_us;          /* of the tokens that ask */
    const char *const *grants; /* of a "service:NAME" in fake_ask */
    /* of the last request */
    void *awaited;
    uintptr_t requests;
    const char *method;
    bool answered;
    json_t *reply;
    struct orb_err err;
    struct buf text;
};

void fake_new(struct fake *f);
void fake_open(struct fake *f);
void fake_close(struct fake *f); /* as in a crash: no service is notified */
void fake_free(struct fake *f);
struct fake_service *fake_service(struct fake *f, const char *name, const char *path);
void fake_attach(struct fake *f, struct fake_service *s);
/* The same while the answer of another request is awaited. */
void fake_attach_meanwhile(struct fake *f, struct fake_service *s);
/* Only sends it: whether it was answered shows in f->answered. */
void fake_attach_send(struct fake *f, struct fake_service *s);
/* Unanswered calls are answered after all, according to the present modes. */
void fake_wake(struct fake *f);
void fake_pump(struct fake *f);
void fake_advance(struct fake *f, uint64_t ms);
/* Sends and pumps; format gives the JSON input. Returns 0 or the error's code. */
int fake_ask(struct fake *f, const char *user, uint32_t peer, const char *method,
             const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Only sends and pumps: f->answered, f->err and f->reply have the result. */
void fake_send(struct fake *f, const char *user, uint32_t peer, const char *method, const char *in);
/* A commit by ada that must succeed. */
void fake_set(struct fake *f, const char *path, const char *value);
void fake_commit(struct fake *f);
/* The text of the problem reported under key, NULL: there is none. */
const char *fake_problem(struct fake *f, const char *key);
/* The revision that service should follow, as reported to the host; ret_configured may be NULL. */
uint64_t fake_due(struct fake *f, const char *service, bool *ret_configured);
/* As fake_open, but returns the result when it fails (reason in f->err). */
int fake_try_open(struct fake *f);
/* The running tree as text, freed with the fake. */
const char *fake_running(struct fake *f);

#endif
