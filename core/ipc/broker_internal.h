/* The broker as its own files see it. */
#ifndef CORE_IPC_BROKER_INTERNAL_H
#define CORE_IPC_BROKER_INTERNAL_H

#include <sys/stat.h>

#include "core/base/buf.h"
#include "core/base/log.h"
#include "core/base/own.h"
#include "core/ipc/broker.h"
#include "core/ipc/conn.h"
#include "core/ipc/listen_internal.h"
#include "core/ipc/peer_internal.h"
#include "core/ipc/pending.h"
#include "core/ipc/principal.h"
#include "core/ipc/rest.h"

#define BROKER_REFUSAL_CODES 24

struct host_req;
struct ipc_interface;
struct offload;
struct share;

struct broker {
    uv_loop_t *loop;
    struct log_sink *log;
    struct loop_scope scope;
    uv_prepare_t prepare;
    uv_check_t check;
    bool closing, scope_done;
    char starting[32]; /* what the host is at before its services are known; "": they are */
    struct conn_group conns;
    struct ipc_peer *host;
    struct ipc_peer *peers;
    struct ipc_peer *ended;                    /* dead, still in the tables */
    unsigned peers_left;                       /* whose memory still belongs to the loop */
    void (*peer_freed)(struct broker *broker); /* one less is left */
    struct principal_table principals;
    struct ipc_interface *interfaces;
    unsigned interface_count, early_interfaces; /* of them for subscribers only */
    struct pending_table pending;
    struct host_req *reqs; /* the host has not answered yet */
    struct offload *offload;
    struct rest_state rest;
    struct share *shares;
    uint64_t turn; /* of the loop */
    struct listen_state listen;
    struct {
        unsigned records; /* since since_ms */
        uint64_t since_ms;
    } refusal_log;
    uint64_t busiest_ns; /* longest turn of one peer since broker_busiest() */
    char busiest[64];    /* its name */
    uint64_t frames_in, frames_out, requests, events, events_dropped, replies_dropped,
        outputs_refused, deadlines;
    uint64_t refused[BROKER_REFUSAL_CODES];
};

#endif
