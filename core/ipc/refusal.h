/* Refusal of a frame: the error is sent to its sender, counted by code, and some are logged; a
 * protocol violation disconnects. */
#ifndef CORE_IPC_REFUSAL_H
#define CORE_IPC_REFUSAL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "orbital/error.h"

struct broker;
struct ipc_peer;

/* Appends the envelope of an ERR frame: {"err": {"code", "text", "path"?}}. */
void refusal_envelope(const struct orb_err *err, struct buf *to);
/* Sends err as the answer to the frame corr of the peer; 0: to no frame. */
void refusal_send(struct ipc_peer *peer, uint32_t corr, const struct orb_err *err);
/* Counts a refused frame of the peer by its code; one that lacks a capability or role is logged. */
void refusal_count(struct ipc_peer *peer, const struct orb_err *err);
/* Both: the frame corr of the peer is refused by the broker. */
void refusal_answer(struct ipc_peer *peer, uint32_t corr, const struct orb_err *err);
/* Counts the refusal, sends the error to the peer (ERR of corr 0) and ends the connection. */
void refusal_disconnect(struct ipc_peer *peer, const struct orb_err *err);
/* A warning `event` about the peer, with err; at most one per peer and second. */
void refusal_log(struct ipc_peer *peer, const char *event, const struct orb_err *err);
/* May another record about refused clients be written? At most 10 a second, of all clients
 * together, so that connecting again and again does not fill the log. */
bool refusal_may_log(struct broker *broker);

#endif
