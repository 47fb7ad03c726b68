/* The dataplane transaction: the calls to dataplane@1 for one change of the configuration, made by
 * the SDK's callbacks prepare, apply and abort. Each returns 0 when there is nothing to do,
 * ORB_LATER when orb_config_done() follows, or below 0 with err (and path). change is valid until
 * then. */
#ifndef PLUGINS_FIREWALL_DPTX_H
#define PLUGINS_FIREWALL_DPTX_H

#include "orbital/orbital.h"
#include "plugins/firewall/changeset.h"

enum dptx_state {
    DPTX_NONE,    /* nothing was sent, or it was dropped */
    DPTX_DRAFT,   /* tx is a draft in the data plane */
    DPTX_APPLIED, /* tx is the running policy */
};

struct dptx {
    enum dptx_state state;
    double tx; /* as JSON gives it; below 2^53 */
    struct changeset changes;
    unsigned next;                   /* batch to send next */
    const struct orb_change *change; /* of the pending callback */
    bool applying;                   /* apply was called */
    bool first;                      /* the stored configuration after a start */
    struct orb_err failure;          /* reported after the draft was dropped */
};

/* Sends the affected entries as a draft and has the data plane check it. */
int dptx_prepare(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err);
/* Swaps in what prepare read and brings the draft into force. */
int dptx_apply(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err);
/* applied: apply was called for it. Drops the draft, or restores the previous policy. */
int dptx_abort(struct orb_ctx *ctx, const struct orb_change *change, bool applied,
               struct orb_err *err);
/* The callback for the progress of calls (orb_on_progress): the present step is being worked on. */
void dptx_on_progress(struct orb_ctx *ctx, void *arg, const char *phase, int percent);
/* Frees what prepare read (prepared.h). */
void dptx_discard(struct orb_ctx *ctx, void *prepared);

#endif
