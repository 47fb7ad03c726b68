/* Responses: JSON, text, problems. Every one carries the constant headers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"

static void make(struct request *q, unsigned status, const char *type, const char *text, size_t len)
{
    if (q->status)
        return;
    q->status = status;
    q->answer_bytes = len;
    q->response =
        MHD_create_response_from_buffer(len, (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
    if (type)
        answer_header(q, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    answer_header(q, "X-Content-Type-Options", "nosniff");
    answer_header(q, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
}

void answer_header(struct request *q, const char *name, const char *value)
{
    if (q->response)
        MHD_add_response_header(q->response, name, value);
}

void answer_json(struct request *q, unsigned status, const char *text, size_t len)
{
    make(q, status, "application/json", text, len);
}

void answer_text(struct request *q, unsigned status, const char *type, const char *text, size_t len)
{
    make(q, status, type, text, len);
}

void answer_empty(struct request *q, unsigned status)
{
    make(q, status, NULL, "", 0);
}

void answer_problem(struct request *q, unsigned status, const struct orb_err *err)
{
    const char *code = orb_code_name(err->code);
    AUTO_TEXT t = {0};

    if (q->status)
        return;
    if (!status)
        status = (unsigned)orb_code_http(err->code);
    text_addf(&t, "{\"type\":\"urn:orbital:%s\"", code);
    text_add_member(&t, "title", orb_code_text(err->code));
    text_addf(&t, ",\"status\":%u", status);
    text_add_member(&t, "detail", err->text);
    text_add_member(&t, "code", code);
    if (err->path[0])
        text_add_member(&t, "path", err->path);
    text_adds(&t, "}\n");
    make(q, status, "application/problem+json", text_str(&t), t.len);
    if (status == 401)
        answer_header(q, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer realm=\"orbital\"");
    if (status == 429 || status == 503)
        answer_header(q, MHD_HTTP_HEADER_RETRY_AFTER, "1");
}
