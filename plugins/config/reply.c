/* Answers of the engine: see reply.h. */
#include "core/base/own.h"
#include "core/json/tree.h"
#include "plugins/config/parts.h"
#include "plugins/config/reply.h"

void reply_refuse(struct engine *engine, void *req, const struct orb_err *err)
{
    if (req)
        engine->host.refuse(engine->host.arg, req, err);
}

void reply_text(struct engine *engine, void *req, const struct buf *text)
{
    if (req)
        engine->host.reply(engine->host.arg, req, buf_str(text), text->len);
}

void reply_tree(struct engine *engine, void *req, json_t *reply)
{
    AUTO(buf) struct buf text = {0};

    tree_dump(reply, &text);
    json_decref(reply);
    reply_text(engine, req, &text);
}

void reply_tree_in_slices(struct engine *engine, void *req, json_t *reply)
{
    AUTO(buf) struct buf text = {0};

    parts_dump(&engine->parts, reply, &text);
    parts_drop(&engine->parts, reply);
    reply_text(engine, req, &text);
}

void reply_slice(struct buf *to, const struct buf *text, size_t offset, size_t *ret_len)
{
    size_t left = text->len > offset ? text->len - offset : 0, n = 0, quoted = 0;
    const char *p = buf_str(text) + (left ? offset : 0);

    while (n < left && n < SLICE_BYTES && quoted < SLICE_QUOTED) {
        unsigned char c = (unsigned char)p[n++];

        quoted += c == '"' || c == '\\' ? 2 : c < 0x20 ? 6 : 1;
    }
    while (n < left && n && ((unsigned char)p[n] & 0xc0) == 0x80)
        n--; /* never cut inside a character */
    buf_add_json(to, p, n);
    *ret_len = n;
}
