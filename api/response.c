/* Responses: JSON, text, problems. Every one carries the constant headers. */
#include "api/response.h"

#include <stdlib.h>

#include "core/base/json_write.h"
#include "core/base/own.h"

static void make_of(struct request *q, unsigned status, const char *type, const char *text,
                    size_t len, enum MHD_ResponseMemoryMode mode)
{
    if (q->status)
        return;
    q->status = status;
    q->answer_bytes = len;
    q->response = MHD_create_response_from_buffer(len, (void *)(uintptr_t)text, mode);
    if (type)
        response_header(q, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    response_header(q, "X-Content-Type-Options", "nosniff");
    response_header(q, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
}

static void make(struct request *q, unsigned status, const char *type, const char *text, size_t len)
{
    make_of(q, status, type, text, len, MHD_RESPMEM_MUST_COPY);
}

void response_header(struct request *q, const char *name, const char *value)
{
    if (q->response)
        MHD_add_response_header(q->response, name, value);
}

void response_json(struct request *q, unsigned status, const char *text, size_t len)
{
    make(q, status, "application/json", text, len);
}

void response_value(struct request *q)
{
    size_t len = q->value.len;
    char *text;

    if (q->status)
        return;
    text = buf_take(&q->value);
    make_of(q, 200, "application/json", text, len, MHD_RESPMEM_MUST_FREE);
    if (!q->response)
        free(text);
}

void response_text(struct request *q, unsigned status, const char *type, const char *text,
                   size_t len)
{
    make(q, status, type, text, len);
}

void response_empty(struct request *q, unsigned status)
{
    make(q, status, NULL, "", 0);
}

void response_problem(struct request *q, unsigned status, const struct orb_err *err)
{
    const char *code = orb_code_name(err->code);
    AUTO(buf) struct buf text = {0};
    struct json_write w = json_write_to(&text);

    if (q->status)
        return;
    if (!status)
        status = (unsigned)orb_code_http(err->code);
    json_write_object(&w, NULL);
    json_write_format(&w, "type", "urn:orbital:%s", code);
    json_write_string(&w, "title", orb_code_text(err->code));
    json_write_integer(&w, "status", status);
    json_write_string(&w, "detail", err->text);
    json_write_string(&w, "code", code);
    if (err->path[0])
        json_write_string(&w, "path", err->path);
    json_write_end(&w);
    buf_addc(&text, '\n');
    make(q, status, "application/problem+json", buf_str(&text), text.len);
    if (status == 401)
        response_header(q, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer realm=\"orbital\"");
    if (status == 429 || status == 503)
        response_header(q, MHD_HTTP_HEADER_RETRY_AFTER, "1");
}

void response_error(struct request *q, int code, const char *path, const char *text)
{
    struct orb_err err;

    orb_fail_at(&err, code, path, "%s", text);
    response_problem(q, 0, &err);
}
