/* See record.h. */
#include "plugins/config/record.h"

#include <sodium.h>

#include "core/base/json_write.h"
#include "plugins/config/store.h"

#define HASHED_AT_ONCE (64u * 1024)

uint64_t record_id(const struct parts *parts, const char *text, size_t len)
{
    uint8_t hash[crypto_generichash_BYTES_MIN];
    crypto_generichash_state state;
    uint64_t id = 0;

    crypto_generichash_init(&state, NULL, 0, sizeof(hash));
    for (size_t at = 0, n; at < len; at += n) {
        n = len - at < HASHED_AT_ONCE ? len - at : HASHED_AT_ONCE;
        crypto_generichash_update(&state, (const uint8_t *)text + at, n);
        parts_pause(parts);
    }
    crypto_generichash_final(&state, hash, sizeof(hash));
    for (size_t i = 0; i < sizeof(id); i++)
        id = id << 8 | hash[i];
    id >>= 11; /* a JSON number everywhere */
    return id ? id : 1;
}

static struct json_write begin(struct buf *text, const char *state)
{
    struct json_write w = json_write_to(text);

    json_write_object(&w, NULL);
    json_write_string(&w, "state", state);
    return w;
}

void record_prepared(struct buf *text, const struct parts *parts, const struct revision *meta,
                     const json_t *patch)
{
    struct json_write w = begin(text, "prepared");

    json_write_integer(&w, "tx", (int64_t)meta->tx);
    json_write_integer(&w, "rev", (int64_t)meta->revision);
    json_write_integer(&w, "time", (int64_t)meta->time_us);
    json_write_integer(&w, "changes", (int64_t)json_array_size(patch));
    json_write_string(&w, "user", meta->user);
    json_write_string(&w, "comment", meta->comment);
    if (meta->confirm_s) {
        json_write_integer(&w, "confirm-s", meta->confirm_s);
        json_write_integer(&w, "confirm-by", (int64_t)meta->confirm_by_us);
    }
    if (meta->undoes)
        json_write_integer(&w, "undoes", (int64_t)meta->undoes);
    parts_dump(parts, patch, json_write_place(&w, "patch"));
    json_write_end(&w);
}

void record_committed(struct buf *text, uint64_t tx, uint64_t revision)
{
    struct json_write w = begin(text, "committed");

    json_write_integer(&w, "tx", (int64_t)tx);
    json_write_integer(&w, "rev", (int64_t)revision);
    json_write_end(&w);
}

void record_aborted(struct buf *text, uint64_t tx, const char *why)
{
    struct json_write w = begin(text, "aborted");

    json_write_integer(&w, "tx", (int64_t)tx);
    json_write_string(&w, "why", why);
    json_write_end(&w);
}

static void of_revision(struct buf *text, const char *state, uint64_t revision)
{
    struct json_write w = begin(text, state);

    json_write_integer(&w, "rev", (int64_t)revision);
    json_write_end(&w);
}

void record_confirmed(struct buf *text, uint64_t revision)
{
    of_revision(text, "confirmed", revision);
}

void record_continued(struct buf *text, uint64_t revision)
{
    of_revision(text, "continued", revision);
}

void record_noted(struct buf *text, uint64_t revision, uint64_t time_us, const char *user,
                  const char *what)
{
    struct json_write w = begin(text, "noted");

    json_write_integer(&w, "rev", (int64_t)revision);
    json_write_integer(&w, "time", (int64_t)time_us);
    json_write_string(&w, "user", user);
    json_write_string(&w, "text", what);
    json_write_end(&w);
}
