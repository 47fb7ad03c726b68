/* The services' side of a transaction: participants and prepare; turn.h continues with apply and
 * abort. Each of the three ends in one callback of struct tx_events, perhaps before the function
 * returns; tx may be freed then. */
#ifndef CONFIG_PARTICIPANT_H
#define CONFIG_PARTICIPANT_H

#include "plugins/config/engine_internal.h"

struct job;
struct tx;

/* PART_LATE: it missed a deadline; the host restarts it, and it gets no more calls. */
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
    bool applying;    /* apply was sent: an abort must carry that */
    unsigned percent; /* of the present step, as it reported; 0 to 100 */
    bool probed;      /* it was left out: its failure does not fail the commit */
    bool anew;        /* left out: the host restarts it after the commit */
    bool third;       /* third party: applies after all shipped ones */
    bool restart;     /* cannot follow: the host restarts it after the commit */
    struct buf text;  /* its part of the patch */
    json_t *plan;
    json_t *answer; /* to the question of the job; NULL: none */
};

/* Callbacks to the owner of a transaction. prepared: all have answered, tx->err has the first
 * refusal. applied: all have applied. aborted: all have reverted, also after a failure to prepare
 * or apply. */
struct tx_events {
    void (*prepared)(struct tx *tx);
    void (*applied)(struct tx *tx);
    void (*aborted)(struct tx *tx);
};

/* What a transaction means to a subscriber, found out before others could change anything. */
struct outlook {
    char *name;
    uint64_t entered; /* struct subscriber: of one that attached anew meanwhile it does not hold */
    bool concerned;
    struct buf text; /* its part of the patch */
};

struct tx {
    struct engine *engine;
    const struct tx_events *events;
    struct job *job;
    uint64_t id;
    json_t *patch;
    json_t *services; /* what of the patch is about /services */
    struct outlook *outlooks;
    size_t outlook_count;
    struct participant *parts;
    size_t count, at; /* at: the participant being applied or aborted */
    size_t outstanding;
    uint64_t live_at;  /* monotonic: first apply, 0: none */
    uint64_t abort_at; /* monotonic: first abort, 0: none */
    uint64_t turn_at;  /* monotonic: all remaining are called at once, 0: one after the other */
    uint64_t revision; /* that it leads to */
    bool follows;      /* of something committed already: it is completed, like an undo */
    bool failed;       /* one could not apply: all revert once those called have answered */
    bool prepared;     /* journaled */
    bool unwritten;    /* an undo that cannot be written: it is completed in memory */
    uint64_t confirm_by_us;
    struct orb_err err;       /* the first failure */
    uint64_t asked_at;        /* monotonic: prepare was sent */
    struct participant *gone; /* disconnected in prepare, to be called again; NULL: none */
};

/* Looks at the patch for each subscriber, in slices. */
void participant_look(struct tx *tx);
/* Fills tx->parts from its patch, for job, in one step; participant_look() came before. False: wait
 * for known subscribers, or for the one that job calls again, to attach. */
bool participant_list(struct tx *tx, const struct job *job);
/* Whether tx is completed without those that fail, like an undo. */
bool participant_must_follow(const struct tx *tx);
/* Calls all participants; ends in tx_events.prepared. */
void participant_prepare(struct tx *tx);

#endif
