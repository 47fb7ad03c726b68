/* Wakes a loop from another thread. Unlike uv_async_t, whose reader spins until the sender has left
 * uv_async_send(): where the sender has lost its processor by then, milliseconds of the loop. */
#ifndef CORE_LOOP_LOOP_WAKE_H
#define CORE_LOOP_LOOP_WAKE_H

#include <uv.h>

#include "core/loop/loop_scope.h"
#include "orbital/error.h"

struct loop_wake {
    uv_poll_t poll;
    int fd; /* eventfd(2) */
    void (*fn)(struct loop_wake *wake);
};

/* fn runs on the loop, once or more after each loop_wake_send(). The handle belongs to scope and
 * does not keep the loop running. Below 0 with err: there is no descriptor for it. */
int loop_wake_start(struct loop_wake *wake, uv_loop_t *loop, struct loop_scope *scope,
                    void (*fn)(struct loop_wake *wake), struct orb_err *err);
/* From any thread, between start and fini. */
void loop_wake_send(struct loop_wake *wake);
/* After scope was closed: closes the descriptor. */
void loop_wake_fini(struct loop_wake *wake);

#endif
