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
    struct orb_err failure;          /* told after the draft was dropped */
};

struct firewall {
    struct talk talk;
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

/* counters.c: methods. */
int on_counters(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err);
int on_status(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err);

#endif
