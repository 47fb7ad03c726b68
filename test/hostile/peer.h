/* The host's half of the wire, blocking, for tests that play the host towards one real worker. */
#ifndef TEST_HOSTILE_PEER_H
#define TEST_HOSTILE_PEER_H

#include "core/ipc/frame.h"
#include "core/sandbox/sandbox.h"

/* Sends one frame; payload NULL: none. */
int peer_send(int fd, unsigned type, uint32_t handle, uint32_t corr, const char *payload);
/* Waits for a whole frame at most wait_ms. ret_text: its envelope and payload. Returns 0,
 * FRAME_MORE for time-out, -EPIPE at end of file, ORB_E_PROTOCOL for bytes that are no frame. */
int peer_receive(int fd, int wait_ms, struct frame *ret_frame, struct buf *ret_text);
/* Receives until a frame of this type. */
int peer_expect(int fd, unsigned type, int wait_ms, struct buf *ret_text);
/* HELLO, attestation, WELCOME with methods (a JSON array), READY. report: may be NULL. */
int peer_greet(struct sandbox *sandbox, const struct sandbox_child *child,
               const struct launch_plan *plan, const char *methods, struct buf *report,
               struct orb_err *err);
/* Waits for the end of the worker and reaps it; after wait_ms it is killed. Closes its descriptors.
 */
int peer_end(struct sandbox *sandbox, struct sandbox_child *child, int wait_ms,
             struct exit_status *ret_status);
/* Adds what the worker wrote to stderr so far. */
void peer_stderr(const struct sandbox_child *child, struct buf *text);

#endif
