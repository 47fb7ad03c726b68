/* Closes libuv handles together and calls their owner when its memory may be freed. */
#include "core/loop/loop_scope.h"

#include <stdlib.h>

void loop_scope_init(struct loop_scope *scope, void (*done)(struct loop_scope *scope))
{
    *scope = (struct loop_scope){.done = done};
}

void loop_scope_adopt(struct loop_scope *scope, uv_handle_t *handle)
{
    if (scope->count == LOOP_SCOPE_HANDLES || scope->closing)
        abort(); /* a defect of this program */
    handle->data = scope;
    scope->handles[scope->count++] = handle;
    scope->open++;
}

static void on_closed(uv_handle_t *handle)
{
    struct loop_scope *scope = handle->data;

    scope->open--;
    if (scope->closing && scope->open == 0)
        scope->done(scope);
}

void loop_scope_drop(struct loop_scope *scope, uv_handle_t *handle)
{
    for (unsigned i = 0; i < scope->count; i++) {
        if (scope->handles[i] != handle)
            continue;
        scope->handles[i] = scope->handles[--scope->count];
        uv_close(handle, on_closed);
        return;
    }
}

void loop_scope_close(struct loop_scope *scope)
{
    if (scope->closing)
        return;
    scope->closing = true;
    for (unsigned i = 0; i < scope->count; i++)
        uv_close(scope->handles[i], on_closed);
    scope->count = 0;
    if (scope->open == 0)
        scope->done(scope);
}
