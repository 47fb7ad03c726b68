/* Calls of the package: what is in flight, by correlation number, with deadlines. */
#ifndef CORE_WORKER_SDK_CALL_H
#define CORE_WORKER_SDK_CALL_H

#include <stdint.h>

#include "orbital/orbital.h"

struct inframe;
struct orb_ctx;
struct sdk_target;
struct sdk_timer;

enum sdk_call_kind { SDK_CALL_REQ, SDK_CALL_OPEN, SDK_CALL_SUB };

struct sdk_call {
    struct sdk_call *next;
    enum sdk_call_kind kind;
    uint32_t corr;
    uint64_t deadline_at;
    struct sdk_target *target; /* NULL for sessions */
    struct orb_err *failed;    /* known already, to be reported from the loop */
    orb_reply_fn *done;
    orb_text_fn *done_text;
    void *arg;
    char *what; /* for SUB: "interface/topic" */
};

/* PROGRESS: the deadline of the call it belongs to, which is returned, begins anew. NULL: there is
 * no such call any more. */
struct sdk_call *sdk_call_continues(struct orb_ctx *ctx, const struct inframe *frame);
/* REP, ERR or OPENED: ends the call it belongs to. */
void sdk_call_answer(struct orb_ctx *ctx, const struct inframe *frame);
/* Sends a SUB whose refusal is logged. */
int sdk_call_subscribe(struct orb_ctx *ctx, const char *to, const char *topic, struct orb_err *err);
/* Ends calls whose deadline is over; sdk_open() gives it to the timer. */
void sdk_call_on_timer(struct sdk_timer *timer);
void sdk_call_fini(struct orb_ctx *ctx);

/* A new call in the list; deadline_ms as in orb_call. */
struct sdk_call *sdk_call_new(struct orb_ctx *ctx, enum sdk_call_kind kind, uint32_t deadline_ms);
/* The timer of deadlines fires at this moment of now_ms(), or before. */
void sdk_call_arm(struct orb_ctx *ctx, uint64_t at);

#endif
