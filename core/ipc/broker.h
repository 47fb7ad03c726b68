/* Routes frames between peers: resolution, access, contracts, limits, deadlines. Runs on the host's
 * loop; owned by struct orbitald. Peers are workers (given by the supervisor), clients of the
 * control socket, and providers inside the host. */
#ifndef CORE_IPC_BROKER_H
#define CORE_IPC_BROKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "core/base/buf.h"
#include "core/base/json_write.h"
#include "core/base/log.h"
#include "orbital/error.h"

struct broker;
struct contract;
struct ipc_peer;

/* ---- contracts (contract.c): one schema.json compiled ---- */

/* Compiles schema.json text: interface, version, methods, events and config, unknown members
 * refused with their path. */
int contract_compile(const char *text, size_t len, struct contract **ret_contract,
                     struct orb_err *err);
void contract_free(struct contract *contract);
const char *contract_interface(const struct contract *contract);
const char *contract_version(const struct contract *contract);
const char *contract_text(const struct contract *contract, size_t *ret_len);
bool contract_has_config(const struct contract *contract);
/* JSON of what the interface offers, for `orbctl ipc describe`. */
void contract_describe(const struct contract *contract, struct buf *ret_json);

/* ---- broker ---- */

/* Who a principal is: kind and name together; the names of different kinds are not related.
 * PEER_USER: a local user, known by SO_PEERCRED; PEER_TOKEN: the owner of an API token, known by a
 * session. */
enum peer_kind { PEER_SERVICE, PEER_USER, PEER_TOKEN, PEER_HOST };
const char *peer_kind_name(enum peer_kind kind); /* "service", "user", "token", "host" */
/* Has it a role (and no capabilities)? */
bool peer_kind_is_person(enum peer_kind kind);

/* What the supervisor wants to hear of a worker's connection. Calls come on the loop. data/len: the
 * scanned payload of the frame. */
struct peer_events {
    void (*hello)(void *arg);
    /* Writes further members of WELCOME, before hello. May be NULL. */
    void (*welcome)(void *arg, struct json_write *w);
    void (*ready)(void *arg, uint64_t revision);
    void (*progress)(void *arg); /* a long callback goes on */
    /* From READY on: what it does follows another revision now. */
    void (*applied)(void *arg, uint64_t revision);
    void (*pong)(void *arg, const char *degraded /* "" when fine */);
    void (*failed)(void *arg, const char *text); /* FAIL frame */
    /* The whole list of what is wrong with the service now; it replaces the one before. */
    void (*problems)(void *arg, const char *data, size_t len);
    void (*log)(void *arg, const char *data, size_t len);
    void (*metric)(void *arg, const char *data, size_t len);
    /* Connection ended: end of file, or thrown out (err->code ORB_E_PROTOCOL, ORB_E_LIMIT). The
     * peer is freed by the broker after this call. */
    void (*closed)(void *arg, const struct orb_err *err);
};

struct peer_spec {
    enum peer_kind kind;
    char name[64];                   /* service or user name */
    char role[16];                   /* "metrics", "viewer", "operator", "admin"; "" for services */
    const char *const *capabilities; /* services: granted ones, NULL ends; copied */
    const struct contract *contract; /* of a service, NULL: none; the broker holds on to it */
    bool has_config;                 /* provides service.NAME@1 */
    uint32_t progress_ms;            /* services: a call that goes on may take so long, 0: any */
    size_t queue_bytes;              /* that may wait for it, 0: 8 MiB */
    unsigned requests;               /* it may have in flight, 0: 4096 */
    const struct peer_events *events; /* NULL for clients */
    void *arg;
};

int broker_new(uv_loop_t *loop, struct log_sink *log, struct broker **ret_broker,
               struct orb_err *err);
/* Closes every peer; memory goes after the loop's last close callback. */
void broker_close(struct broker *broker);

/* Takes fd (non-blocking socket; on NULL it is still the caller's). The peer lives until its closed
 * event or peer_close; both take effect in the tables at the end of the loop's turn. */
struct ipc_peer *broker_add_peer(struct broker *broker, int fd, const struct peer_spec *spec,
                                 struct orb_err *err);
void peer_close(struct ipc_peer *peer); /* no closed event follows */
/* As in peer_spec, from now on. */
void peer_limit(struct ipc_peer *peer, size_t queue_bytes, unsigned requests);
void peer_ping(struct ipc_peer *peer);
void peer_stop(struct ipc_peer *peer); /* STOP frame */
uint32_t peer_id(const struct ipc_peer *peer);
/* A worker serves requests only between peer_open (supervisor: Running) and peer_close; before that
 * callers get `unavailable`. service.NAME@1 is served from HELLO on. */
void peer_open(struct ipc_peer *peer);

/* Makes an interface known that nobody provides yet: calls to it say "service X is not running"
 * instead of "no interface". The broker holds on to contract until broker_unexpect. */
int broker_expect(struct broker *broker, const struct contract *contract, struct orb_err *err);
void broker_unexpect(struct broker *broker, const struct contract *contract);

/* What the host is doing before it knows what is installed, NULL: it knows. Until then an interface
 * nobody has heard of is `unavailable`, not unknown. */
void broker_starting(struct broker *broker, const char *step);

/* Control socket: listens at path (mode 0660), accepts clients; identify decides user and role of a
 * connection from its SO_PEERCRED; negative refuses; positive: it will be known later, so the
 * connection waits, and broker_identified() asks for it again. inherited: a socket that listens
 * there already (systemd's), taken on success and then left in the file system at the end; -1:
 * none. */
int broker_listen(struct broker *broker, const char *path, int inherited,
                  int (*identify)(void *arg, uid_t uid, gid_t gid, char name[64], char role[16],
                                  struct orb_err *err),
                  void *arg, struct orb_err *err);

void broker_identified(struct broker *broker);

/* Is the socket's file still there? 0: yes, or there never was one; 1: it was removed or replaced,
 * and was made anew (mode 0660, without its group); negative: err says what is in the way.
 * ORB_E_STATE: an inherited one is gone, which is for its owner to make. */
int broker_listen_check(struct broker *broker, struct orb_err *err);

/* ---- the host as provider and caller ---- */

struct host_req;
struct host_caller {
    uint32_t peer;
    enum peer_kind kind;
    const char *name;
    const char *role;
};
/* Answer later or at once, exactly once, with host_reply/host_reply_error. input is scanned,
 * contract-checked text and valid until answered. */
typedef void host_handler(void *arg, struct host_req *req, const struct host_caller *caller,
                          const char *method, const char *input, size_t len);
/* Provides contract's interface from inside the host. */
int broker_provide(struct broker *broker, const struct contract *contract, host_handler *handler,
                   void *arg, struct orb_err *err);
void host_reply(struct host_req *req, const char *text, size_t len);
void host_reply_error(struct host_req *req, const struct orb_err *err);
/* The host calls a method (as peer kind host, every capability). 0: done is called exactly once
 * (before the return only when the host itself provides the interface); below 0: never. */
typedef void host_done(void *arg, const char *text, size_t len, const struct orb_err *err);
int broker_call(struct broker *broker, const char *to, const char *method, const char *text,
                size_t len, uint32_t deadline_ms, host_done *done, void *arg, struct orb_err *err);
typedef void host_event(void *arg, const char *interface, const char *topic, const char *text,
                        size_t len);
int broker_subscribe(struct broker *broker, const char *interface, const char *topic,
                     host_event *cb, void *arg, struct orb_err *err);
int broker_publish(struct broker *broker, const char *interface, const char *topic,
                   const char *text, size_t len, struct orb_err *err);

/* ---- sessions (capability session.delegate): users a service acts for ---- */
/* Makes a session of user/role that peer (an id) may put into src. Gone with the peer. */
int broker_session_open(struct broker *broker, uint32_t peer, const char *user, const char *role,
                        uint32_t *ret_session, struct orb_err *err);
int broker_session_close(struct broker *broker, uint32_t peer, uint32_t session,
                         struct orb_err *err);
/* Ends every session of user: its requests in flight fail, the next one is refused
 * (unauthenticated). */
void broker_sessions_end(struct broker *broker, const char *user);

/* ---- looking in ---- */
void broker_list(struct broker *broker, struct buf *ret_json); /* interfaces and providers */
int broker_describe(struct broker *broker, const char *interface, struct buf *ret_json,
                    struct orb_err *err);
/* OpenMetrics lines of the broker: frames, bytes, requests, refusals. */
void broker_metrics(struct broker *broker, struct buf *ret_text);
/* One of the families with a line for each service and each user. */
#define BROKER_PEER_METRICS 6
void broker_peer_metrics(struct broker *broker, int row, struct buf *ret_text);

/* Who was served longest since the last call, and how long, in nanoseconds; broker may be NULL. */
uint64_t broker_busiest(struct broker *broker, char *who, size_t size);

#endif
