/* Lifetimes of libuv handles. From uv_*_init on, a handle's memory belongs to the loop until its
 * close callback. An owner embeds a loop_scope, adopts every handle right after init and ends with
 * loop_scope_close(): all handles are closed and `done` runs after the last close callback; there
 * the owner frees itself. handle->data belongs to the scope; callbacks use container_of. */
#ifndef CORE_LOOP_LOOP_SCOPE_H
#define CORE_LOOP_LOOP_SCOPE_H

#include <stdbool.h>
#include <uv.h>

#define LOOP_SCOPE_HANDLES 24

struct loop_scope {
    uv_handle_t *handles[LOOP_SCOPE_HANDLES];
    unsigned count;
    unsigned open;
    bool closing;
    void (*done)(struct loop_scope *scope);
};

/* done is called once, when all handles of a closed scope have ended. */
void loop_scope_init(struct loop_scope *scope, void (*done)(struct loop_scope *scope));
/* handle was just initialised; at most LOOP_SCOPE_HANDLES at a time. */
void loop_scope_adopt(struct loop_scope *scope, uv_handle_t *handle);
/* Closes one adopted handle early; its memory stays part of the owner. */
void loop_scope_drop(struct loop_scope *scope, uv_handle_t *handle);
/* Closes the rest. done runs from the loop, also when there was no handle at all: then at once. */
void loop_scope_close(struct loop_scope *scope);

#endif
