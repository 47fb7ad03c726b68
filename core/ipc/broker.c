/* Life of the broker. Twice per turn of the loop – before it waits and after it read – everything
 * collected is written and peers that ended are taken out. */
#include <string.h>

#include "core/ipc/room.h"

static void settle(struct broker *broker)
{
    do {
        broker_flush(broker);
        broker_tell_ended(broker);
    } while (broker->dirty || broker->ended);
    broker->arena_used = 0;
}

static void on_prepare(uv_prepare_t *handle)
{
    struct broker *broker = container_of(handle, struct broker, prepare);

    settle(broker);
    rest_turn(broker);
}

static void on_check(uv_check_t *handle)
{
    settle(container_of(handle, struct broker, check));
}

static void broker_free(struct broker *broker)
{
    while (broker->scratch) {
        struct scratch *s = broker->scratch;

        broker->scratch = s->next;
        free(s);
    }
    pending_free_all(broker);
    ifaces_free(broker);
    links_close(&broker->host->self); /* to itself */
    peer_free(broker->host);
    offload_free(broker);
    free(broker->arena);
    free(broker);
}

void broker_maybe_free(struct broker *broker)
{
    if (broker->closing && broker->scope_done && broker->peers_left == 0)
        broker_free(broker);
}

static void on_scope_done(struct loop_scope *scope)
{
    struct broker *broker = container_of(scope, struct broker, scope);

    broker->scope_done = true;
    broker_maybe_free(broker);
}

int broker_new(uv_loop_t *loop, struct log_sink *log, struct broker **ret_broker,
               struct orb_err *err)
{
    static const struct peer_spec host = {.kind = PEER_HOST, .name = "host"};
    struct broker *broker = xcalloc(1, sizeof(*broker));

    broker->loop = loop;
    broker->log = log;
    broker->arena = malloc(ARENA_SIZE);
    if (!broker->arena) {
        free(broker);
        return orb_fail(err, ORB_E_NOMEM, "no memory for the broker (%u bytes)", ARENA_SIZE);
    }
    broker->host = peer_make(broker, -1, &host);
    principal_add(broker, &broker->host->self);
    loop_scope_init(&broker->scope, on_scope_done);
    uv_prepare_init(loop, &broker->prepare);
    loop_scope_adopt(&broker->scope, (uv_handle_t *)&broker->prepare);
    uv_check_init(loop, &broker->check);
    loop_scope_adopt(&broker->scope, (uv_handle_t *)&broker->check);
    uv_timer_init(loop, &broker->timer);
    loop_scope_adopt(&broker->scope, (uv_handle_t *)&broker->timer);
    offload_init(broker);
    uv_prepare_start(&broker->prepare, on_prepare);
    uv_check_start(&broker->check, on_check);
    /* Connections keep the loop alive, not our bookkeeping. */
    uv_unref((uv_handle_t *)&broker->prepare);
    uv_unref((uv_handle_t *)&broker->check);
    uv_unref((uv_handle_t *)&broker->timer);
    *ret_broker = broker;
    return 0;
}

/* Calls of the host that will not be answered any more. */
static void end_host_calls(struct broker *broker)
{
    struct orb_err err;

    orb_fail(&err, ORB_E_GONE, "the host is stopping");
    while (broker->host->calls)
        request_fail(broker->host->calls, &err);
}

void broker_close(struct broker *broker)
{
    if (!broker || broker->closing)
        return;
    broker->closing = true;
    listen_close(broker);
    end_host_calls(broker);
    for (struct ipc_peer *peer = broker->peers; peer; peer = peer->next)
        peer_close(peer);
    settle(broker);
    offload_end(broker);
    host_forget_all(broker);
    loop_scope_close(&broker->scope);
}
