/* Requests and their answers, between peers and from or to the host itself. */
#ifndef CORE_IPC_REQUEST_H
#define CORE_IPC_REQUEST_H

#include "core/ipc/pending.h"

/* REQ, REP and ERR frames. */
void request_on_req(struct ipc_peer *peer, struct inframe *in);
/* A provider's REP: checked, and passed to the caller that waits. */
void request_on_rep(struct ipc_peer *peer, struct inframe *in);
/* A provider's ERR: passes the error to the waiting caller. */
void request_on_err(struct ipc_peer *peer, struct inframe *in);
/* A request of a session whose turn has come (held.h), or that has been checked (offload.h). */
void request_of_session(struct ipc_peer *peer, struct principal *who, struct inframe *in);

/* Checks limits and contract, then delivers; or CHECK_LATER. done, arg: of the host's calls
 * (in->data NULL), called once when this returns 0. Errors: ORB_E_BUSY, a violation of the
 * contract. */
int request_submit(struct principal *who, const struct target *target, struct inframe *in,
                   host_done *done, void *arg, struct orb_err *err);
/* Ends p and answers its caller: with an error, or with len bytes of checked output. */
void request_fail(struct pending *p, const struct orb_err *err);
/* Ends p and answers its caller with len bytes of checked output. */
void request_answer(struct pending *p, const char *text, size_t len);
/* Sends CANCEL to the provider: the caller no longer waits. */
void request_cancel(struct pending *p);
/* Does the output fit the contract? 0, CHECK_LATER, or ORB_E_INTERNAL: counted and logged. */
int request_check_output(struct pending *p, const struct inframe *in, struct orb_err *err);

/* Its deadline has passed: cancelled, and failed with ORB_E_DEADLINE. */
void request_late(struct pending *p);
/* Sends PROGRESS to the caller: the deadline was extended; left_ms are left. */
void request_postponed(const struct pending *p, uint32_t left_ms);
/* A peer disconnects: fails the requests to it, cancels those from it. */
void request_leave(struct ipc_peer *peer);

#endif
