/* Start, end and loop hooks of the broker. Twice per turn of the loop – before polling and after
 * reading – everything queued is written and peers that ended are removed. */
#include <string.h>

#include "core/base/xalloc.h"
#include "core/ipc/broker_internal.h"
#include "core/ipc/dispatch.h"
#include "core/ipc/host.h"
#include "core/ipc/interface.h"
#include "core/ipc/offload.h"
#include "core/ipc/peers.h"
#include "core/ipc/request.h"
#include "core/ipc/share.h"

static void settle(struct broker *broker)
{
    do {
        conn_group_flush(&broker->conns);
        peers_settle(broker);
    } while (broker->conns.dirty || broker->ended);
    turn_memory_reset_arena(&broker->conns.memory);
}

static void on_prepare(uv_prepare_t *handle)
{
    struct broker *broker = container_of(handle, struct broker, prepare);

    settle(broker);
    rest_turn(broker);
    share_turn(broker);
}

static void on_check(uv_check_t *handle)
{
    settle(container_of(handle, struct broker, check));
}

static void maybe_free(struct broker *broker)
{
    if (!broker->closing || !broker->scope_done || broker->peers_left)
        return;
    pending_fini(broker);
    interface_free_all(broker);
    peers_free_host(broker);
    conn_group_fini(&broker->conns);
    offload_free(broker);
    free(broker);
}

static void on_scope_done(struct loop_scope *scope)
{
    struct broker *broker = container_of(scope, struct broker, scope);

    broker->scope_done = true;
    maybe_free(broker);
}

int broker_new(uv_loop_t *loop, struct log_sink *log, struct broker **ret_broker,
               struct orb_err *err)
{
    struct broker *broker = xcalloc(1, sizeof(*broker));
    int r = conn_group_init(&broker->conns, err);

    if (r < 0) {
        free(broker);
        return r;
    }
    broker->loop = loop;
    broker->log = log;
    broker->peer_freed = maybe_free;
    peers_add_host(broker);
    loop_scope_init(&broker->scope, on_scope_done);
    uv_prepare_init(loop, &broker->prepare);
    loop_scope_adopt(&broker->scope, (uv_handle_t *)&broker->prepare);
    uv_check_init(loop, &broker->check);
    loop_scope_adopt(&broker->scope, (uv_handle_t *)&broker->check);
    pending_init(broker, request_late, request_postponed);
    offload_init(broker, dispatch_checked);
    uv_prepare_start(&broker->prepare, on_prepare);
    uv_check_start(&broker->check, on_check);
    /* Only connections keep the loop running. */
    uv_unref((uv_handle_t *)&broker->prepare);
    uv_unref((uv_handle_t *)&broker->check);
    *ret_broker = broker;
    return 0;
}

void broker_close(struct broker *broker)
{
    if (!broker || broker->closing)
        return;
    broker->closing = true;
    listen_close(broker);
    host_fail_calls(broker);
    for (struct ipc_peer *peer = broker->peers; peer; peer = peer->next)
        peer_close(peer);
    settle(broker);
    offload_end(broker);
    host_forget_requests(broker);
    loop_scope_close(&broker->scope);
}

int broker_expect(struct broker *broker, const struct contract *contract, struct orb_err *err)
{
    return interface_expect(broker, contract, err);
}

void broker_unexpect(struct broker *broker, const struct contract *contract)
{
    interface_unexpect(broker, contract);
}

void broker_starting(struct broker *broker, const char *step)
{
    snprintf(broker->starting, sizeof(broker->starting), "%s", step ? step : "");
}

uint64_t broker_busiest(struct broker *broker, char *who, size_t size)
{
    uint64_t ns = broker ? broker->busiest_ns : 0;

    snprintf(who, size, "%s", ns ? broker->busiest : "");
    if (broker)
        broker->busiest_ns = 0;
    return ns;
}
