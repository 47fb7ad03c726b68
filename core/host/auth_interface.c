/* auth@1: identity of the caller, sessions by token, and the tokens themselves. Changes are written
 * on a thread: a slow disk must not block the loop. Later requests are queued. */
#include "core/host/auth_interface.h"

#include <string.h>
#include <time.h>

#include "core/base/json_write.h"
#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/host/host_internal.h"
#include "core/host/problem.h"
#include "core/host/health.h"
#include "core/ipc/session.h"
#include "core/json/scan.h"

#define WAITING_MAX 64

enum token_work { TOKEN_CREATE, TOKEN_REVOKE, TOKEN_EXPIRY };

/* One request that changes the tokens, or the note that some have expired. */
struct token_job {
    struct token_job *next;
    struct orbitald *host;
    struct host_req *req; /* NULL: of the host itself */
    char name[64], role[16], user[64];
    enum peer_kind kind; /* of user */
    enum token_work what;
    uint64_t lifetime_s; /* 0: does not expire */
    struct auth_change *change;
    uv_work_t work;
    struct orb_err err; /* of the writing; code 0: written */
};

/* ---- sessions ---- */

static int login(struct orbitald *host, const struct host_caller *caller, const char *input,
                 size_t len, struct buf *out, struct orb_err *err)
{
    char token[208], name[64], role[16];
    struct json_write w = json_write_to(out);
    uint32_t session;
    int64_t made_us;
    int r;

    json_text_member(input, len, "token", token, sizeof(token));
    r = auth_token_check(host->auth, token, name, role, &made_us, err);
    if (r < 0) {
        log_warn(host->log, "audit.login-refused", KV("by", caller->name), KV("reason", err->text));
        return r;
    }
    r = session_open(host->broker, caller->peer, name, role, made_us, &session, err);
    if (r < 0)
        return r;
    json_write_object(&w, NULL);
    json_write_integer(&w, "session", session);
    json_write_string(&w, "user", name);
    json_write_string(&w, "role", role);
    json_write_end(&w);
    return 0;
}

static int logout(struct orbitald *host, const struct host_caller *caller, const char *input,
                  size_t len, struct orb_err *err)
{
    struct json_slice value;
    int64_t session = 0;

    if (json_member(input, len, "session", &value))
        json_int64(&value, &session);
    return session_close(host->broker, caller->peer, (uint32_t)session, err);
}

/* ---- changes of the tokens ---- */

static void start_next(struct orbitald *host);

/* "2027-02-26T10:00:00Z", "never". */
static void expiry_text(int64_t at_us, char *to, size_t size)
{
    time_t at = (time_t)(at_us / 1000000);
    struct tm tm;

    if (!at_us || !gmtime_r(&at, &tm) || !strftime(to, size, "%Y-%m-%dT%H:%M:%SZ", &tm))
        snprintf(to, size, "never");
}

static void reply(struct token_job *job)
{
    AUTO(buf) struct buf out = {0};
    struct json_write w = json_write_to(&out);
    int64_t expires_us = auth_change_expires(job->change);

    json_write_object(&w, NULL);
    if (job->what == TOKEN_CREATE) {
        json_write_string(&w, "token", auth_change_token(job->change));
        if (expires_us)
            json_write_integer(&w, "expires-us", expires_us);
    }
    json_write_end(&w);
    host_reply(job->req, out.data, out.len);
}

static void tell(struct token_job *job, int r, const struct orb_err *err)
{
    char expires[32] = "";

    if (job->what == TOKEN_EXPIRY) {
        if (r < 0)
            log_warn(job->host->log, "auth.expiry-not-written", KV("error", err->text));
        return;
    }
    if (job->what == TOKEN_CREATE && job->change)
        expiry_text(auth_change_expires(job->change), expires, sizeof(expires));
    log_notice(job->host->log, "audit.order", KV("user", job->user),
               KV("kind", peer_kind_name(job->kind)),
               KV("method", job->what == TOKEN_REVOKE ? "token-revoke" : "token-create"),
               KV("name", job->name), KV("role", job->role), KV("expires", (const char *)expires),
               KV("result", r < 0 ? err->text : "ok"));
    if (r < 0)
        host_reply_error(job->req, err);
    else
        reply(job);
}

static void leave_line(struct token_job *job)
{
    struct orbitald *host = job->host;

    host->tokens_first = job->next;
    host->tokens_waiting--;
    free(job);
    start_next(host);
}

static void on_write(uv_work_t *work)
{
    struct token_job *job = container_of(work, struct token_job, work);

    auth_change_write(job->change, &job->err);
}

static void on_written(uv_work_t *work, int status)
{
    struct token_job *job = container_of(work, struct token_job, work);
    struct orbitald *host = job->host;
    bool written = status == 0 && job->err.code == 0;

    if (status < 0)
        orb_fail(&job->err, status, "the tokens were not written");
    tell(job, job->err.code, &job->err);
    auth_change_end(host->auth, take_ptr(job->change), written);
    auth_interface_check_tokens(host);
    if (written && job->what != TOKEN_EXPIRY &&
        host->broker) /* after the answer: the caller may be one of them */
        session_end_user(host->broker, job->name);
    leave_line(job);
}

static void on_expired(void *arg, const char *name)
{
    struct orbitald *host = arg;

    log_notice(host->log, "audit.token-expired", KV("name", name));
    session_end_user(host->broker, name);
}

static int begin(struct token_job *job, struct orb_err *err)
{
    struct auth *auth = job->host->auth;

    switch (job->what) {
    case TOKEN_REVOKE:
        return auth_token_revoke(auth, job->name, &job->change, err);
    case TOKEN_EXPIRY:
        return auth_expired_keep(auth, &job->change, err);
    default: /* one that has expired is replaced, and its sessions are not those of the new one */
        auth_expire(auth, on_expired, job->host);
        return auth_token_create(auth, job->name, job->role, job->lifetime_s, &job->change, err);
    }
}

static void start_next(struct orbitald *host)
{
    struct token_job *job = host->tokens_first;
    struct orb_err err = {0};
    int r;

    if (!job)
        return;
    r = begin(job, &err);
    if (r == 0) {
        r = uv_queue_work(host->loop, &job->work, on_write, on_written);
        if (r == 0)
            return;
        auth_change_end(host->auth, take_ptr(job->change), false);
        orb_fail(&err, r, "the tokens cannot be written");
    }
    tell(job, r, &err);
    leave_line(job);
}

static void enqueue(struct orbitald *host, struct token_job *job)
{
    struct token_job **end = &host->tokens_first;

    job->host = host;
    while (*end)
        end = &(*end)->next;
    *end = job;
    if (host->tokens_waiting++ == 0)
        start_next(host);
}

static uint64_t lifetime_of(const struct orbitald *host, const char *input, size_t len)
{
    struct json_slice value;
    int64_t lifetime_s = 0;

    if (!json_member(input, len, "expires-s", &value))
        return host->token_lifetime_s;
    json_int64(&value, &lifetime_s);
    return (uint64_t)lifetime_s;
}

/* The expiry would be computed from a clock that is not set. */
static int check_clock(uint64_t lifetime_s, struct orb_err *err)
{
    if (!lifetime_s || now_wall_us() >= MADE_US)
        return 0;
    return orb_fail(err, ORB_E_STATE,
                    "the clock is not set, so no expiry can be computed: set it first, or make "
                    "a token with --expires never");
}

static int take_order(struct orbitald *host, struct host_req *req, const struct host_caller *caller,
                      const char *method, const char *input, size_t len, struct orb_err *err)
{
    bool revokes = !strcmp(method, "token-revoke");
    uint64_t lifetime_s = revokes ? 0 : lifetime_of(host, input, len);
    struct token_job *job;

    if (check_clock(lifetime_s, err) < 0)
        return err->code;
    if (host->tokens_waiting == WAITING_MAX)
        return orb_fail(err, ORB_E_BUSY, "%d changes of tokens wait for the disk already",
                        WAITING_MAX);
    job = xcalloc(1, sizeof(*job));
    job->req = req;
    job->what = revokes ? TOKEN_REVOKE : TOKEN_CREATE;
    job->lifetime_s = lifetime_s;
    json_text_member(input, len, "name", job->name, sizeof(job->name));
    json_text_member(input, len, "role", job->role, sizeof(job->role));
    job->kind = caller->kind;
    snprintf(job->user, sizeof(job->user), "%s", caller->name);
    enqueue(host, job);
    return 0;
}

void auth_interface_expire_tokens(struct orbitald *host)
{
    struct token_job *job;

    if (!host->auth || !auth_expire(host->auth, on_expired, host))
        return;
    job = xcalloc(1, sizeof(*job));
    job->what = TOKEN_EXPIRY;
    enqueue(host, job);
}

void auth_interface_check_tokens(struct orbitald *host)
{
    const struct orb_err *damage = auth_damage(host->auth);

    if (!damage) {
        problem_clear(host, "auth.tokens");
        return;
    }
    log_error(host->log, "auth.tokens-refused", KV("error", damage->text));
    problem_set(host, "auth.tokens", HEALTH_DEGRADED, damage->text, "",
                "put the file back and send SIGHUP, or make new tokens");
}

/* ---- the interface ---- */

static int auth_dispatch(struct orbitald *host, const struct host_caller *caller,
                         const char *method, const char *input, size_t len, struct buf *out,
                         struct orb_err *err)
{
    struct json_write w = json_write_to(out);

    if (!strcmp(method, "login"))
        return login(host, caller, input, len, out, err);
    if (!strcmp(method, "logout"))
        return logout(host, caller, input, len, err);
    if (!strcmp(method, "token-list"))
        return auth_token_list(host->auth, out, err);
    json_write_object(&w, NULL);
    json_write_string(&w, "kind", peer_kind_name(caller->kind));
    json_write_string(&w, "name", caller->name);
    json_write_string(&w, "role", caller->role);
    json_write_end(&w);
    return 0;
}

static void on_auth_request(void *arg, struct host_req *req, const struct host_caller *caller,
                            const char *method, const char *input, size_t len)
{
    struct orbitald *host = arg;
    AUTO(buf) struct buf out = {0};
    struct orb_err err = {0};
    int r;

    if (!strcmp(method, "token-create") || !strcmp(method, "token-revoke")) {
        if (take_order(host, req, caller, method, input, len, &err) < 0)
            host_reply_error(req, &err);
        return;
    }
    r = auth_dispatch(host, caller, method, input, len, &out, &err);
    if (r < 0)
        host_reply_error(req, &err);
    else
        host_reply(req, out.len ? out.data : "{}", out.len ? out.len : 2);
}

int auth_interface_provide(struct orbitald *host, struct orb_err *err)
{
    return host_serve(host->broker, host->auth_contract, on_auth_request, host, err);
}
