/* The services' side of a transaction: who takes part, and prepare; turn.h goes on with apply and
 * abort. Each of the three ends in one callback of struct tx_events, perhaps before the function
 * returns; tx may be gone then. */
#ifndef CONFIG_PARTICIPANT_H
#define CONFIG_PARTICIPANT_H

#include "plugins/config/engine_internal.h"

struct job;
struct tx;

/* PART_LATE: it missed a deadline; the host starts it anew, and it is asked nothing more. */
enum part_state {
    PART_ASKED,
    PART_READY,
    PART_APPLIED,
    PART_FAILED,
    PART_LATE,
    PART_ABORTING,
    PART_OUT
};

struct participant {
    struct tx *tx;
    char *name;
    uint32_t peer;
    enum part_state state;
    bool applying;   /* apply was sent: an abort must say so */
    bool probed;     /* it was left out: its failure does not fail the commit */
    bool anew;       /* not asked: the host starts it anew after the commit */
    bool third;      /* of a third party: asked to apply behind all that are shipped */
    bool restart;    /* cannot follow: the host starts it anew after the commit */
    struct buf text; /* its part of the patch */
    json_t *plan;
};

/* What the owner of a transaction is told. prepared: all have answered, tx->err has the first
 * refusal. applied: all have applied. aborted: all have gone back, also after a failure to prepare
 * or apply. */
struct tx_events {
    void (*prepared)(struct tx *tx);
    void (*applied)(struct tx *tx);
    void (*aborted)(struct tx *tx);
};

struct tx {
    struct engine *engine;
    const struct tx_events *events;
    struct job *job;
    uint64_t id;
    json_t *patch;
    struct participant *parts;
    size_t count, at; /* at: the participant being applied or aborted */
    size_t outstanding;
    uint64_t live_at;  /* monotonic: the first was told to apply, 0: none was */
    uint64_t abort_at; /* monotonic: the first was told to go back, 0: it goes forward */
    uint64_t turn_at;  /* monotonic: all who are left are told at once, 0: each waits its turn */
    uint64_t revision; /* that it leads to */
    bool follows;      /* of what is committed already: it goes through, as an undo does */
    bool failed;    /* one could not apply: all go back once those that were asked have answered */
    bool prepared;  /* journaled */
    bool unwritten; /* an undo the disk does not take: it goes through in memory */
    uint64_t confirm_by_us;
    struct orb_err err;       /* the first failure */
    uint64_t asked_at;        /* monotonic: prepare was sent */
    struct participant *gone; /* went away in prepare, to be asked again; NULL: none */
};

/* Fills tx->parts from its patch, for job. False: wait for known subscribers, or for the one that
 * job asks again, to come back. */
bool participant_list(struct tx *tx, const struct job *job);
/* Does tx go through without who fails? An undo does. */
bool participant_must_follow(const struct tx *tx);
/* Asks all who take part; ends in tx_events.prepared. */
void participant_prepare(struct tx *tx);

#endif
