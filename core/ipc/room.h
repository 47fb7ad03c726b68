/* The structures of the broker, shared by its files only. Rule of lifetimes: a peer that ends is
 * only marked `dead` and stays in every table until the end of the turn (broker_tell_ended), so
 * lists can be walked while writing and calling out; sending to a dead peer does nothing. */
#ifndef CORE_IPC_ROOM_H
#define CORE_IPC_ROOM_H

#include <sys/uio.h>

#include "core/base/buf.h"
#include "core/base/own.h"
#include "core/ipc/broker.h"
#include "core/ipc/contract.h"
#include "core/ipc/frame.h"
#include "core/loop/watch.h"

#define PEER_READ_TURN 65536u  /* most bytes read from one peer in one turn of the loop */
#define PEER_TURN_NS 300000u   /* time for the frames of one peer in one turn */
#define PEER_TURN_LOOK 256u    /* bytes up to which nobody looks at the clock */
#define PEER_LAST_NS 50000000u /* for what a peer sent before its end */
/* Bytes waiting for a peer, where its limits say nothing else; beyond it the peer is failed. The
 * steps below it, in sixteenths, are so far apart that what one kind of frame may take leaves the
 * others their part. */
#define PEER_QUEUE_MAX (8u << 20)
enum queue_step {
    QUEUE_CAUSE = 6,     /* of it, requests of one identity */
    QUEUE_EVENTS = 12,   /* beyond it events for it are dropped */
    QUEUE_REQUESTS = 13, /* beyond it requests to it are refused */
    QUEUE_CONFIG = 14,   /* beyond it transactions do not ask it */
    QUEUE_REPLIES = 15,  /* beyond it answers to it become errors */
};
#define PEER_IOV 64
#define PEER_MAX_ROUTES 1024
#define PEER_MAX_SUBS 256
#define PEER_MAX_EARLY 16      /* of them to interfaces nobody has provided yet */
#define PEER_MAX_SESSIONS 1024 /* open ones; as many closed ones are remembered */
#define PEER_MAX_PENDING 4096  /* requests of one connection, all its sessions together */
#define LINK_MAX_REQUESTS 64   /* in flight from one principal to one provider */
#define LINK_MAX_BYTES 262144u
#define CLIENTS_MAX 128
#define CLIENTS_FOR_ADMINS 16 /* of them */
#define CLIENTS_KEPT 4        /* of one user, which no other user takes */
#define CLIENT_RECORDS 10     /* log records about refused clients a second */
#define LISTEN_WAITING 32     /* connections that wait for the user database */
#define IFACES_MAX 1024
#define IFACE_VALUES_MAX (1u << 20) /* bytes of the last values of all its state topics */
#define PENDING_BLOCK 256u
#define PENDING_BLOCKS 256u /* slot and generation share 32 bits, 16 each */
#define ARENA_SIZE (1u << 20)
#define SCRATCH_BLOCK 65536u
#define ID_BUCKETS 256u
#define REFUSAL_CODES 24

struct pending;
struct route;
struct link;
struct held;
struct offload;

/* Somebody requests are made by: a connection itself, or a session it acts for. */
struct principal {
    uint32_t id;
    enum peer_kind kind;
    char name[64];
    char role[16];
    enum contract_rank rank; /* what a user's role covers; 0 for services */
    uint64_t opened_us;      /* monotonic: when it was made known here */
    bool closed;             /* a session that ended; remembered so that a late use is no crime */
    uint64_t rest_until_ms;  /* of the loop: its requests wait (rest_session.c) */
    struct held *held;       /* those that wait, the first being next */
    uint32_t held_count, held_bytes;
    bool checking; /* a session, one of whose requests is with the thread (offload.c) */
    struct ipc_peer *owner;
    struct link *links;
    struct principal *next_in_bucket;
    struct principal *next_session;
};

/* What one principal has under way at one provider. Its being there means PEER was sent. */
struct link {
    struct ipc_peer *provider;
    struct link *next;
    uint32_t requests;
    uint32_t bytes;
};

/* What waits in a peer's queue on one identity's account, over all its connections. Two stretches
 * of the queue, so that what was read long ago is forgotten although more keeps coming. */
struct charge {
    struct charge *next;
    enum peer_kind kind;
    char name[64];
    size_t bytes[2];
    uint64_t end[2]; /* of the stretch, in bytes ever queued for the peer */
};

struct topic_value { /* last value of a state topic */
    char *topic;
    char *text;
    size_t len;
    struct topic_value *next;
};

struct sub {
    struct ipc_peer *peer; /* NULL: the host, cb */
    char topic[52];        /* "*": all */
    bool early;            /* made before anybody provided the interface */
    bool ended;            /* it missed a strict event: it goes once that is told */
    uint64_t dropped;      /* since the last GAP */
    host_event *cb;
    void *arg;
    struct sub *next;
};

struct iface {
    char *name;
    const struct contract *contract; /* of the present provider, else expected, else NULL */
    const struct contract *expected;
    struct ipc_peer *provider; /* NULL: down. The host's own: broker->host */
    host_handler *handler;
    void *arg;
    uint32_t base; /* method numbers of the provider start here (+ 1) */
    bool early;    /* service.NAME: served from HELLO on */
    bool known;    /* it has, or had, a contract; else it is here for its subscribers only */
    struct sub *subs;
    struct topic_value *values;
    struct iface *next;
};

struct target {
    struct iface *iface;
    const struct contract_method *method;
    struct ipc_peer *provider;
};

struct route { /* a handle given by OPENED is its index + 1 */
    char *to;
    char *method_name;
    struct target target; /* provider NULL: gone */
    bool allowed;         /* to the connection itself; sessions are judged one by one */
};

struct pending {
    uint16_t slot;
    uint16_t generation;
    bool live;
    uint32_t heap_index;
    uint32_t corr; /* the caller's */
    uint32_t bytes;
    uint64_t since, deadline;
    uint32_t deadline_ms;
    struct principal *who;
    struct ipc_peer *caller; /* who->owner */
    struct target target;
    struct link *link;
    struct pending *caller_prev, *caller_next; /* also the free list */
    struct pending *provider_prev, *provider_next;
    host_done *done; /* calls of the host */
    void *arg;
    struct host_req *req; /* requests to the host */
};

struct host_req {
    struct broker *broker; /* NULL: nobody waits any more */
    struct pending *pending;
    char *input;
    struct host_req *prev, *next;
};

struct ipc_peer {
    struct principal self;
    struct broker *broker;
    struct loop_scope scope;
    uv_poll_t poll;
    uv_timer_t rest; /* until it is read again, after a long turn */
    bool resting;
    bool checking;       /* a frame of its is with the thread (offload.c); it rests as long */
    bool leaving;        /* and it has hung up */
    uv_timer_t held;     /* until a session's requests go on */
    uint64_t began_ns;   /* its turn */
    uint64_t charged_ns; /* of this turn, to its sessions */
    int fd;              /* -1: the host itself */
    bool client;
    bool accepted; /* counted in listen.clients */
    bool greeted;
    bool open;
    bool ready_seen;
    bool ping_open;
    bool dead;
    bool silent; /* closed by its owner: no closed event */
    bool delegate;
    uint32_t progress_ms;
    uint64_t progress_at; /* its last PROGRESS, 0: none */
    struct orb_err end;
    char **capabilities;
    const struct contract *contract;
    struct contract *service_contract; /* of service.NAME, own */
    const struct peer_events *events;
    void *arg;
    struct principal *sessions;
    unsigned session_count, session_closed;
    struct route *routes;
    unsigned route_count;
    unsigned sub_count, early_count;
    size_t queue_max;       /* bytes that may wait for it */
    unsigned pending_max;   /* requests it may have in flight */
    size_t owed;            /* bytes of CANCEL and GONE that requests and links may yet need */
    uint64_t queued_ever;   /* bytes */
    struct charge *charges; /* whose requests wait in its queue */
    struct pending *calls;  /* made by it */
    struct pending *serves; /* waiting for its answer */
    unsigned call_count;
    /* reading */
    unsigned char *part; /* the beginning of a frame whose rest has not come */
    size_t part_len, part_cap;
    /* writing: iov borrows arena and scratch until the end of the turn; backlog is owned */
    struct iovec iov[PEER_IOV];
    unsigned iov_count;
    size_t iov_bytes;
    char *backlog;
    size_t backlog_at, backlog_len, backlog_cap;
    bool dirty;
    bool want_write;
    bool more; /* part holds whole frames, left over by the last turn */
    struct ipc_peer *dirty_next;
    struct ipc_peer *prev, *next;
    struct ipc_peer *ended_next;
    uint64_t frames_in, bytes_in, frames_out, refused, events_dropped;
    uint64_t complained_ms;
};

/* The rest of a connection that was closed meanwhile, for the next one of the same identity. */
struct owed_rest {
    uint64_t until_ms; /* of the loop */
    enum peer_kind kind;
    char name[64];
};

struct scratch {
    struct scratch *next;
    size_t used, size;
    unsigned char data[];
};

struct broker {
    uv_loop_t *loop;
    struct log_sink *log;
    struct loop_scope scope;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_timer_t timer;
    uint64_t timer_at; /* 0: not running */
    struct offload *offload;
    uint64_t cpu_ns;    /* processor time of the thread at the begin of the turn, or up to a */
    uint64_t marked_ms; /* millisecond before; when that was, of the loop */
    struct owed_rest owed_rest[16];
    uint64_t busiest_ns; /* the longest that one peer was served since it was asked for */
    char busiest[64];    /* its name */
    bool closing, scope_done;
    char starting[32];   /* what the host is at before its services are known; "": they are */
    unsigned peers_left; /* whose memory still belongs to the loop */
    struct ipc_peer *host;
    struct ipc_peer *peers;
    struct ipc_peer *ended; /* dead, still in the tables */
    struct ipc_peer *dirty, *dirty_last;
    struct principal *ids[ID_BUCKETS];
    uint32_t last_id;
    struct iface *ifaces;
    unsigned iface_count, early_ifaces; /* of them for subscribers only */
    unsigned char *arena;
    size_t arena_used;
    struct scratch *scratch;
    struct pending *blocks[PENDING_BLOCKS];
    unsigned block_count;
    struct pending *free_first, *free_last;
    struct pending **heap;
    uint32_t heap_count, heap_cap;
    struct host_req *reqs;
    struct {
        bool on;
        bool keep_file; /* the socket is systemd's */
        struct loop_watch poll;
        int fd, reserve;
        char path[108];
        dev_t dev; /* of its file */
        ino_t ino;
        unsigned clients;
        struct {
            int fd;
            uid_t uid;
        } waiting[LISTEN_WAITING]; /* connections of whom it is not known yet who they are */
        unsigned waiting_count;
        unsigned told; /* records since told_ms */
        uint64_t told_ms;
        int (*identify)(void *arg, uid_t uid, gid_t gid, char name[64], char role[16],
                        struct orb_err *err);
        void *arg;
    } listen;
    uint64_t frames_in, frames_out, bytes_in, bytes_out, requests, events, events_dropped,
        replies_dropped, outputs_refused, deadlines;
    uint64_t refused[REFUSAL_CODES];
};

/* What a thread found: the result of schema_check, err when that is below 0. */
struct checked {
    const struct schema *schema;
    int result;
    struct orb_err err;
};

/* A frame on its way in. payload is never empty: "{}" stands for nothing sent. */
struct inframe {
    struct frame h;
    unsigned char *data; /* header, envelope, payload as received; ours to rewrite */
    const char *env;
    const char *payload;
    size_t len;
    const struct checked *checked; /* NULL: it has not been checked */
};

/* ---- write.c ---- */
unsigned char *scratch_get(struct broker *broker, size_t len);
/* data lives until the end of this turn. */
void peer_send_borrowed(struct ipc_peer *peer, const unsigned char *data, size_t len);
/* Header from frame (len, envlen are computed), texts copied; NULL: none. */
void peer_send(struct ipc_peer *peer, const struct frame *frame, const char *env,
               const char *payload, size_t len);
void peer_send_err(struct ipc_peer *peer, uint32_t corr, const struct orb_err *err);
size_t peer_queued(const struct ipc_peer *peer);
size_t peer_queue(const struct ipc_peer *peer, enum queue_step step);
void peer_flush(struct ipc_peer *peer);
void peer_drain(struct ipc_peer *peer); /* the socket became writable */
void broker_flush(struct broker *broker);
void broker_undirty(struct ipc_peer *peer);

/* ---- peer.c, read.c, hello.c ---- */
void peer_on_poll(uv_poll_t *handle, int status, int events);
void peer_poll_start(struct ipc_peer *peer);
/* Ends the connection; the closed event follows at the end of the turn. */
void peer_end(struct ipc_peer *peer, const struct orb_err *err);
/* The same after telling the peer why. */
void peer_throw(struct ipc_peer *peer, const struct orb_err *err);
void peer_frame(struct ipc_peer *peer, struct inframe *in);
/* Around a check on the thread: it begins; the frame again; it is over and took so long there. */
void peer_checks(struct ipc_peer *peer);
void peer_frame_checked(struct ipc_peer *peer, struct inframe *in);
void peer_checked(struct ipc_peer *peer, uint64_t cpu_ns);
void peer_on_hello(struct ipc_peer *peer, struct inframe *in);
void broker_tell_ended(struct broker *broker);
/* At most one record per peer and second. */
void peer_complain(struct ipc_peer *peer, const char *event, const struct orb_err *err);
void peer_free(struct ipc_peer *peer);
struct ipc_peer *peer_make(struct broker *broker, int fd, const struct peer_spec *spec);
void broker_maybe_free(struct broker *broker);

/* ---- account.c ---- */
/* Do both pay for what the other takes? One, or users without a name: one user may have thousands
 * of such numbers (subuid(5)). */
bool account_same(enum peer_kind a_kind, const char *a, enum peer_kind b_kind, const char *b);
/* All places (limit) are taken and a connection of user comes: the one that makes room, and why.
 * One that never said HELLO, else one of the user who has most connections, more than CLIENTS_KEPT
 * and more than user would have; for an administrator also one of those CLIENTS_KEPT. NULL: none.
 */
struct ipc_peer *account_gives_way(struct broker *broker, const char *user, unsigned limit,
                                   struct orb_err *err);

/* ---- rest.c ---- */
void rest_turn(struct broker *broker); /* a turn of the loop begins */
void rest_mark(struct broker *broker); /* what has been used so far is not charged */
void rest_before_more(struct ipc_peer *peer);
void rest_begin(struct ipc_peer *peer);
void rest_after(struct ipc_peer *peer, uint64_t took_ns); /* it was served so long just now */
void rest_end(struct ipc_peer *peer);
/* A check of its took so long on the thread; and it is read again when no rest is left. */
void rest_after_thread(struct ipc_peer *peer, uint64_t cpu_ns);
/* How long who took so long rests, in milliseconds; 0: it was short, or only the machine busy. */
uint64_t rest_of(struct broker *broker, uint64_t took_ns);
uint64_t rest_ms(uint64_t used_ns); /* the same for processor time that is known */
/* Keeps, and finds, what an identity would have rested yet. */
void rest_owe(const struct principal *who, uint64_t ms);
uint64_t rest_owed(const struct principal *who);

/* ---- rest_session.c: sessions of a service that acts for users ---- */
void held_begin(struct ipc_peer *peer);
void held_free(struct principal *who);
void held_fail(struct principal *who, const struct orb_err *err); /* answers all with err */
/* Does a request of the session wait, or is it refused? Then it is done with here. */
bool rest_holds(struct ipc_peer *peer, struct principal *who, const struct inframe *in);
void rest_charge(struct principal *who, uint64_t took_ns); /* for a request of its */
void rest_charge_thread(struct principal *who, uint64_t cpu_ns);
void rest_inherit(struct principal *who); /* a new session of one that rests */
void held_go_on(struct ipc_peer *peer);   /* what waited for a check of a session */

/* ---- offload.c ---- */
void offload_init(struct broker *broker);
void offload_end(struct broker *broker);
/* For tests: while held, the thread begins no check. */
void offload_hold(struct broker *broker, bool held);
void offload_free(struct broker *broker);
void offload_leave(struct ipc_peer *peer); /* what waits of it is dropped */
/* Scans and checks the payload of a frame from peer against a schema of the contract. 0, an error,
 * or CHECK_LATER: the caller returns and does nothing; the frame is handled anew once a thread has
 * checked it. in->data NULL: a call of the host, checked at once. */
#define CHECK_LATER 1
int offload_check(struct ipc_peer *peer, const struct contract *contract,
                  const struct schema *schema, const struct inframe *in, struct orb_err *err);

/* ---- iface.c ---- */
struct iface *iface_find(struct broker *broker, const char *name);
struct iface *iface_get(struct broker *broker, const char *name, struct orb_err *err);
/* For a subscriber of what nobody has provided yet; it is charged to the peer. */
struct iface *iface_get_early(struct ipc_peer *peer, const char *name, struct orb_err *err);
/* Frees it when it was here for a subscriber who is gone. */
void iface_maybe_free(struct broker *broker, struct iface *iface);
int iface_provide(struct broker *broker, const struct contract *contract, struct ipc_peer *peer,
                  uint32_t base, bool early, struct iface **ret_iface, struct orb_err *err);
void iface_leave(struct broker *broker, struct ipc_peer *peer);
/* Is there room for a last value of len bytes? ORB_E_LIMIT. */
int iface_may_keep(const struct iface *iface, const char *topic, size_t len, struct orb_err *err);
void iface_keep(struct iface *iface, const char *topic, const char *text, size_t len);
void ifaces_free(struct broker *broker);

/* ---- route.c ---- */
/* Who provides method of `to` now. */
int route_resolve(struct broker *broker, const char *to, const char *method,
                  struct target *ret_target, struct orb_err *err);
/* Finds the interface of `to`; its contract is known and of a fitting version. */
int route_interface(struct broker *broker, const char *to, struct iface **ret_iface,
                    struct orb_err *err);
int route_available(const struct target *target, struct orb_err *err);
int route_access(const struct principal *who, const struct target *target, struct orb_err *err);
int route_access_event(const struct principal *who, const struct iface *iface, const char *topic,
                       struct orb_err *err);
void route_on_open(struct ipc_peer *peer, struct inframe *in);
struct route *route_of(struct ipc_peer *peer, uint32_t handle);
void routes_leave(struct broker *broker, struct ipc_peer *provider);
void routes_free(struct ipc_peer *peer);
enum contract_rank role_rank(const char *role); /* 0: no such role */

/* ---- principal.c (ids, sessions, links) ---- */
void principal_add(struct broker *broker, struct principal *who);
void principal_remove(struct broker *broker, struct principal *who);
struct principal *principal_find(struct broker *broker, uint32_t id);
/* The one behind src of peer's frame: NULL with err; ORB_E_PROTOCOL when it was forged. */
struct principal *principal_of(struct ipc_peer *peer, uint32_t src, struct orb_err *err);
struct link *link_have(const struct principal *who, const struct ipc_peer *provider);
/* Made, and announced to the provider, when there is none. */
struct link *link_get(struct principal *who, struct ipc_peer *provider);
void links_close(struct principal *who); /* tells GONE */
void links_leave(struct broker *broker, struct ipc_peer *provider);
void sessions_close(struct ipc_peer *peer);

/* ---- charge.c ---- */
/* May who have len more bytes of requests waiting for the provider? ORB_E_BUSY. */
int charge_check(struct ipc_peer *provider, const struct principal *who, size_t len,
                 struct orb_err *err);
/* They were queued just now. */
void charge_add(struct ipc_peer *provider, const struct principal *who, size_t len);
void charges_free(struct ipc_peer *peer);

/* ---- pending.c ---- */
struct pending *pending_new(struct broker *broker, struct principal *who,
                            const struct target *target, struct link *link, uint32_t bytes,
                            uint32_t deadline_ms);
void pending_end(struct pending *p);
uint32_t pending_corr(const struct pending *p);
struct pending *pending_find(struct broker *broker, struct ipc_peer *provider, uint32_t corr);
void pending_free_all(struct broker *broker);
void pending_on_timer(uv_timer_t *timer);

/* ---- request.c ---- */
void request_on_req(struct ipc_peer *peer, struct inframe *in);
/* The same for a request of a session whose turn has come. */
void request_now(struct ipc_peer *peer, struct principal *who, struct inframe *in);
void request_on_rep(struct ipc_peer *peer, struct inframe *in);
void request_on_err(struct ipc_peer *peer, struct inframe *in);
/* Checks limits and contract, then delivers; or CHECK_LATER. done, arg: of the host's calls
 * (in->data NULL). */
int request_submit(struct principal *who, const struct target *target, struct inframe *in,
                   host_done *done, void *arg, struct orb_err *err);
/* Ends p and answers its caller. */
void request_fail(struct pending *p, const struct orb_err *err);
void request_answer(struct pending *p, const char *text, size_t len);
/* Tells the caller that the deadline was put off. */
void request_goes_on(const struct pending *p, uint32_t left_ms);
void request_cancel(struct pending *p); /* tells the provider */
int request_check_output(struct pending *p, const struct inframe *in, struct orb_err *err);
void requests_leave(struct ipc_peer *peer);
void request_count(struct ipc_peer *peer, const struct orb_err *err);

/* ---- publish.c, subscribe.c ---- */
void publish_on_pub(struct ipc_peer *peer, struct inframe *in);
void publish_on_sub(struct ipc_peer *peer, struct inframe *in);
void publish_on_unsub(struct ipc_peer *peer, struct inframe *in);
/* Tells a peer whose queue drained what it missed. false: its queue is full again. */
bool publish_gaps(struct ipc_peer *peer);
void publish_replay(const struct iface *iface, struct sub *sub); /* the last values */
void sub_drop(struct sub **at);                                  /* of a peer */
void subs_leave(struct ipc_peer *peer);

/* ---- host.c ---- */
void host_deliver(struct pending *p, const char *input, size_t len);
void host_forget(struct pending *p); /* nobody waits for its host_req */
void host_forget_all(struct broker *broker);

/* ---- listen.c ---- */
void listen_close(struct broker *broker);
/* Whoever connects again and again must not fill the log. */
bool listen_may_log(struct broker *broker);

/* ---- envelope (read.c) ---- */
/* Copies string members of a scanned envelope; a missing one is "". ORB_E_INVALID when one is no
 * string or too long. */
int envelope_string(const struct inframe *in, const char *key, char *to, size_t size,
                    struct orb_err *err);

#endif
