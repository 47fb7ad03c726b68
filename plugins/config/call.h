/* Pending calls to the services of a transaction. The answer to one that was abandoned is ignored,
 * so that a transaction can end before it. */
#ifndef CONFIG_CALL_H
#define CONFIG_CALL_H

#include "plugins/config/participant.h"

typedef void call_done(struct participant *p, const char *text, size_t len,
                       const struct orb_err *err);

struct call {
    struct call *next; /* in the engine's list */
    struct engine *engine;
    struct participant *p; /* NULL: given up */
    call_done *done;
    uint64_t at; /* monotonic: when it was sent */
};

/* Sends a request of the config contract, text borrowed. Below 0: it was not sent, and done is not
 * called. */
int call_send(struct participant *p, const char *method, const struct buf *text,
              uint32_t deadline_ms, call_done *done, struct orb_err *err);
/* The one p has to answer, NULL: none. */
struct call *call_of(const struct participant *p);
/* Who has to answer the call that was sent with done_arg; NULL: it is none of these, or was given
 * up. */
struct participant *call_participant(const struct engine *engine, const void *done_arg);
/* p has nothing to answer any more. */
void call_forget(const struct participant *p);
/* Frees all; their answers must not come any more. */
void call_free_all(struct engine *engine);
/* When the first of those that a transaction waits for has used up the time of its service
 * (strikes.h), monotonic; 0: none. */
uint64_t call_over_at(const struct tx *tx);
/* One whose time is used up, NULL: none. */
struct participant *call_over(const struct tx *tx);

#endif
