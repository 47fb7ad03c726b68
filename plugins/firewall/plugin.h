/* The firewall service: what it keeps while it runs. */
#ifndef PLUGINS_FIREWALL_PLUGIN_H
#define PLUGINS_FIREWALL_PLUGIN_H

#include "orbital/orbital.h"
#include "plugins/firewall/rows.h"
#include "plugins/firewall/work.h"

/* The conversation with the data plane about one transaction. */
enum talk_state {
    TALK_NONE,    /* nothing was sent, or it was dropped */
    TALK_DRAFT,   /* tx is a draft over there */
    TALK_APPLIED, /* tx is the running policy */
};

struct talk {
    enum talk_state state;
    double tx; /* as JSON gives it; below 2^53 */
    struct work work;
    unsigned next;                   /* put to send next */
    const struct orb_change *change; /* of the callback that waits; the SDK keeps it until done */
    bool first;                      /* it brings the stored configuration after a start */
    struct orb_err failure;          /* told after the draft was dropped */
};

/* What could not be brought into force at the start (retry.c). */
struct retry {
    bool owed;
    bool talking;     /* an attempt is on its way */
    bool cancelled;   /* a commit is being prepared or applied meanwhile */
    bool paid;        /* it brought the policy into force, and may yet be taken back */
    struct work work; /* the whole policy; without messages where it cannot even be written */
    struct orb_timer *timer;
    uint32_t wait_ms;
    double tx; /* of the attempt, 0: none */
    unsigned next;
    char what[360], path[ORB_ERR_PATH];
};

struct firewall {
    struct talk talk;
    struct retry retry;
    struct rows rows;
    char trouble[ORB_ERR_TEXT]; /* why the data plane did not do its part, "" when it did */
};

/* talk.c: each starts a part of the conversation; orb_config_done() ends it. */
int talk_prepare(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err);
int talk_apply(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err);
int talk_abort(struct orb_ctx *ctx, const struct orb_change *change, bool applied,
               struct orb_err *err);
/* Remembers whether the data plane answers, for the health, and reports it as a problem. */
void talk_note(struct orb_ctx *ctx, struct firewall *self, const struct orb_err *err);

/* fold.c: problems about the destination NAT of a configuration that is in force. */
void fold_report(struct orb_ctx *ctx, const cJSON *tree);

/* retry.c */
int retry_init(struct orb_ctx *ctx, struct firewall *self, struct orb_err *err);
void retry_fini(struct firewall *self);
/* The data plane did not do its part for a commit: is asked until it answers again. */
void retry_probe(struct firewall *self);
/* The first change failed for err: what it says is tried again until it is in force. */
void retry_owe(struct orb_ctx *ctx, struct firewall *self, const struct orb_change *change,
               const struct orb_err *err);
/* A commit begins; it sends the whole policy where something is owed. */
void retry_cancel(struct orb_ctx *ctx, struct firewall *self);
/* It came to nothing. */
void retry_resume(struct orb_ctx *ctx, struct firewall *self);
/* It brought the policy into force. */
void retry_paid(struct orb_ctx *ctx, struct firewall *self);

/* counters.c: methods. */
int counters_answer(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err);
int counters_answer_status(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in,
                           struct orb_err *err);

#endif
