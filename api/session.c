/* Sessions of users, cached by token so that not every request needs a login. The token itself is
 * kept, not a hash: it passes through this process anyway, is never written to a file, and is wiped
 * with the session. The host ends sessions: revoking a token ends its sessions there, and the next
 * call reports it. */
#include "api/session.h"

#include <stdlib.h>
#include <string.h>

#define LOGIN_MS 5000

static void unlink_free(struct api *api, struct session *s)
{
    struct session **at = &api->sessions;

    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    api->session_count--;
    orb_gauge_set(api->ctx, "sessions", api->session_count);
    explicit_bzero(s, sizeof(*s));
    free(s);
}

static void log_out(struct api *api, const struct session *s)
{
    cJSON *in;

    if (!s->id || s->ended || api->stopping)
        return;
    in = cJSON_CreateObject();
    orb_add_int64(in, "session", s->id);
    orb_call(api->ctx, "auth@1", "logout", in, 0, NULL, NULL, NULL);
}

static void drop_if_done(struct api *api, struct session *s)
{
    if (s->users || !s->id || (s->shared && !s->ended))
        return;
    log_out(api, s);
    unlink_free(api, s);
}

void session_give_back(struct request *q)
{
    struct session *s = q->session;

    if (!s)
        return;
    q->session = NULL;
    s->users--;
    s->used_ms = orb_now_ms();
    drop_if_done(q->api, s);
}

void session_ended(struct session *s)
{
    s->ended = true;
}

/* Constant-time comparison. */
static bool same_token(const char *a, const char *b)
{
    unsigned char differ = 0;

    for (unsigned i = 0; i < API_TOKEN; i++)
        differ |= (unsigned char)(a[i] ^ b[i]);
    return differ == 0;
}

static struct session *find(struct api *api, const char *token)
{
    struct session *found = NULL;

    for (struct session *s = api->sessions; s; s = s->next)
        if (s->shared && !s->ended && same_token(s->token, token))
            found = s;
    return found;
}

const struct session *session_within(struct api *api, const char *text, size_t len)
{
    static const char begin[] = "orb_";
    const char *at = memmem(text, len, begin, sizeof(begin) - 1), *end = text + len;

    for (int tries = 0; at && end - at >= API_TOKEN && tries < 4; tries++) {
        const struct session *s = find(api, at);

        if (s && s->id)
            return s;
        at = memmem(at + 1, (size_t)(end - at - 1), begin, sizeof(begin) - 1);
    }
    return NULL;
}

static bool make_room(struct api *api)
{
    struct session *oldest = NULL;

    if (api->session_count < API_SESSIONS)
        return true;
    for (struct session *s = api->sessions; s; s = s->next)
        if (!s->users && s->id && (!oldest || s->used_ms < oldest->used_ms))
            oldest = s;
    if (!oldest)
        return false;
    log_out(api, oldest);
    unlink_free(api, oldest);
    return true;
}

static void give(struct request *q, struct session *s)
{
    session_give_back(q);
    q->session = s;
    s->users++;
}

bool session_known(struct request *q, const char *token)
{
    struct session *s = find(q->api, token);

    if (!s || !s->id)
        return false;
    give(q, s);
    return true;
}

static void on_login(struct orb_ctx *ctx, void *arg, const cJSON *out, const struct orb_err *err)
{
    struct session *s = arg;
    struct api *api = orb_user(ctx);
    struct request *q = s->waiting;
    int64_t id = 0;

    s->waiting = NULL;
    if (!err) {
        const char *user = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(out, "user"));

        orb_int64(cJSON_GetObjectItemCaseSensitive(out, "session"), &id);
        strncpy(s->user, user ? user : "", sizeof(s->user) - 1);
        s->id = (uint32_t)id;
        s->used_ms = orb_now_ms();
    } else {
        s->ended = true;
    }
    s->users++; /* reference of this function until all were called */
    while (q) {
        struct request *next = q->next_waiting;

        q->calling = false;
        if (!err && !q->gone)
            give(q, s);
        if (!q->gone)
            q->on_session(q, err);
        q->go_on(q);
        q = next;
    }
    s->users--;
    if (err)
        unlink_free(api, s);
    else
        drop_if_done(api, s);
}

static int start(struct api *api, struct request *q, const char *token, bool shared,
                 struct orb_err *err)
{
    struct session *s;
    cJSON *in;
    int r;

    if (!make_room(api))
        return orb_fail(err, ORB_E_BUSY, "%d sessions are in use, the limit", API_SESSIONS);
    s = calloc(1, sizeof(*s));
    if (!s)
        return orb_fail(err, ORB_E_NOMEM, "no memory for a session");
    memcpy(s->token, token, API_TOKEN);
    s->shared = shared;
    in = cJSON_CreateObject();
    cJSON_AddStringToObject(in, "token", s->token);
    r = orb_call(api->ctx, "auth@1", "login", in, LOGIN_MS, on_login, s, err);
    if (r < 0) {
        free(s);
        return r;
    }
    s->next = api->sessions;
    api->sessions = s;
    api->session_count++;
    orb_gauge_set(api->ctx, "sessions", api->session_count);
    s->waiting = q;
    return 0;
}

int session_take(struct request *q, const char *token, bool shared, session_fn *then,
                 struct orb_err *err)
{
    struct session *s = shared ? find(q->api, token) : NULL;
    int r;

    if (s && s->id) {
        give(q, s);
        return 1;
    }
    q->on_session = then;
    q->next_waiting = s ? s->waiting : NULL;
    if (s)
        s->waiting = q;
    r = s ? 0 : start(q->api, q, token, shared, err);
    q->calling = r == 0;
    return r;
}

void session_expire(struct api *api)
{
    uint64_t now = orb_now_ms();
    struct session *next;

    for (struct session *s = api->sessions; s; s = next) {
        next = s->next;
        if (s->users || !s->id || now - s->used_ms < API_SESSION_IDLE_MS)
            continue;
        log_out(api, s);
        unlink_free(api, s);
    }
}

void session_fini(struct api *api)
{
    while (api->sessions)
        unlink_free(api, api->sessions);
}
