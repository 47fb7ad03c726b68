/* Runs the programs on a packet (BPF_PROG_TEST_RUN). Not those that are attached: they would count
 * the packet and keep its flow. An instance of its own, with maps of its own, is loaded; in it the
 * policy that is tested is in force, whether or not it is in the kernel's.
 *
 * Note: verifying the programs takes some hundred milliseconds of the processor, so the instance
 * stays for a while: a client that tests much must not delay commits. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/fastpath.skel.h"
#include "bpf/hooks.skel.h"
#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/describe.h"
#include "dataplane/hooks.h"
#include "dataplane/libbpf_log.h"
#include "dataplane/load.h"
#include "dataplane/packet_test_internal.h"

#define FRAME_ROOM 128
#define IDLE_MS 60000 /* then the instance is freed */

struct packet_programs {
    struct fastpath *maps;
    struct hooks *programs;
    unsigned which; /* HOOK_* */
    uint32_t epoch; /* of the last test: what the programs kept then is stale */
    uint64_t used_ms;
};

static int put(const struct bpf_map *map, uint32_t key, const void *value)
{
    return bpf_map_update_elem(bpf_map__fd(map), &key, value, BPF_ANY) ? -errno : 0;
}

/* As in the maps of the attached programs, with policy 0 in force. */
static int fill(struct dataplane *dp, const struct dataplane_compiled *compiled,
                const struct packet_result *result, struct packet_programs *own)
{
    const struct flow_next none = {0}; /* each packet is classified */
    const struct fastpath *maps = own->maps;
    AUTO_FREE struct port_list *ports = xcalloc(1, sizeof(*ports));
    struct fast_control control = *dp->control;
    int r;

    control.policy = 0;
    control.epoch = ++own->epoch ? own->epoch : ++own->epoch;
    control.until += hooks_ticks(); /* alive for this test, however late it begins */
    *ports = dp->ports;
    describe_links(dp, bpf_map__fd(maps->maps.ifaces), result->policy, 0, &result->links, ports);
    r = put(maps->maps.control, 0, &control);
    if (!r)
        r = put(maps->maps.policies, 0, &compiled->inner);
    for (int cpu = 0; !r && cpu < dp->cpus; cpu++)
        r = put(maps->maps.flow_nexts, (uint32_t)cpu, &none);
    for (unsigned i = 0; !r && i < ports->count; i++) {
        const struct port *port = &ports->items[i];

        if (port->redirect)
            r = put(maps->maps.devices, port->index, &port->ifindex);
        else
            bpf_map_delete_elem(bpf_map__fd(maps->maps.devices), &port->index);
    }
    return r;
}

static int run_xdp(const struct hooks *programs, uint32_t ifindex, const uint8_t *frame,
                   size_t size, uint32_t *ret_action)
{
    struct xdp_md context = {.data_end = (uint32_t)size, .ingress_ifindex = ifindex};
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = (uint32_t)size,
                .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = 1);

    if (bpf_prog_test_run_opts(bpf_program__fd(programs->progs.orb_xdp_fast), &options))
        return -errno;
    *ret_action = options.retval;
    return 0;
}

static int run_tcx(const struct hooks *programs, uint32_t ifindex, const uint8_t *frame,
                   size_t size, uint32_t *ret_action)
{
    struct __sk_buff context = {.ifindex = ifindex};
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = (uint32_t)size,
                .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = 1);

    if (bpf_prog_test_run_opts(bpf_program__fd(programs->progs.orb_tcx_fast), &options))
        return -errno;
    *ret_action = options.retval;
    return 0;
}

/* XDP first and, where both are attached, tcx after it. */
static int run_hooks(const struct hooks *programs, const struct packet_test *packet,
                     struct packet_result *result)
{
    uint8_t frame[FRAME_ROOM];
    size_t size = packet_test_frame_build(packet, result->in->mac, frame);
    bool xdp = result->port->mode == PORT_XDP;
    uint32_t action = 0;
    int r = 0;

    if (xdp) {
        r = run_xdp(programs, result->in->ifindex, frame, size, &action);
        result->dropped = !r && action == XDP_DROP;
        result->sent = !r && action == XDP_REDIRECT;
    }
    if (!r && !result->dropped && !result->sent && (!xdp || result->port->behind)) {
        r = run_tcx(programs, result->in->ifindex, frame, size, &action);
        result->dropped = !r && action == TC_ACT_SHOT;
        result->sent = !r && action == TC_ACT_REDIRECT;
    }
    result->ran = !r;
    return r;
}

void packet_test_programs_free(struct packet_programs *own)
{
    if (!own)
        return;
    if (own->programs)
        hooks__destroy(own->programs);
    fastpath__destroy(own->maps);
    free(own);
}

static inline void own_packet_programs(struct packet_programs **own)
{
    packet_test_programs_free(*own);
}

static int load(const struct dataplane *dp, unsigned which, struct packet_programs **ret_own,
                struct orb_err *err)
{
    AUTO(packet_programs) struct packet_programs *own = xcalloc(1, sizeof(*own));
    int r;

    own->which = which;
    own->maps = load_open(dp->cpus);
    if (!own->maps)
        return orb_fail(err, -errno, "reading the fast path's programs");
    bpf_program__set_autoload(own->maps->progs.orb_probe, false);
    bpf_program__set_autoload(own->maps->progs.orb_beat, false);
    libbpf_log_capture(NULL);
    r = fastpath__load(own->maps);
    if (r < 0)
        return orb_fail(err, r, "making the maps of a test: %s", strerror(-r));
    r = hooks_open(own->maps, dp->cpus, which, &own->programs, err);
    if (r == 0)
        *ret_own = take_ptr(own);
    return r;
}

/* Those of the hooks that are needed; loaded where they are not there. */
static int take(struct dataplane *dp, unsigned which, struct orb_err *err)
{
    unsigned there = dp->tester ? dp->tester->which : 0;

    if ((there & which) == which)
        return 0;
    packet_test_programs_free(dp->tester);
    dp->tester = NULL;
    return load(dp, there | which, &dp->tester, err);
}

int packet_test_programs_run(struct dataplane *dp, const struct dataplane_compiled *compiled,
                             const struct packet_test *packet, struct packet_result *result,
                             struct orb_err *err)
{
    unsigned which = (result->port->mode == PORT_XDP ? HOOK_XDP : HOOK_TCX) |
                     (result->port->behind ? HOOK_TCX : 0);
    int r;

    if (!dp->programs || compiled->inner < 0)
        return orb_fail(err, ORB_E_STATE, "there is no fast path here");
    r = take(dp, which, err);
    if (r < 0)
        return r;
    dp->tester->used_ms = now_ms();
    r = fill(dp, compiled, result, dp->tester);
    if (!r)
        r = run_hooks(dp->tester->programs, packet, result);
    return r < 0 ? orb_fail(err, r, "running the programs: %s", strerror(-r)) : 0;
}

void packet_test_programs_expire(struct dataplane *dp)
{
    if (!dp->tester || now_ms() - dp->tester->used_ms < IDLE_MS)
        return;
    packet_test_programs_free(dp->tester);
    dp->tester = NULL;
}
