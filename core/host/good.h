/* The last good revision: one with which the appliance was operational for a minute. Safe mode
 * loads it. */
#ifndef CORE_HOST_GOOD_H
#define CORE_HOST_GOOD_H

#include "core/host/host_internal.h"
#include "core/loop/loop_scope.h"

#define GOOD_AFTER_MS 60000

struct good {
    struct orbitald *host;
    uv_timer_t timer;
    uv_work_t work;
    uint64_t writing; /* the revision a thread writes, 0: none does */
    uint64_t written;
    struct orb_err err; /* of the writing */
};

/* Before the loop runs: reads the file. host must outlive it; its timer belongs to scope. */
void good_init(struct good *good, struct orbitald *host, struct loop_scope *scope);
/* The appliance is operational, or runs another revision (host->revision): the minute begins. */
void good_watch(struct good *good);
/* Answers boot-mode of host@1: safe or normal, and what good_read_file() finds; a problem of the
 * host when that cannot be read. Taken; answered later. */
void good_request(struct orbitald *host, struct host_req *req);
/* STATE/good-revision, on any thread: 0: there is none, or err reports why it cannot be read (code
 * 0 otherwise). */
uint64_t good_read_file(const char *state_dir, struct orb_err *err);
/* What good_read_file() found becomes a problem of the host, or ends one. */
void good_report(struct orbitald *host, const struct orb_err *err);

#endif
