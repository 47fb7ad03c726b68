/* Long checks on a thread. The cost of checking a value depends on the contract, which belongs to a
 * package, so the loop spends a fixed short time on it (OFFLOAD_UNITS); a check that needs more,
 * and any large value, runs on one thread. Further frames of the sender wait until then – of a
 * service that acts for users only those of the same session, behind an answer only events, since
 * other clients wait for the answers – and after the check the frame is
 * handled as if just received, so changes in between (a deadline passed, a provider is gone) are
 * taken into account. Identities take turns on the thread, whatever the number of their
 * connections. */
#include "core/ipc/offload.h"

#include <string.h>
#include <time.h>

#include "core/base/xalloc.h"
#include "core/ipc/broker_internal.h"
#include "core/ipc/refusal.h"
#include "core/json/scan.h"
#include "core/loop/loop_wake.h"

#define OFFLOAD_UNITS 4000u         /* of a check on the loop: some 0.2 ms */
#define OFFLOAD_BYTES 32768u        /* a larger payload always runs on the thread */
#define OFFLOAD_ANSWERS 4u          /* of one peer, while it is read further */
#define OFFLOAD_WAITING (64u << 20) /* bytes of frames that wait for the thread or are there */

struct job {
    struct job *next;
    struct ipc_peer *peer; /* NULL: it went away */
    const struct contract *contract;
    struct checked checked;
    uint64_t since_ms;
    uint64_t cpu_ns; /* what it took */
    uint64_t round;
    struct frame h;
    unsigned char data[]; /* the frame as received */
};

/* Lists and end are under the lock; a job's peer is the loop's alone. */
struct offload {
    struct broker *broker;
    offload_done *on_done;
    uv_thread_t thread;
    struct loop_wake done_sign; /* started with the thread */
    uv_mutex_t lock;
    uv_cond_t sign;
    bool started, end;
    bool held;        /* nothing is begun */
    uint64_t round;   /* of the job that was begun last */
    struct job *todo; /* by round */
    struct job *now;  /* the thread is at it */
    struct job *done; /* in their order */
    size_t bytes;     /* of all of them; the loop's alone */
};

static size_t bytes_of(const struct job *job)
{
    return FRAME_HEADER + job->h.len;
}

static void work_at(struct job *job)
{
    struct inframe in = {.h = job->h, .data = job->data};
    struct checked *c = &job->checked;
    struct timespec begin, end;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
    inframe_locate(&in);
    c->result = scan_json(in.payload, in.len, NULL, &c->err);
    if (c->result == 0)
        c->result = schema_check(c->schema, in.payload, in.len, "", &c->err);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    job->cpu_ns =
        (uint64_t)((end.tv_sec - begin.tv_sec) * 1000000000 + end.tv_nsec - begin.tv_nsec);
}

static void append(struct job **list, struct job *job)
{
    while (*list)
        list = &(*list)->next;
    job->next = NULL;
    *list = job;
}

static void on_thread(void *arg)
{
    struct offload *offload = arg;

    uv_mutex_lock(&offload->lock);
    while (!offload->end) {
        struct job *job = offload->todo;

        if (!job || offload->held) {
            uv_cond_wait(&offload->sign, &offload->lock);
            continue;
        }
        offload->todo = job->next;
        offload->round = job->round;
        offload->now = job;
        uv_mutex_unlock(&offload->lock);
        work_at(job);
        uv_mutex_lock(&offload->lock);
        offload->now = NULL;
        append(&offload->done, job);
        uv_mutex_unlock(&offload->lock); /* the loop takes it as soon as it is woken */
        loop_wake_send(&offload->done_sign);
        uv_mutex_lock(&offload->lock);
    }
    uv_mutex_unlock(&offload->lock);
}

static void job_free(struct offload *offload, struct job *job)
{
    offload->bytes -= bytes_of(job);
    contract_free((struct contract *)(uintptr_t)job->contract);
    free(job);
}

/* The principal charged for a frame: a session, else the connection. NULL with err: the session has
 * ended. */
static struct principal *payer(struct ipc_peer *peer, const struct frame *h, struct orb_err *err)
{
    return h->type == FRAME_REQ ? principal_of(peer, h->src, err) : &peer->self;
}

/* The frame again, with its result. */
static void finish(struct job *job)
{
    struct ipc_peer *peer = job->peer;
    struct broker *broker = peer->broker;
    struct inframe in = {.h = job->h, .data = job->data, .checked = &job->checked};
    uint64_t waited = uv_now(broker->loop) - job->since_ms;
    struct orb_err err;
    struct principal *who = payer(peer, &job->h, &err);

    inframe_locate(&in);
    if (job->h.type == FRAME_REP && !job->checked.blocks)
        peer->checks--;
    if (in.h.deadline_ms)
        in.h.deadline_ms = waited < in.h.deadline_ms ? in.h.deadline_ms - (uint32_t)waited : 1;
    if (!who) { /* the session ended in between, and all of its requests with it */
        refusal_answer(peer, in.h.corr, &err);
    } else {
        broker->offload->on_done(peer, who, &in, job->cpu_ns);
    }
    if (!peer->checks && peer->conn.awaited)
        conn_await(&peer->conn, false);
    conn_group_flush(&broker->conns); /* nothing may borrow the frame from here on */
}

static void on_done(struct loop_wake *wake)
{
    struct offload *offload = container_of(wake, struct offload, done_sign);
    struct job *job, *next;

    uv_mutex_lock(&offload->lock);
    job = offload->done;
    offload->done = NULL;
    uv_mutex_unlock(&offload->lock);
    for (; job; job = next) {
        next = job->next;
        if (job->peer && !job->peer->conn.dead)
            finish(job);
        job_free(offload, job);
    }
}

static int start(struct broker *broker, struct orb_err *err)
{
    struct offload *offload = broker->offload;
    int r = 0;

    if (offload->done_sign.fd < 0)
        r = loop_wake_start(&offload->done_sign, broker->loop, &broker->scope, on_done, err);
    if (r < 0)
        return r;
    r = uv_thread_create(&offload->thread, on_thread, offload);
    if (r < 0)
        return orb_fail(err, r, "cannot start the thread that checks large values");
    offload->started = true;
    return 0;
}

void offload_init(struct broker *broker, offload_done *done)
{
    struct offload *offload = xcalloc(1, sizeof(*offload));

    offload->on_done = done;
    offload->broker = broker;
    uv_mutex_init(&offload->lock);
    uv_cond_init(&offload->sign);
    offload->done_sign.fd = -1;
    broker->offload = offload;
}

void offload_hold(struct broker *broker, bool held)
{
    struct offload *offload = broker->offload;

    uv_mutex_lock(&offload->lock);
    offload->held = held;
    uv_cond_signal(&offload->sign);
    uv_mutex_unlock(&offload->lock);
}

static void free_all(struct offload *offload, struct job *job)
{
    for (struct job *next; job; job = next) {
        next = job->next;
        job_free(offload, job);
    }
}

void offload_end(struct broker *broker)
{
    struct offload *offload = broker->offload;

    if (offload->started) {
        uv_mutex_lock(&offload->lock);
        offload->end = true;
        uv_cond_signal(&offload->sign);
        uv_mutex_unlock(&offload->lock);
        uv_thread_join(&offload->thread); /* one check at most, which has a budget */
        offload->started = false;
    }
    free_all(offload, offload->todo);
    free_all(offload, offload->done);
    offload->todo = offload->done = NULL;
}

void offload_free(struct broker *broker)
{
    loop_wake_fini(&broker->offload->done_sign);
    uv_mutex_destroy(&broker->offload->lock);
    uv_cond_destroy(&broker->offload->sign);
    free(broker->offload);
}

static void forget(struct job *job, const struct ipc_peer *peer)
{
    for (; job; job = job->next)
        if (job->peer == peer)
            job->peer = NULL;
}

void offload_leave(struct ipc_peer *peer)
{
    struct offload *offload = peer->broker->offload;
    struct job **at = &offload->todo;

    uv_mutex_lock(&offload->lock);
    while (*at) {
        struct job *job = *at;

        if (job->peer != peer) {
            at = &job->next;
            continue;
        }
        *at = job->next;
        job_free(offload, job);
    }
    forget(offload->done, peer);
    if (offload->now && offload->now->peer == peer)
        offload->now->peer = NULL;
    uv_mutex_unlock(&offload->lock);
}

/* Queues a job fairly: after those of other identities with the same number of jobs before them. */
static void put_in(struct offload *offload, struct job *job, const struct principal *who)
{
    struct job **at = &offload->todo;

    job->round = offload->round + 1;
    for (const struct job *j = offload->todo; j; j = j->next) {
        const struct principal *other = payer(j->peer, &j->h, NULL);

        if (other && principal_is_same(other, who) && j->round >= job->round)
            job->round = j->round + 1;
    }
    while (*at && (*at)->round <= job->round)
        at = &(*at)->next;
    job->next = *at;
    *at = job;
}

static int hand_over(struct ipc_peer *peer, const struct contract *contract,
                     const struct schema *schema, const struct inframe *in, struct orb_err *err)
{
    struct offload *offload = peer->broker->offload;
    size_t len = FRAME_HEADER + in->h.len;
    struct principal *who = payer(peer, &in->h, err);
    struct job *job;

    if (!who)
        return err->code;
    if (offload->bytes + len > OFFLOAD_WAITING)
        return orb_fail(err, ORB_E_BUSY, "too many large values wait to be checked (%zu bytes)",
                        offload->bytes);
    if (!offload->started && start(peer->broker, err) < 0)
        return err->code;
    job = malloc(sizeof(*job) + len);
    if (!job)
        return orb_fail(err, ORB_E_NOMEM, "no memory to check a value of %zu bytes", in->len);
    *job = (struct job){.peer = peer,
                        .contract = contract_ref(contract),
                        .checked.schema = schema,
                        .since_ms = uv_now(peer->broker->loop),
                        .h = in->h};
    memcpy(job->data, in->data, len);
    offload->bytes += len;
    if (who != &peer->self) {
        who->checking = true;
    } else if (in->h.type == FRAME_REP && peer->checks < OFFLOAD_ANSWERS) {
        peer->checks++;
        conn_await(&peer->conn, true);
    } else {
        job->checked.blocks = true;
        conn_block(&peer->conn);
    }
    uv_mutex_lock(&offload->lock);
    put_in(offload, job, who);
    uv_cond_signal(&offload->sign);
    uv_mutex_unlock(&offload->lock);
    return CHECK_LATER;
}

int offload_check(struct ipc_peer *peer, const struct contract *contract,
                  const struct schema *schema, const struct inframe *in, struct orb_err *err)
{
    int r;

    if (in->checked && in->checked->schema == schema) {
        if (in->checked->result < 0)
            *err = in->checked->err;
        return in->checked->result;
    }
    /* An event stays behind the answers sent before it: the thread keeps the order. */
    if (in->data && (in->len >= OFFLOAD_BYTES || (in->h.type == FRAME_PUB && peer->checks)))
        return hand_over(peer, contract, schema, in, err);
    r = scan_json(in->payload, in->len, NULL, err);
    if (r < 0)
        return r;
    if (!in->data)
        return schema_check(schema, in->payload, in->len, "", err);
    r = schema_check_some(schema, in->payload, in->len, OFFLOAD_UNITS, err);
    return r == SCHEMA_MORE ? hand_over(peer, contract, schema, in, err) : r;
}
