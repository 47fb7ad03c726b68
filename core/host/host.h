/* The host process as one struct, and what the files of this room offer main.c. */
#ifndef CORE_HOST_HOST_H
#define CORE_HOST_HOST_H

#include <uv.h>

#include "core/auth/auth.h"
#include "core/ipc/broker.h"
#include "core/ipc/host.h"
#include "core/obs/logs.h"
#include "core/obs/metrics.h"
#include "core/pkg/package.h"
#include "core/sup/runtime.h"
#include "core/sup/supervisor.h"

#define HOST_PACKAGE_DIRS 8

struct host_options {
    const char *state_dir;
    const char *run_dir;
    const char *package_dirs[HOST_PACKAGE_DIRS + 1]; /* NULL ends */
    const char *bpffs;
    const char *instance;
    const char *first_config; /* file, need not exist */
    const char *cgroup;       /* NULL: found by itself */
    enum logs_output output;
    enum log_level level;
    bool no_dataplane;
    bool detach;                        /* take everything away and exit */
    bool safe_mode;                     /* asked for; see struct orbitald */
    char *owned[HOST_PACKAGE_DIRS + 4]; /* strings made for the fields above */
    unsigned owned_count;
};

/* Reads argv into options, which hold the defaults. 0: go on; 1: done (help, version, a check),
 * exit with *ret_code; -1: a wrong word, which was reported, *ret_code is set as well. */
int options_parse(struct host_options *options, int argc, char **argv, int *ret_code);
/* The error on stderr; what it quotes of packages and files does nothing to the terminal. */
void options_say(const struct orb_err *err);
/* Workers have another root: every directory becomes an absolute path. */
void options_absolute(struct host_options *options);
void options_fini(struct host_options *options);

struct dpservice;     /* dataplane@1 */
struct arp;           /* arp@1 */
struct good;          /* good.h */
struct confpart;      /* a part of the configuration, confpart.h */
struct statedir;      /* statedir.h */
struct names;         /* who a uid is: names.h */
struct health;        /* the verdict over the appliance: verdict.h */
struct host_problems; /* problem.h */
struct stall;         /* how long the loop does not look: stall.h */

struct orbitald {
    struct host_options options;
    uv_loop_t *loop;
    struct logs *logs;
    struct log_sink *log;
    struct metrics *metrics;
    struct auth *auth;
    struct sandbox *sandbox;
    struct broker *broker;
    struct package_list packages;
    struct buf refused;      /* packages that are not: JSON objects with a comma between them */
    unsigned refused_more;   /* for which there was no room */
    struct runtime *runtime; /* of the supervisor: its workers on the loop */
    struct supervisor *supervisor; /* the runtime's */
    struct dpservice *dataplane;
    struct arp *arp;
    struct confpart *services;
    struct names *names;
    struct statedir *state; /* main's */
    struct health *health;
    struct host_problems *problems; /* health's; NULL without */
    struct confpart *system;
    struct log_job *log_first; /* logs_iface.c: questions that wait for the disk */
    unsigned log_waiting;
    uv_timer_t log_pause; /* between two answers, so that others are served as well */
    bool log_paused;
    struct stall *stall; /* main's */
    struct contract *host_contract, *auth_contract, *dataplane_contract, *arp_contract,
        *services_contract, *system_contract;
    const struct contract *builtin[5]; /* the first four of these, NULL ends */
    struct token_job *tokens_first;    /* auth_iface.c: changes of tokens that wait for the disk */
    unsigned tokens_waiting;
    uint64_t token_lifetime_s; /* of one that is made without saying; 0: does not expire */
    uint64_t started_ms;
    struct good *good;              /* main's */
    uint64_t applying, unconfirmed; /* revisions, as the config service said; 0: none (follow.c) */
    uint64_t revision;    /* of the configuration, as the config service said; 0: not known */
    const char *starting; /* the step of the start that is next, NULL: services are being started */
    bool safe;            /* last good configuration, shipped packages only (starts.h) */
    bool stopping;
    int exit_code;
};

#define MADE_US 1790000000000000ull /* 2026-09-21: no wall clock that is set stands before it */

/* Provide host@1 and auth@1. */
int host_iface_provide(struct orbitald *host, struct orb_err *err);
int auth_iface_provide(struct orbitald *host, struct orb_err *err);
/* Says whether the file of tokens can be used: call when it was read or written. */
void auth_iface_check_tokens(struct orbitald *host);
/* Ends the sessions of tokens that have expired; called once a second. */
void auth_iface_expire_tokens(struct orbitald *host);

/* metrics_iface.c: a page of the metrics, from the place that input names on: {"text", "next"?}. */
int metrics_iface_host(struct orbitald *host, const char *input, size_t len, struct buf *out,
                       struct orb_err *err);

/* enforced.c: host@1 enforced. Notes the revision and the transaction input names, if any, and
 * answers with what is known. */
int enforced_request(struct orbitald *host, const char *input, size_t len, struct buf *out,
                     struct orb_err *err);

/* follow.c: host@1 follow. What the verdict compares the services' own words with. */
int follow_request(struct orbitald *host, const char *input, size_t len, struct orb_err *err);
/* May a person stop this service now? Not the config service while only it can undo, or end, what
 * it has begun. */
int follow_may_stop(const struct orbitald *host, const char *service, struct orb_err *err);

/* dpservice.c: provides dataplane@1; without a usable kernel its methods answer with the reason. */
int dpservice_new(struct orbitald *host, struct dpservice **ret_service, struct orb_err *err);
/* What the data plane goes without, as of its last job; service may be NULL. */
void dpwatch_given_up(const struct dpservice *service,
                      void (*each)(void *arg, const char *feature, const char *reason), void *arg);
/* given_up.c: appends a JSON list of {feature, reason}. */
void given_up_write(const struct orbitald *host, struct json_write *w, const char *key);
/* Waits for a running job, then frees itself through the loop. Pins stay. */
void dpservice_close(struct dpservice *service);
/* OpenMetrics text; service may be NULL. */
void dpservice_metrics(const struct dpservice *service, struct buf *ret_text);

/* svcconf.c: the contract of /services, made of what is installed: a name or a grant that no
 * package asks for is refused where it is typed. ret_short: names of packages that ask for more
 * than there is room for; their grants are taken unchecked. */
int svcconf_contract(const struct package_list *packages, struct contract **ret_contract,
                     struct buf *ret_short, struct orb_err *err);
/* Follows /services. Errors: as confpart_new. */
int svcconf_new(struct orbitald *host, struct confpart **ret_part, struct orb_err *err);

/* logconf.c: the same for /system/logging, which the host heeds itself. */
int logconf_contract(const struct package_list *packages, struct contract **ret_contract,
                     struct orb_err *err);
int logconf_new(struct orbitald *host, struct confpart **ret_part, struct orb_err *err);

/* logs_iface.c: host@1 logs and log-runs, which look into files on a thread. false: it is another
 * method; else req will be answered. */
bool logs_iface_request(struct orbitald *host, struct host_req *req,
                        const struct host_caller *caller, const char *method, const char *input,
                        size_t len);

/* Makes the pause timer of log_pause; the handle belongs to scope. logs_iface_hurry ends a pause.
 */
struct loop_scope;
void logs_iface_watch(struct orbitald *host, struct loop_scope *scope);
void logs_iface_hurry(struct orbitald *host);

/* sd_notify(3) datagram to $NOTIFY_SOCKET, nothing without one. */
void notify_send(const char *socket_path, const char *text);

#endif
