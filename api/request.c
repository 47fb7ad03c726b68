/* See request.h. */
#include "api/request.h"

#include <stdlib.h>
#include <string.h>

#include "api/session.h"
#include "api/turn.h"

struct request *request_new(struct api *api, const char *raw)
{
    struct request *q = calloc(1, sizeof(*q));

    if (!q)
        return NULL;
    q->api = api;
    q->raw = strdup(raw);
    q->started_ms = orb_now_ms();
    q->next = api->requests;
    if (q->next)
        q->next->prev = q;
    api->requests = q;
    return q;
}

void request_free(struct request *q)
{
    struct api *api = q->api;

    if (q->prev)
        q->prev->next = q->next;
    else
        api->requests = q->next;
    if (q->next)
        q->next->prev = q->prev;
    turn_end(q);
    session_give_back(q);
    if (q->response)
        MHD_destroy_response(q->response);
    api->value_bytes -= q->value_bytes;
    api->body_bytes -= q->body.len;
    buf_fini(&q->body);
    buf_fini(&q->input);
    buf_fini(&q->value);
    free(q->raw);
    free(q);
}
