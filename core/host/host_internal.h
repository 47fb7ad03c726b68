/* struct orbitald, the host process as one object, which the files of this directory share. */
#ifndef CORE_HOST_HOST_INTERNAL_H
#define CORE_HOST_HOST_INTERNAL_H

#include <uv.h>

#include "core/auth/auth.h"
#include "core/host/options.h"
#include "core/ipc/broker.h"
#include "core/ipc/host.h"
#include "core/obs/logs.h"
#include "core/obs/metrics.h"
#include "core/pkg/package.h"
#include "core/sup/runtime.h"
#include "core/sup/supervisor.h"

struct dpservice;     /* dataplane@1 */
struct arp;           /* arp@1 */
struct good;          /* good.h */
struct confpart;      /* a part of the configuration, confpart.h */
struct statedir;      /* statedir.h */
struct names;         /* names of uids: names.h */
struct health;        /* health of the appliance: health.h */
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
    struct confpart *filter; /* NULL: its service is there */
    int filter_wanted;       /* enum filterconf: what is known of /firewall */
    struct names *names;
    struct statedir *state; /* main's */
    struct health *health;
    struct host_problems *problems; /* health's; NULL without */
    struct confpart *system;
    struct log_job *log_first; /* logs_interface.c: questions that wait for the disk */
    unsigned log_waiting;
    uv_timer_t log_pause; /* between two answers, so that others are served as well */
    bool log_paused;
    struct stall *stall; /* main's */
    struct contract *host_contract, *auth_contract, *dataplane_contract, *arp_contract,
        *services_contract, *system_contract;
    const struct contract *builtin[5]; /* the first four of these, NULL ends */
    struct token_job *tokens_first; /* auth_interface.c: changes of tokens that wait for the disk */
    unsigned tokens_waiting;
    struct service_control_job *control_first; /* service_control.c: requests that wait */
    struct enforced_job *enforced_first;       /* enforced.c: requests in their order */
    uint64_t token_lifetime_s;                 /* of tokens made without a lifetime; 0: no expiry */
    uint64_t started_ms;
    struct good *good; /* main's */
    /* Revisions reported by the config service; 0: none (follow.c). */
    uint64_t applying, unconfirmed;
    uint64_t revision;    /* of the configuration, reported by the config service; 0: unknown */
    const char *starting; /* the step of the start that is next, NULL: services are being started */
    bool safe;            /* last good configuration, shipped packages only (starts.h) */
    bool stopping;
    int exit_code;
};

#define MADE_US 1790000000000000ull /* 2026-09-21: a wall clock before it is not set */

#endif
