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
/* Closes every peer; memory goes after the loop's last close callback. */
void broker_close(struct broker *broker);

/* Makes an interface known that nothing provides yet: calls to it say "service X is not running"
 * instead of "no interface". The broker holds on to contract until broker_unexpect. ORB_E_LIMIT. */
int broker_expect(struct broker *broker, const struct contract *contract, struct orb_err *err);
/* Takes broker_expect() back; calls say "no interface" again. */
void broker_unexpect(struct broker *broker, const struct contract *contract);

/* What the host is doing before it knows what is installed, NULL: it knows. Until then an interface
 * that is not known is `unavailable`. */
void broker_starting(struct broker *broker, const char *step);

/* Who was served longest since the last call, and how long, in nanoseconds; broker may be NULL.
 * who, of `size` bytes, is always set. */
uint64_t broker_busiest(struct broker *broker, char *who, size_t size);

#endif
