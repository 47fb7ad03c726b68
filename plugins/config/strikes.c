/* Services that spoil transactions: see strikes.h. Third parties have stricter limits than shipped
 * packages: a firewall that refuses ten times in a row has reasons. */
#include <inttypes.h>
#include <string.h>

#include "core/base/now.h"
#include "core/base/own.h"
#include "plugins/config/parts.h"
#include "plugins/config/strikes.h"

/* A spoilt transaction counts SPOILT, one that it followed takes 1 away: three in a row are too
 * many, and so is, after a while, any more than a third of all. */
#define SPOILT 2u
#define TOO_MANY 5u
#define PROBE_MS (600u * 1000) /* then it is tried again, without risk for the commit */
#define PROBE_DOUBLED 8u       /* so often, each time that it is left out once more */
/* One second of waiting is free. Time above it decays at a twentieth. */
#define WAIT_FREE_MS 1000u
#define WAIT_FORGET 20u
#define WAIT_THIRD_MS 30000u
#define WAIT_PROBE 10u /* share of its time, when tried without risk */
#define REFUSED_CHECK 3u
#define REFUSED_MOST 10u

static const char *const reasons[] = {
    [LEFT_SPOILT] = "too many of the last ones ended because it hung or died when it had to "
                    "follow, or took back what it had agreed to",
    [LEFT_SLOW] = "they waited longer for it than its limit commit-ms allows in ten minutes",
    [LEFT_REFUSES] = "it refused the last ones, and refuses what runs as well",
    [LEFT_REFUSED_ALL] = "it refused the last ten of them",
};

static uint64_t now_of(const struct engine *engine)
{
    return engine->host.now_ms(engine->host.arg);
}

static void tell(struct engine *engine, const struct subscriber *s)
{
    AUTO_FREE char *key = buf_format("left-out:%s", s->name);
    AUTO_FREE char *what =
        buf_format("%s is left out of commits: %s", s->name, reasons[s->left_out]);
    AUTO_FREE char *todo =
        buf_format("see `orbctl logs --service %s`; put the package right and set something of "
                   "/services/%s, which lets it take part again, or set /services/%s/enabled false",
                   s->name, s->name, s->name);

    if (engine->host.problem)
        engine->host.problem(engine->host.arg, key, false, s->left_out ? what : NULL, todo);
}

static void leave_out(struct engine *engine, struct subscriber *s, enum left_out why)
{
    uint64_t wait = (uint64_t)PROBE_MS << s->times_out;

    s->probe_at = now_of(engine) + wait;
    if (s->times_out < PROBE_DOUBLED)
        s->times_out++;
    s->left_out = why;
    s->propose = false;
    log_error(engine->host.log, "config.service.left-out", KV("service", s->name),
              KV("why", reasons[why]), KV("asked-again-s", wait / 1000));
    tell(engine, s);
}

static bool is_third(const struct engine *engine, const struct subscriber *s)
{
    return parts_third_party(&engine->parts, s->name);
}

static void strike(struct engine *engine, struct subscriber *s)
{
    s->strikes += SPOILT;
    if (s->strikes >= TOO_MANY)
        leave_out(engine, s, LEFT_SPOILT);
}

void strikes_spoilt(struct engine *engine, const char *name)
{
    struct subscriber *s = subscriber_find(engine, name);

    if (s)
        strike(engine, s);
}

void strikes_broke_word(struct engine *engine, const char *name)
{
    struct subscriber *s = subscriber_find(engine, name);

    if (s && is_third(engine, s))
        strike(engine, s);
}

void strikes_refused(struct engine *engine, const char *name)
{
    struct subscriber *s = subscriber_find(engine, name);

    if (!s || !is_third(engine, s))
        return;
    if (s->left_out || ++s->refused >= REFUSED_MOST)
        leave_out(engine, s, s->left_out ? s->left_out : LEFT_REFUSED_ALL);
    else
        s->propose = s->refused == REFUSED_CHECK;
}

void strikes_refuses_all(struct engine *engine, const char *name)
{
    struct subscriber *s = subscriber_find(engine, name);

    if (s && !s->left_out)
        leave_out(engine, s, LEFT_REFUSES);
}

/* ---- time ---- */

static uint64_t waited(const struct engine *engine, const struct subscriber *s)
{
    uint64_t forgotten = (now_of(engine) - s->waited_at) / WAIT_FORGET;

    return s->waited_ms > forgotten ? s->waited_ms - forgotten : 0;
}

void strikes_waited(struct engine *engine, const char *name, uint64_t ms)
{
    struct subscriber *s = subscriber_find(engine, name);

    if (!s || ms <= WAIT_FREE_MS)
        return;
    s->waited_ms = waited(engine, s) + ms - WAIT_FREE_MS;
    s->waited_at = now_of(engine);
}

static uint64_t limit_of(const struct engine *engine, const struct subscriber *s)
{
    const json_t *services = json_object_get(engine->store.running, "services");
    const json_t *limits = json_object_get(json_object_get(services, s->name), "limits");
    json_int_t ms = json_integer_value(json_object_get(limits, "commit-ms"));

    if (ms > 0)
        return (uint64_t)ms;
    return is_third(engine, s) ? WAIT_THIRD_MS : 0;
}

uint64_t strikes_patience(const struct engine *engine, const struct subscriber *s)
{
    uint64_t limit = limit_of(engine, s), used = waited(engine, s);

    if (!limit)
        return UINT64_MAX;
    if (s->left_out)
        limit /= WAIT_PROBE;
    return WAIT_FREE_MS + (limit > used ? limit - used : 0);
}

void strikes_slow(struct engine *engine, const char *name)
{
    struct subscriber *s = subscriber_find(engine, name);

    if (s)
        leave_out(engine, s, LEFT_SLOW);
}

/* ---- the way back ---- */

static void take_back(struct engine *engine, struct subscriber *s)
{
    if (s->left_out) {
        s->left_out = LEFT_NOT;
        log_notice(engine->host.log, "config.service.takes-part", KV("service", s->name));
        tell(engine, s);
    }
    s->strikes = s->refused = 0;
    s->propose = false;
}

void strikes_followed(struct engine *engine, const char *name)
{
    struct subscriber *s = subscriber_find(engine, name);

    if (s && s->left_out) {
        take_back(engine, s);
    } else if (s) {
        s->strikes -= s->strikes > 0;
        s->refused /= 2;
    }
}

void strikes_forgive(struct engine *engine, struct subscriber *s)
{
    take_back(engine, s);
    s->times_out = 0;
    s->waited_ms = 0;
}
