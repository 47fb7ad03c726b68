/* What the engine's files share: struct engine and the objects it owns. */
#ifndef CONFIG_ENGINE_INTERNAL_H
#define CONFIG_ENGINE_INTERNAL_H

#include "plugins/config/engine.h"
#include "plugins/config/overlay.h"
#include "plugins/config/parts.h"
#include "plugins/config/refs.h"
#include "plugins/config/store.h"

/* From the last sign of progress (orb_progress), and deadlines.progress-ms in all. */
#define ENGINE_PREPARE_MS 10000u
#define ENGINE_APPLY_MS 20000u
#define ENGINE_GRACE_MS 3000u /* after a restart: for known subscribers to attach again */
#define ENGINE_RETRY_MS 5000u
#define ENGINE_SNAPSHOT_MS 1000u
#define ENGINE_HEAL_MS 5000u /* between attempts to write on a disk that took nothing */
#define ENGINE_ABORT_MS                                                                            \
    1000u                   /* a refused change is live at most so much longer than a deadline     \
                             */
#define ENGINE_TURN_MS 500u /* for the services to follow one after the other; then all at once */
#define ENGINE_LOCK_MS (3600u * 1000)
#define ENGINE_MAX_CANDIDATES 64u
#define ENGINE_MAX_LOAD (64u * 1024 * 1024)
#define ENGINE_MAX_JOBS 64u
#define ENGINE_JOBS_OF_ONE 8u /* identity: the others' commits have room */
#define ENGINE_FOR_PEOPLE 2u  /* one of so many candidates, or jobs, is no service's */
#define ENGINE_MAX_DUMPS 16u
#define ENGINE_MAX_CONFIRM_S 86400u
#define ENGINE_ITSELF "system" /* the name under which the engine commits */
#define GRANT_PATH_MAX 1024u
#define SLICE_BYTES (128u * 1024)  /* of text */
#define SLICE_QUOTED (200u * 1024) /* of the same text as a JSON string in a frame */
#define INLINE_BYTES (128u * 1024) /* patch or value inside a frame */

/* ---- candidate.c: one per identity, kept in memory and in candidate-USER.ops ---- */
struct candidate {
    struct candidate *next;
    char *user; /* identity: grants_identity() */
    struct overlay changes;
    bool committing;
    struct buf load; /* text of load-part so far */
    unsigned lost;   /* changes that could not be read back */
    size_t appended; /* bytes, to a file that had rewritten bytes when it was written anew */
    size_t rewritten;
    int unsaved; /* negative errno: the file is behind, and written anew with the next edit */
};

/* ---- subscriber.c ---- */
enum presence {
    SUB_UNKNOWN, /* known from disk, not attached since this start */
    SUB_ATTACHED,
    SUB_OFFLINE,
};

struct subscriber {
    struct subscriber *next; /* in the order of first attaching: dependencies come first */
    char *name;
    char **paths;   /* attached to: each was granted */
    char **secrets; /* below which it sees secrets, NULL ends */
    size_t path_count;
    enum presence presence;
    bool tried; /* it brought what waits to be confirmed into the kernel, or may have */
    uint32_t peer;
    uint64_t revision; /* handed out at attach */
    uint64_t due;      /* the newest that changed what it reads; 0: not known in this run */
    struct buf text;   /* what attach hands out in slices */
    unsigned strikes;  /* for transactions it spoilt, less those it followed */
    bool left_out;     /* so it is not asked */
    uint64_t probe_at; /* monotonic: it is asked again */
};

struct waiting_attach {
    struct waiting_attach *next;
    char *name;
    uint32_t peer;
    json_t *paths;
    char **secrets;
    void *req;
};

/* ---- transaction.c ---- */
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
    bool restart;    /* cannot follow: the host starts it anew after the commit */
    struct buf text; /* its part of the patch */
    json_t *plan;
};

struct job {
    struct job *next;
    char *user;
    char *comment;
    uint32_t confirm_s;
    bool dry_run;
    uint64_t undoes; /* 0: commits the user's candidate */
    void *req;       /* NULL: no client waits */
};

struct tx {
    struct engine *engine;
    struct job *job;
    uint64_t id;
    json_t *patch;
    struct participant *parts;
    size_t count, at; /* at: the participant being applied or aborted */
    size_t outstanding;
    uint64_t live_at;  /* monotonic: the first was told to apply, 0: none was */
    uint64_t abort_at; /* monotonic: the first was told to go back, 0: it goes forward */
    uint64_t turn_at;  /* monotonic: all who are left are told at once, 0: each waits its turn */
    bool prepared;     /* journaled */
    bool unwritten;    /* an undo the disk does not take: it goes through in memory */
    uint64_t confirm_by_us;
    struct orb_err err; /* the first failure */
};

/* A long value being handed out in slices, pinned when the first slice was asked for. */
struct dump {
    struct dump *next;
    char who[80]; /* identity */
    uint32_t peer;
    uint64_t revision;
    char *key;
    struct buf text;
};

struct engine {
    struct engine_host host;
    struct store store;
    struct parts parts;
    struct refs refs;
    json_t *unfit; /* {part: why} */
    struct candidate *candidates;
    struct subscriber *subscribers;
    struct waiting_attach *waiting;
    struct job *jobs;
    struct tx *tx;
    uint64_t applying; /* the revision tx is bringing services to, 0: none */
    struct dump *dumps;
    uint64_t grace_until; /* monotonic */
    json_t *undone;       /* the patch that was undone at start, until the grace is over */
    uint64_t confirm_at;  /* monotonic; 0: nothing to undo */
    uint64_t snapshot_at;
    uint64_t heal_at;
    uint64_t applied_us; /* monotonic: when the unconfirmed commit was applied */
    uint64_t given_tx;   /* number of the transaction begun last, 0: none in this run */
    char *lock_user;
    uint64_t lock_at; /* monotonic */
};

/* A request being answered: refuse or reply exactly once. */
struct ask {
    struct engine *engine;
    const struct engine_caller *caller;
    const json_t *in;
    void *req;
    char who[80]; /* grants_identity() */
};

/* engine.c */
void engine_refuse(struct engine *engine, void *req, const struct orb_err *err);
void engine_reply(struct engine *engine, void *req, const struct buf *text);
/* Dumps reply (taken) and answers. */
void engine_answer(struct engine *engine, void *req, json_t *reply);
void engine_step(const struct engine *engine, const char *name);
/* What is due between two transactions: a snapshot, another attempt to write. */
void engine_between(struct engine *engine);
/* Tells the host what stands against the store, or that nothing does any more. */
void engine_report(struct engine *engine);
/* Tells the host which revision the kernel is brought to. */
void engine_enforced(struct engine *engine);
/* follow.c: tells the host which revision each service should follow. */
void follow_engine(struct engine *engine);
/* tx was committed: who has a part in it should follow that. */
void follow_committed(struct tx *tx);
/* Stored parts that no installed package has: the host is told of each, and when one has gone. */
void follow_unserved(struct engine *engine);
void follow_part_gone(struct engine *engine, const char *part);
bool follow_is_served(const struct engine *engine, const char *part);
/* Sets the next wish for engine_tick. */
void engine_arm(struct engine *engine);
/* Appends as much of text from offset as one frame carries, quoted: the value of "data". */
void engine_slice_add(struct buf *to, const struct buf *text, size_t offset, size_t *ret_len);
/* Number of a member; fallback when it is absent. */
uint64_t engine_number_in(const json_t *in, const char *key, uint64_t fallback);
const char *engine_text_in(const json_t *in, const char *key, const char *fallback);

/* grants.c */
/* Kind and name in one word: a local user is the bare name, the others are "token:NAME",
 * "service:NAME", "host:NAME". */
void grants_identity(const struct engine_caller *caller, char *to, size_t size);
bool grants_is_person(const struct engine_caller *caller);
bool grants_is_service(const char *who);
/* May it see what stands at path, an RFC 6901 pointer ("" is the whole tree)? Anybody but a service
 * may. The check_ forms refuse with ORB_E_DENIED and name the capability. */
bool grants_reads(const struct engine_caller *caller, const char *path);
int grants_check_read(const struct engine_caller *caller, const char *path, struct orb_err *err);
int grants_check_write(const struct engine_caller *caller, const char *path, struct orb_err *err);
int grants_check_candidate(const struct engine_caller *caller, const struct candidate *candidate,
                           struct orb_err *err);
/* The paths below which it sees secrets, NULL ends; freed with grants_paths_free. NULL: it is no
 * service, and sees none. */
char **grants_secrets(const struct engine_caller *caller);
void grants_paths_free(char **paths);
static inline void own_paths(char ***paths)
{
    grants_paths_free(*paths);
}
/* Does its entry of /services (NULL: none) grant what it attached to and sees in clear? */
bool grants_cover(const struct engine *engine, const struct subscriber *s, const json_t *entry);
/* Does /services grant the service to read path, as it is configured now? */
bool grants_configured(const struct engine *engine, const char *name, const char *path);
/* Takes and returns value (may be NULL), which stands at path, with secrets masked that do not lie
 * below one of the paths. secrets NULL: as people see it. */
json_t *grants_show(const struct engine *engine, char *const *secrets, const char *path,
                    json_t *value);
/* A copy of path as far as it may be shown to who sees secrets below these paths. */
char *grants_path(const struct engine *engine, char *const *secrets, const char *path);
/* The ops of patch that lie in the subtrees; one above is cut down to them. */
json_t *grants_patch_within(const json_t *patch, char *const *paths, size_t count);
/* The same with what the caller may read. */
json_t *grants_patch_readable(const struct engine_caller *caller, const json_t *patch);
/* A copy of patch with secrets masked as in grants_show; what changes inside a secret is left out.
 */
json_t *grants_patch_shown(const struct engine *engine, char *const *secrets, const json_t *patch);

/* candidate.c */
int candidate_file_load_all(struct engine *engine, struct orb_err *err);
void candidate_free_all(struct engine *engine);
void candidate_file_report_all(struct engine *engine);
struct candidate *candidate_find(struct engine *engine, const char *user);
/* The user's candidate, made when there is none; NULL with err when it may not be edited now. */
struct candidate *candidate_edit(struct engine *engine, const char *user, struct orb_err *err);
/* op: "set", "merge" or "delete"; value is taken. */
int candidate_op(struct engine *engine, struct candidate *candidate, const char *op,
                 const char *path, json_t *value, struct orb_err *err);
/* Makes the candidate's tree exactly tree (borrowed). */
int candidate_replace(struct engine *engine, struct candidate *candidate, json_t *tree,
                      struct orb_err *err);
struct candidate *candidate_new(struct engine *engine, const char *user);

/* candidate_file.c */
/* Adds a line of the file to text; value NULL: a deletion. */
void candidate_file_line(struct buf *text, uint64_t base, const char *path, const json_t *value);
/* Appends lines of changes that c has already. */
void candidate_file_append(struct engine *engine, struct candidate *c, const struct buf *lines);
/* The file and its problem go. */
void candidate_file_forget(struct engine *engine, const char *user);
/* Writes the file anew from memory. */
void candidate_file_rewrite(struct engine *engine, struct candidate *candidate);
/* NULL, or why edits of this candidate end with the service. */
const char *candidate_file_unsaved(const struct candidate *candidate);
/* The tree of revision from is revision to now: what was based on one is based on the other. */
void candidate_moved_all(struct engine *engine, uint64_t from, uint64_t to);
void candidate_drop(struct engine *engine, const char *user);
/* 0, or ORB_E_CONFLICT naming the paths others changed since. */
int candidate_conflicts(struct engine *engine, const struct candidate *candidate,
                        struct orb_err *err);

/* subscriber.c */
int subscriber_load_all(struct engine *engine, struct orb_err *err);
void subscriber_free_all(struct engine *engine);
void subscriber_serve_all(struct engine *engine); /* answers waiting attaches */
struct subscriber *subscriber_find(struct engine *engine, const char *name);
/* The ops of patch that concern the subscriber, as it may see them; NULL when none does. */
json_t *subscriber_patch(const struct engine *engine, const struct subscriber *sub,
                         const json_t *patch);

/* bypass.c */
/* NULL, or why s is not asked, in words for the plan. ret_stays: it may go on reading what it
 * reads. */
const char *bypass_reason(const struct tx *tx, const struct subscriber *s, bool *ret_stays);
/* It hung or died when it was asked: after some of these in a row it is left out. */
void bypass_spoilt(struct engine *engine, const char *name);
void bypass_followed(struct engine *engine, const char *name);
void bypass_committed(struct tx *tx);

/* transaction.c, participant.c */
int transaction_enqueue(struct engine *engine, struct job *job, bool first, struct orb_err *err);
void transaction_next(struct engine *engine);
void transaction_finish(struct tx *tx);
void transaction_free(struct tx *tx);
void transaction_job_free(struct job *job);
bool participant_list(struct tx *tx); /* false: wait for known subscribers to come back */
void participant_prepare(struct tx *tx);
void transaction_prepared(struct tx *tx);
void participant_apply(struct tx *tx);
void transaction_applied(struct tx *tx);
void participant_abort(struct tx *tx);
void participant_tick(struct tx *tx);
void transaction_aborted(struct tx *tx);
/* confirm.c: after an undo, a service that did not follow and brought into the kernel what was
 * undone is started anew, also when a person stopped it: an undo that leaves the kernel as it was
 * leaves that person cut off. */
void confirm_tx_back(struct tx *tx);
/* The same for what was undone at the start, once known subscribers had time to attach. */
void confirm_undone_tick(struct engine *engine);
/* host@1 service-restart: for one that answers. */
void service_restart(struct engine *engine, const char *name, const char *why);
/* host@1 service-late: ends one that does not; its successor attaches to what is stored. */
void service_late(struct engine *engine, const char *name, const char *why);
/* host@1 service-needed: starts one that a person stopped; it attaches to what is stored. */
void service_needed(struct engine *engine, const char *name, const char *why);

/* words.c: the secrets a service can know, so that people do not read them in its sentences. NULL:
 * none. Later functions take NULL. */
struct words;
struct words *words_of(const struct tx *tx, const char *service);
void words_free(struct words *w);
static inline void own_words(struct words **w)
{
    words_free(*w);
}
void words_show(const struct words *w, const char *text, struct buf *to); /* appends it, masked */
void words_plan(const struct words *w, json_t *plan);                     /* in place */
void words_error(const struct words *w, struct orb_err *err);

/* confirm.c */
void confirm_started(struct engine *engine);
void confirm_tick(struct engine *engine);
/* Safe mode: goes back to the last revision that is known to run well, if another is the newest. */
void confirm_safe_at_boot(struct engine *engine);
/* A person has committed something: what runs is what is wanted. */
void confirm_safe_over(struct engine *engine);
int confirm_at_boot(struct engine *engine, struct orb_err *err);
/* Commits a patch without participants (before subscribers attach). */
int confirm_commit_alone(struct engine *engine, const struct revision *meta, json_t *patch,
                         struct orb_err *err);
uint64_t confirm_next_tx(struct engine *engine);

/* methods_*.c: each answers its request */
typedef void method_fn(struct ask *ask);
method_fn subscriber_attach, subscriber_fetch, subscriber_list;
method_fn methods_read_get, dumps_get_part, methods_read_diff, methods_read_history, methods_schema;
method_fn methods_edit_edit, methods_edit_load_part, methods_edit_discard, methods_edit_rollback,
    methods_edit_lock, methods_edit_unlock, methods_edit_validate;
method_fn transaction_commit, confirm_method;
method_fn methods_salvage, methods_salvage_accept;
int methods_edit_check_lock(struct engine *engine, const char *user, struct orb_err *err);
void dumps_free(struct engine *engine, uint32_t peer /* 0: all */); /* dumps.c */
/* methods_read.c: the path of a request ("": the whole tree); what the request may look at there:
 * the running tree, the caller's candidate, an old revision. *ret_value is NULL where nothing is.
 */
const char *methods_read_path(const json_t *in);
int methods_read_view(const struct ask *ask, const char *path, json_t **ret_value,
                      uint64_t *ret_revision, struct orb_err *err);

#endif
