/* The configuration of a worker: its state, and which step is done when. */
#ifndef CORE_WORKER_SDK_CONF_H
#define CORE_WORKER_SDK_CONF_H

#include "core/base/buf.h"
#include "orbital/orbital.h"

struct orb_ctx;
struct orb_req;
struct sdk_undo;

enum sdk_own_method { SDK_OWN_NONE, SDK_OWN_PREPARE, SDK_OWN_APPLY, SDK_OWN_ABORT };

enum sdk_conf_state {
    SDK_CONF_NONE,         /* no configuration wanted */
    SDK_CONF_ATTACHING,    /* waiting for attach and its slices */
    SDK_CONF_SYNC_PREPARE, /* first configuration, or catching up with a restarted config service */
    SDK_CONF_SYNC_APPLY,
    SDK_CONF_IDLE,
    SDK_CONF_FETCHING, /* slices of a large patch */
    SDK_CONF_PREPARING,
    SDK_CONF_PREPARED,
    SDK_CONF_APPLYING,
    SDK_CONF_APPLIED, /* can still be aborted until the next prepare */
    SDK_CONF_BROKEN,  /* apply failed: only abort may follow */
    SDK_CONF_ABORTING,
};

struct sdk_conf {
    enum sdk_conf_state state;
    uint32_t owner;     /* peer that drives transactions: the config service */
    const char **paths; /* the plugin's, or all that are granted; NULL ends */
    uint64_t revision;  /* applied */
    uint64_t before;    /* applied before that */
    uint64_t told;      /* revision last reported to the host */
    bool applied;       /* parameter of abort() */
    cJSON *tree;
    cJSON *patch;
    cJSON *plan;
    cJSON *question, *answer; /* of this prepare; NULL: none */
    void *prepared;           /* sdk_prepared.c */
    struct sdk_undo *undo;
    size_t undo_count;
    struct orb_change change;
    struct orb_req *req;    /* being worked on */
    struct orb_req *queued; /* received while another step was running */
    enum sdk_own_method queued_method;
    struct buf text; /* slices */
    size_t want;
    uint64_t next_revision;
    bool again;   /* attach once more when nothing else is going on */
    bool waiting; /* it was logged that the config service is awaited */
    bool calling; /* inside a callback of the plugin */
    bool early;   /* orb_config_done was called inside the callback */
    struct orb_err early_err;
};

/* Fetches the subscribed parts from the config service, then calls sdk_started. */
void sdk_conf_start(struct orb_ctx *ctx);
/* A request of the config service: prepare, apply or abort. Taken; answered when the step has
 * ended. */
void sdk_conf_request(struct orb_ctx *ctx, struct orb_req *req, enum sdk_own_method method);
/* A peer disconnected; no effect unless it is the config service. */
void sdk_conf_gone(struct orb_ctx *ctx, uint32_t peer);
/* Nothing is going on: what waited has its turn. */
void sdk_conf_settle(struct orb_ctx *ctx);
/* Restarts the deadline of prepare or apply. */
void sdk_conf_progress(struct orb_ctx *ctx, uint64_t now);
/* The config service this worker attached to is gone. */
void sdk_conf_provider_gone(struct orb_ctx *ctx);
void sdk_conf_fini(struct orb_ctx *ctx);
/* The tree was received (takes it), of that revision. */
void sdk_conf_attached(struct orb_ctx *ctx, cJSON *tree, uint64_t revision);
/* conf.text is complete, or err has the reason. */
void sdk_conf_fetched(struct orb_ctx *ctx, const struct orb_err *err);

#endif
