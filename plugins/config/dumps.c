/* Values that are too long for one answer, handed out in slices. How many are kept is bounded; who
 * begins another one takes the place of the oldest of that identity which has most of them. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/json_write.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/dumps.h"
#include "plugins/config/engine_internal.h"
#include "plugins/config/member.h"
#include "plugins/config/methods_read.h"
#include "plugins/config/reply.h"

static void dump_free(struct dump **at)
{
    struct dump *d = *at;

    *at = d->next;
    buf_fini(&d->text);
    free(d->key);
    free(d);
}

void dumps_free(struct engine *engine, uint32_t peer)
{
    struct dump **at = &engine->dumps;

    while (*at) {
        if (!peer || (*at)->peer == peer)
            dump_free(at);
        else
            at = &(*at)->next;
    }
}

static unsigned count_of(const struct engine *e, const char *who)
{
    unsigned n = 0;

    for (const struct dump *d = e->dumps; d; d = d->next)
        n += !who || !strcmp(d->who, who);
    return n;
}

/* The newest stands first. */
static void make_room(struct engine *e)
{
    struct dump **most = NULL;
    unsigned n = 0;

    if (count_of(e, NULL) < ENGINE_MAX_DUMPS)
        return;
    for (struct dump **at = &e->dumps; *at; at = &(*at)->next) {
        unsigned has = count_of(e, (*at)->who);

        if (has >= n) {
            n = has;
            most = at;
        }
    }
    dump_free(most);
}

static struct dump *dump_find(struct engine *e, uint32_t peer, const char *key)
{
    for (struct dump *d = e->dumps; d; d = d->next)
        if (d->peer == peer && !strcmp(d->key, key))
            return d;
    return NULL;
}

/* The first slice: the value as it is now is kept until the last slice went out. */
static struct dump *dump_new(struct ask *ask, const char *key, struct orb_err *err)
{
    struct engine *e = ask->engine;
    AUTO(json_t) json_t *value = NULL;
    uint64_t revision = 0;
    struct dump *d;

    dumps_free(e, ask->caller->peer);
    if (methods_read_view(ask, methods_read_path(ask->in), &value, &revision, err) < 0)
        return NULL;
    make_room(e);
    d = xcalloc(1, sizeof(*d));
    snprintf(d->who, sizeof(d->who), "%s", ask->who);
    d->peer = ask->caller->peer;
    d->revision = revision;
    d->key = xstrdup(key);
    if (value)
        tree_dump(value, &d->text);
    else
        buf_adds(&d->text, "null");
    d->next = e->dumps;
    e->dumps = d;
    return d;
}

void dumps_get_part(struct ask *ask)
{
    struct engine *e = ask->engine;
    size_t offset = member_number(ask->in, "offset", 0), len;
    AUTO_FREE char *key =
        buf_format("%s %s", member_text(ask->in, "source", "running"), methods_read_path(ask->in));
    AUTO(buf) struct buf reply = {0};
    struct json_write w = json_write_to(&reply);
    struct orb_err err = {0};
    struct dump *d = offset ? dump_find(e, ask->caller->peer, key) : dump_new(ask, key, &err);

    if (!d || offset >= d->text.len) {
        if (!err.code)
            orb_fail(&err, ORB_E_STATE, "nothing to read at byte %zu; start again at 0", offset);
        reply_refuse(e, ask->req, &err);
        return;
    }
    json_write_object(&w, NULL);
    json_write_integer(&w, "revision", (int64_t)d->revision);
    json_write_integer(&w, "bytes", (int64_t)d->text.len);
    json_write_integer(&w, "offset", (int64_t)offset);
    reply_slice(json_write_place(&w, "data"), &d->text, offset, &len);
    json_write_end(&w);
    reply_text(e, ask->req, &reply);
    if (offset + len >= d->text.len)
        dumps_free(e, ask->caller->peer);
}
