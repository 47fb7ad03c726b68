/* The configuration of a worker: what its files share, from the attached tree over the steps of a
 * change to undoing them. Part of sdk_internal.h. */
#ifndef CORE_WORKER_SDK_CONF_H
#define CORE_WORKER_SDK_CONF_H

#include "core/base/buf.h"
#include "orbital/orbital.h"

struct sdk_timer;

enum sdk_own_method { SDK_OWN_NONE, SDK_OWN_PREPARE, SDK_OWN_APPLY, SDK_OWN_ABORT };

/* One step of the undo list: path had the value old (NULL: none). */
struct sdk_undo {
    char *path;
    cJSON *old;
};

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
    void *prepared; /* sdk_prepared.c */
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

/* ---- sdk_conf.c ---- */
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

/* ---- sdk_step.c ---- */
/* Calls the package's callback for the present state. */
void sdk_step_run(struct orb_ctx *ctx);
/* Answers the request being worked on, if there is one; out is taken. */
void sdk_step_answer(struct orb_ctx *ctx, cJSON *out, const struct orb_err *err);
/* Frees the patch of the change. */
void sdk_step_drop_patch(struct sdk_conf *conf);
/* Frees the undo list. */
void sdk_step_drop_undo(struct sdk_conf *conf);

/* ---- sdk_plan.c ---- */
/* {"plan": […]}, as prepare and apply are answered; there is none any more. */
cJSON *sdk_plan_take(struct sdk_conf *conf);
/* Frees the plan. */
void sdk_plan_drop(struct sdk_conf *conf);

/* ---- sdk_paths.c ---- */
/* Sets conf.paths; ORB_E_DENIED when the package uses a path it was not granted. */
int sdk_paths_choose(struct orb_ctx *ctx, struct orb_err *err);

/* ---- sdk_prepared.c ---- */
/* After prepare: what is in the slot can be freed. */
int sdk_prepared_check(struct orb_ctx *ctx, struct orb_err *err);
/* The change cannot be undone any more, or the worker ends: frees what is in the slot. */
void sdk_prepared_discard(struct orb_ctx *ctx);

/* ---- sdk_alone.c ---- */
/* The step that is being worked on has so long; then the worker ends as failed. */
void sdk_alone_start(struct orb_ctx *ctx, uint32_t ms);
/* The same with the time of orb_now_ms() when it is over. */
void sdk_alone_until(struct orb_ctx *ctx, uint64_t at);
/* The step has ended: no time runs. */
void sdk_alone_end(struct orb_ctx *ctx);
/* Restarts the time-out after progress. */
void sdk_alone_progress(struct orb_ctx *ctx);
/* The time is over; sdk_open() gives it to the timer. */
void sdk_alone_on_timer(struct sdk_timer *timer);

/* ---- sdk_attach.c ---- */
/* (Re)starts attach; the tree arrives in sdk_conf_attached. */
void sdk_attach_start(struct orb_ctx *ctx);
/* Attach is tried again; sdk_open() gives it to the timer. */
void sdk_attach_on_timer(struct sdk_timer *timer);
/* Fetches {what}: slices until conf->want bytes are in conf->text; then sdk_conf_fetched. */
void sdk_attach_fetch_tx(struct orb_ctx *ctx, size_t bytes);
/* The tree was received (takes it), of that revision. */
void sdk_conf_attached(struct orb_ctx *ctx, cJSON *tree, uint64_t revision);
/* conf.text is complete, or err has the reason. */
void sdk_conf_fetched(struct orb_ctx *ctx, const struct orb_err *err);

/* ---- sdk_tree.c: a cJSON tree changed by patches ---- */
/* Applies patch to tree and notes how to undo it. On error the tree is as before. */
int sdk_tree_apply(cJSON *tree, const cJSON *patch, struct sdk_undo **ret_undo, size_t *ret_count,
                   struct orb_err *err);
/* Undoes and frees the list. ret_inverse (may be NULL): the patch that was applied by this. */
void sdk_tree_undo(cJSON *tree, struct sdk_undo *undo, size_t count, cJSON **ret_inverse);
/* Frees the list without undoing it: the change stays. */
void sdk_tree_undo_free(struct sdk_undo *undo, size_t count);
/* Node at a JSON pointer, NULL when there is none. */
cJSON *sdk_tree_at(cJSON *tree, const char *path);
/* Patch that turns was into is, whole parts of paths at a time; was NULL: everything is set. Its
 * values refer into is: delete it before is changes. */
cJSON *sdk_tree_parts(cJSON *was, cJSON *is, const char *const *paths);

#endif
