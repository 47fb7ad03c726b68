/* The session with dataplane@1 about one change of the configuration: the three callbacks of the
 * SDK. Each starts a part of it and returns 0 when there is nothing to do, ORB_LATER when
 * orb_config_done() follows, or below 0 with err (and path). change: the SDK keeps it until
 * then. */
#ifndef PLUGINS_FIREWALL_DPSESSION_H
#define PLUGINS_FIREWALL_DPSESSION_H

#include "orbital/orbital.h"
#include "plugins/firewall/changeset.h"

enum dpsession_state {
    DPSESSION_NONE,    /* nothing was sent, or it was dropped */
    DPSESSION_DRAFT,   /* tx is a draft over there */
    DPSESSION_APPLIED, /* tx is the running policy */
};

struct dpsession {
    enum dpsession_state state;
    double tx; /* as JSON gives it; below 2^53 */
    struct changeset changes;
    unsigned next;                   /* batch to send next */
    const struct orb_change *change; /* of the callback that waits; the SDK keeps it until done */
    bool first;                      /* it brings the stored configuration after a start */
    struct orb_err failure;          /* told after the draft was dropped */
};

/* Sends what the change touches as a draft and has it checked. */
int dpsession_prepare(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err);
/* Swaps in what prepare read and brings the draft into force. */
int dpsession_apply(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err);
/* applied: apply was called for it. Drops the draft, or goes back to the policy of before. */
int dpsession_abort(struct orb_ctx *ctx, const struct orb_change *change, bool applied,
                    struct orb_err *err);
/* Frees what prepare read (prepared.h). */
void dpsession_discard(struct orb_ctx *ctx, void *prepared);

#endif
