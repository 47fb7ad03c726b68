/* Routes frames between peers: resolution, access, contracts, limits, deadlines. Runs on the host's
 * loop; owned by struct orbitald. Peers are workers (given by the supervisor, peers.h), clients of
 * the control socket (listen.h), and providers inside the host (host.h). */
#ifndef CORE_IPC_BROKER_H
#define CORE_IPC_BROKER_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "core/base/log.h"
#include "core/ipc/contract.h"
#include "orbital/error.h"

struct broker;

/* A broker without peers on loop, which logs to log; both live longer than it. ORB_E_NOMEM. */
int broker_new(uv_loop_t *loop, struct log_sink *log, struct broker **ret_broker,
               struct orb_err *err);
/* Closes every peer; memory is freed after the loop's last close callback. */
void broker_close(struct broker *broker);

/* Registers an interface that has no provider yet: calls to it fail with "service X is not running"
 * instead of "no interface". contract is borrowed until broker_unexpect. ORB_E_LIMIT. */
int broker_expect(struct broker *broker, const struct contract *contract, struct orb_err *err);
/* Reverts broker_expect(); calls fail with "no interface" again. */
void broker_unexpect(struct broker *broker, const struct contract *contract);

/* The current step of the start while the installed packages are unknown, NULL: they are known.
 * Until then calls to an unknown interface fail with `unavailable`. */
void broker_starting(struct broker *broker, const char *step);

/* The peer with the longest turn since the last call, and its duration in nanoseconds; broker may
 * be NULL. who, of `size` bytes, is always set. */
uint64_t broker_busiest(struct broker *broker, char *who, size_t size);

#endif
