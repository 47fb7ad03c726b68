/* Long work: what a package reports about its own, and what it is told about its calls. */
#ifndef CORE_WORKER_SDK_PROGRESS_H
#define CORE_WORKER_SDK_PROGRESS_H

struct inframe;
struct orb_ctx;

/* PROGRESS of a call: its deadline begins anew, and the package is told. */
void sdk_progress_frame(struct orb_ctx *ctx, const struct inframe *frame);

#endif
