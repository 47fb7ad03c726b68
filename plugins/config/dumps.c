/* Values that are too long for one answer, handed out in slices. How many are kept is bounded, and
 * so are their bytes: then the identity that has most loses its oldest, or is refused when it is
 * the one that asks; an identity with no more than its part of the room loses none that it reads.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/json_write.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/candidate.h"
#include "plugins/config/dumping.h"
#include "plugins/config/dumps.h"
#include "plugins/config/engine_internal.h"
#include "plugins/config/grants.h"
#include "plugins/config/member.h"
#include "plugins/config/methods_read.h"
#include "plugins/config/read.h"
#include "plugins/config/reply.h"

#define DUMP_RESTARTS 8u

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

static size_t bytes_of(const struct engine *e, const char *who)
{
    size_t n = 0;

    for (const struct dump *d = e->dumps; d; d = d->next)
        n += !who || !strcmp(d->who, who) ? d->text.len : 0;
    return n;
}

/* The newest is first. NULL: there is none. */
static struct dump **oldest_of(struct engine *e, const char *who)
{
    struct dump **oldest = NULL;

    for (struct dump **at = &e->dumps; *at; at = &(*at)->next)
        if (!strcmp((*at)->who, who))
            oldest = at;
    return oldest;
}

static struct dump **unread(struct engine *e)
{
    uint64_t now = e->host.now_ms(e->host.arg);

    for (struct dump **at = &e->dumps; *at; at = &(*at)->next)
        if (now - (*at)->read_at >= ENGINE_DUMP_IDLE_MS)
            return at;
    return NULL;
}

/* The oldest of the identity that has more than any other, and than own. NULL: none has. */
static struct dump **of_largest(struct engine *e, const char *who, size_t own, bool by_bytes)
{
    const char *largest = NULL;

    for (struct dump *d = e->dumps; d; d = d->next) {
        size_t has = by_bytes ? bytes_of(e, d->who) : count_of(e, d->who);

        if (strcmp(d->who, who) && has > own) {
            own = has;
            largest = d->who;
        }
    }
    return largest ? oldest_of(e, largest) : NULL;
}

/* For one more of who, of so many bytes. ORB_E_BUSY: the others have no more than their part. */
static int make_room(struct engine *e, const char *who, size_t bytes, struct orb_err *err)
{
    bool count, sum;

    while (count_of(e, who) >= ENGINE_DUMPS_OF_ONE)
        dump_free(oldest_of(e, who));
    while ((count = count_of(e, NULL) >= ENGINE_MAX_DUMPS,
            sum = e->dumps && bytes_of(e, NULL) + bytes > ENGINE_DUMP_BYTES, count || sum)) {
        struct dump **freed = unread(e);

        if (!freed)
            freed = of_largest(e, who, sum ? bytes_of(e, who) + bytes : count_of(e, who) + 1, sum);
        if (!freed)
            freed = oldest_of(e, who);
        if (!freed)
            return orb_fail(err, ORB_E_BUSY,
                            "%u long values of %zu bytes are being read; at most %u of %u bytes "
                            "together: ask again when some were",
                            count_of(e, NULL), bytes_of(e, NULL), ENGINE_MAX_DUMPS,
                            ENGINE_DUMP_BYTES);
        dump_free(freed);
    }
    return 0;
}

static struct dump *dump_find(struct engine *e, uint32_t peer, const char *key)
{
    for (struct dump *d = e->dumps; d; d = d->next)
        if (d->peer == peer && !strcmp(d->key, key))
            return d;
    return NULL;
}

/* 0: nothing of a candidate is read. */
static uint64_t candidate_version(const struct ask *ask)
{
    const struct candidate *c = candidate_find(ask->engine, ask->who);
    bool of_candidate = !strcmp(member_text(ask->in, "source", "running"), "candidate");

    return of_candidate && c ? c->version : 0;
}

/* A commit or an edit changes values in place, and frees names that the text's makers hold. */
static bool has_changed(const struct ask *ask, const struct read *read)
{
    return read->revision != ask->engine->store.revision ||
           read->candidate != candidate_version(ask);
}

/* The whole text, made in slices. 1: not yet. */
static int make_text(struct ask *ask, uint64_t *ret_revision, struct orb_err *err)
{
    const char *path = methods_read_path(ask->in);
    struct read *read = read_of(ask);
    AUTO(json_t) json_t *value = NULL;

    if (read->dumping && has_changed(ask, read)) {
        dumping_free(read->dumping);
        read->dumping = NULL;
        if (++read->restarts > DUMP_RESTARTS)
            return orb_fail_at(err, ORB_E_BUSY, path,
                               "it changed %u times while it was read; read it again",
                               read->restarts);
    }
    if (!read->dumping) {
        AUTO(paths) char **secrets = grants_secrets(ask->caller);
        int r = methods_read_view(ask, path, &value, ret_revision, err);

        if (r)
            return r;
        read->at = *ret_revision;
        read->revision = ask->engine->store.revision;
        read->candidate = candidate_version(ask);
        read->dumping = dumping_new(ask->engine, secrets, path, value);
    }
    *ret_revision = read->at;
    ask->more = dumping_go_on(ask->engine, read->dumping);
    return ask->more;
}

/* The first slice: the value as it is now is kept until the last slice went out. NULL with err.code
 * 0: not yet. */
static struct dump *dump_new(struct ask *ask, const char *key, struct orb_err *err)
{
    struct engine *e = ask->engine;
    uint64_t revision = 0;
    struct buf text;
    struct dump *d;

    dumps_free(e, ask->caller->peer);
    if (make_text(ask, &revision, err))
        return NULL;
    text = dumping_text((*ask->read)->dumping);
    if (make_room(e, grants_payer(ask->who), text.len, err) < 0) {
        buf_fini(&text);
        return NULL;
    }
    d = xcalloc(1, sizeof(*d));
    snprintf(d->who, sizeof(d->who), "%s", grants_payer(ask->who));
    d->peer = ask->caller->peer;
    d->revision = revision;
    d->key = xstrdup(key);
    d->text = text;
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

    if (ask->more)
        return;
    if (!d || offset >= d->text.len) {
        if (!err.code)
            orb_fail(&err, ORB_E_STATE, "nothing to read at byte %zu; start again at 0", offset);
        reply_refuse(e, ask->req, &err);
        return;
    }
    d->read_at = e->host.now_ms(e->host.arg);
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
