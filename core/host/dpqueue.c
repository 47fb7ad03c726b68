/* The list of dpservice is the order: the job that is done, changes (round 0), reads by rounds. */
#include "core/host/dpqueue.h"

#include "core/ipc/identity.h"

#define CHANGES 64      /* waiting at most; more is `busy` */
#define READS 512       /* the same */
#define READS_OF_ONE 64 /* of one identity */

static bool only_reads(const struct dp_job *job)
{
    return job->kind == DP_COUNTERS || job->kind == DP_STATUS || job->kind == DP_TEST ||
           job->kind == DP_FLOWS;
}

static bool is_of(const struct dp_job *job, const struct host_caller *caller)
{
    return job->req && identity_same(job->of, job->name, caller->kind, caller->name);
}

int dpqueue_check(const struct dpservice *s, const struct dp_job *job, struct orb_err *err)
{
    unsigned changes = 0, reads = 0, own = 0;

    for (const struct dp_job *other = s->first; other; other = other->next) {
        changes += other->req && !only_reads(other);
        reads += only_reads(other);
        own += only_reads(other) && is_of(other, s->caller);
    }
    if (!only_reads(job))
        return changes < CHANGES
                   ? 0
                   : orb_fail(
                         err, ORB_E_BUSY,
                         "%d changes of the data plane wait, the limit; try again when one is done",
                         CHANGES);
    if (own >= READS_OF_ONE)
        return orb_fail(
            err, ORB_E_BUSY,
            "%d requests of \"%s\" wait for the data plane, the limit; try again when one "
            "is answered",
            READS_OF_ONE, s->caller->name);
    return reads < READS ? 0
                         : orb_fail(err, ORB_E_BUSY,
                                    "%d requests wait for the data plane, the limit; try again "
                                    "when one is answered",
                                    READS);
}

/* One round after the identity's last one. */
static uint64_t round_of(const struct dpservice *s, const struct dp_job *job)
{
    uint64_t last = s->round;

    for (const struct dp_job *other = s->first; other; other = other->next)
        if (other->round > last && other->req &&
            identity_same(other->of, other->name, job->of, job->name))
            last = other->round;
    return last + 1;
}

void dpqueue_add(struct dpservice *s, struct dp_job *job)
{
    struct dp_job **at = s->running ? &s->first->next : &s->first;

    job->round = only_reads(job) ? round_of(s, job) : 0;
    while (*at && (*at)->round <= job->round)
        at = &(*at)->next;
    job->next = *at;
    *at = job;
}

void dpqueue_begin(struct dpservice *s)
{
    if (s->first->round > s->round)
        s->round = s->first->round;
}
