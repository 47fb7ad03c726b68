/* PROGRESS: a request is being worked on. It puts off the deadline of requests whose method has
 * "progress" in its contract (pending.h), and may tell the caller how far the work is. */
#ifndef CORE_IPC_PROGRESS_H
#define CORE_IPC_PROGRESS_H

#include "core/ipc/progress_state.h"

struct inframe;
struct ipc_peer;
struct pending;

/* PROGRESS of a worker. With corr 0 it is about everything the worker does; else about one request
 * of which the worker is the provider, and its payload is passed to the caller. */
void progress_on_frame(struct ipc_peer *peer, struct inframe *in);
/* The provider of p is working on it: its deadline is put off, and the caller is told how far that
 * is, ten times a second at most. state may be NULL. Nothing when the method has no "progress". */
void progress_of(struct pending *p, const struct progress_state *state);

#endif
