/* A package's end of the socket, and a host that sends anything. First byte: bit 0 the rest is the
 * host's stream as it is, else a script of frames {type, handle, corr, src, kind, size} (enum
 * kind); bit 1 no WELCOME and peers before it; bit 2 the package has no configuration; bit 3 its
 * configuration steps are answered later; bit 4 with its next event.
 *
 * Whatever arrives, the package ends in time. As long as it is JSON, which the broker ensures, the
 * package sends nothing for which the broker would disconnect it, answers each request at most
 * once, and its plugin gets the steps of a change in their order and, after an abort, the previous
 * tree. */
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/own.h"
#include "core/ipc/frame.h"
#include "core/json/scan.h"
#include "core/worker/sdk.h"
#include "test/fuzz/bounds.h"

#define MOST_MS 400.0
#define FRAMES 300 /* of a script: what they are answered with must find room in the socket */
#define KEPT 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum kind {
    RAW,
    ENVELOPE,
    PREPARE,
    PREPARE_RAW,
    TX,
    ATTACHED,
    ERROR,
    EVENT,
    PEER,
    KINDS,
};

enum step { NOTHING, PREPARED, APPLIED, BROKEN };

/* Of one input. */
static struct {
    bool clean; /* all frames of the host are JSON */
    unsigned asked[256], answered[256];
    struct orb_req *kept[KEPT];
    enum step step;
    bool begun, stopped, late, waits;
    cJSON *tree, *before; /* as it is, and before the last change */
} seen;

/* ---- the plugin ---- */

static bool take_bool(bool *flag)
{
    bool was = *flag;

    *flag = false;
    return was;
}

static cJSON *copy(const cJSON *tree)
{
    return tree ? cJSON_Duplicate(tree, true) : NULL;
}

static void now_is(const cJSON *tree)
{
    cJSON_Delete(seen.before);
    seen.before = seen.tree;
    seen.tree = copy(tree);
}

static int later(struct orb_err *err, int code)
{
    seen.waits = seen.late;
    if (code < 0)
        return orb_fail_at(err, code, "/t/x", "the plugin does not want it");
    return seen.late ? ORB_LATER : 0;
}

static bool is_unwanted(const cJSON *tree)
{
    const cJSON *part = cJSON_GetObjectItemCaseSensitive(tree, "t");

    return cJSON_GetObjectItemCaseSensitive(part, "veto") != NULL;
}

static int on_prepare(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err)
{
    must(seen.begun && !seen.stopped, "a change before the beginning or after the end");
    must(seen.step == NOTHING || seen.step == APPLIED || change->initial || !change->tx,
         "a change within another");
    must(cJSON_IsObject(change->tree) && cJSON_IsArray(change->patch), "a change of nothing");
    if (is_unwanted(change->tree) && !seen.late)
        return later(err, ORB_E_INVALID);
    seen.step = PREPARED;
    now_is(change->tree);
    orb_plan_step(ctx, "live", "it changes");
    return later(err, 0);
}

static int on_apply(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err)
{
    must(seen.step == PREPARED, "applied without being prepared");
    must(!seen.clean || cJSON_Compare(seen.tree, change->tree, true),
         "what is applied is not what was prepared");
    seen.step = change->revision % 7 == 6 && !seen.late ? BROKEN : APPLIED;
    return later(err, seen.step == BROKEN ? ORB_E_INTERNAL : 0);
}

static int on_abort(struct orb_ctx *ctx, const struct orb_change *change, bool applied,
                    struct orb_err *err)
{
    must(seen.step != NOTHING, "nothing is there to abort");
    must(applied == (seen.step != PREPARED), "an abort of another step");
    must(!seen.clean || !seen.before || cJSON_Compare(seen.before, change->tree, true),
         "after an abort the tree is another one");
    seen.step = NOTHING;
    now_is(change->tree);
    return later(err, 0);
}

static const char *const paths[] = {"/t", NULL};
static const struct orb_config config = {paths, on_prepare, on_apply, on_abort};

static void answer_kept(void)
{
    for (unsigned i = 0; i < KEPT; i++)
        if (seen.kept[i])
            orb_reply(take_ptr(seen.kept[i]), NULL);
}

static int on_say(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    const struct orb_peer *peer = orb_req_peer(req);
    cJSON *out = cJSON_CreateObject();
    int64_t n = 0;

    orb_int64(cJSON_GetObjectItemCaseSensitive(in, "n"), &n);
    orb_add_int64(out, "n", n);
    cJSON_AddStringToObject(out, "who", peer->name);
    cJSON_AddStringToObject(out, "trace", orb_req_trace(req));
    for (const char *const *grant = peer->grants; *grant; grant++)
        cJSON_AddStringToObject(out, *grant, peer->kind);
    orb_reply(req, out);
    return 0;
}

static int on_keep(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    for (unsigned i = 0; i < KEPT; i++)
        if (!seen.kept[i]) {
            seen.kept[i] = req;
            return 0;
        }
    return orb_fail(err, ORB_E_BUSY, "%d are kept", KEPT);
}

static int on_flush(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    answer_kept();
    if (take_bool(&seen.waits))
        orb_config_done(ctx, NULL);
    orb_reply(req, NULL);
    return 0;
}

static void on_done(struct orb_ctx *ctx, void *arg, const cJSON *out, const struct orb_err *err)
{
    must(!out == (err != NULL), "an answer and an error, or neither");
    must(!err || (err->code < 0 && err->text[0]), "refused without a word");
    orb_counter_add(ctx, "answers", 1);
}

static int on_call(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    int r = orb_call(ctx, "other@1", "do", copy(in), 1000, on_done, NULL, err);

    if (r < 0)
        return r;
    orb_log(ctx, ORB_INFO, "t.called", KV("trace", orb_req_trace(req)));
    orb_reply(req, NULL);
    return 0;
}

static int on_raw(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    size_t len;
    const char *text = orb_req_text(req, &len);

    orb_reply_text(req, text, len);
    return 0;
}

static const struct orb_method methods[] = {
    {"say", on_say},   {"keep", on_keep},        {"flush", on_flush},
    {"call", on_call}, {"raw", on_raw, ORB_RAW}, {0},
};

static void on_event(struct orb_ctx *ctx, void *arg, const char *topic, const cJSON *payload)
{
    struct orb_err err;

    orb_publish(ctx, "received", copy(payload), &err);
    orb_problem_set(ctx, topic[0] ? topic : "none", &(struct orb_problem){.what = "an event"});
    if (take_bool(&seen.waits))
        orb_config_done(ctx, NULL);
}

static int on_init(struct orb_ctx *ctx, struct orb_err *err)
{
    must(!seen.begun, "a second beginning");
    seen.begun = true;
    return orb_subscribe(ctx, "other@1", "*", on_event, NULL, err);
}

static void on_stop(struct orb_ctx *ctx)
{
    must(seen.begun && !seen.stopped, "an end without a beginning");
    seen.stopped = true;
}

static void on_gone(struct orb_ctx *ctx, uint32_t peer)
{
    for (unsigned i = 0; i < KEPT; i++)
        if (seen.kept[i] && orb_req_peer(seen.kept[i])->id == peer)
            orb_reply(take_ptr(seen.kept[i]), NULL);
}

static const struct orb_plugin plugins[] = {
    {ORB_PLUGIN_HEAD, "t", methods, &config, on_init, NULL, on_stop, on_gone, NULL},
    {ORB_PLUGIN_HEAD, "t", methods, NULL, on_init, NULL, on_stop, on_gone, NULL},
};

/* ---- frames of the host ---- */

static void add_frame(struct buf *stream, struct frame head, const char *env, size_t env_len,
                      const char *payload, size_t len)
{
    unsigned char header[FRAME_HEADER];

    head.envlen = (uint16_t)env_len;
    head.len = (uint32_t)(env_len + len);
    frame_put(header, &head);
    buf_add(stream, header, sizeof(header));
    buf_add(stream, env, env_len);
    buf_add(stream, payload, len);
    seen.clean &= (!env_len || scan_json(env, env_len, NULL, NULL) == 0) &&
                  (!len || scan_json(payload, len, NULL, NULL) == 0);
    if (head.type == FRAME_REQ && head.corr < 256)
        seen.asked[head.corr]++;
}

static void add_text(struct buf *stream, struct frame head, const char *env, const char *payload)
{
    add_frame(stream, head, env, strlen(env), payload, strlen(payload));
}

static void add_welcome(struct buf *stream)
{
    add_text(stream, (struct frame){.type = FRAME_WELCOME}, "",
             "{\"service\":\"t\",\"peer\":3,\"abi\":1,\"interface\":\"t\",\"version\":\"1.0\","
             "\"config\":[\"/t\"],\"methods\":[\"t/say\",\"t/keep\",\"t/flush\",\"t/call\","
             "\"t/raw\",\"t/none\",\"service.t/prepare\",\"service.t/apply\","
             "\"service.t/abort\"]}");
    add_text(stream, (struct frame){.type = FRAME_PEER}, "",
             "{\"id\":1,\"kind\":\"service\",\"name\":\"config\",\"role\":\"service\","
             "\"grants\":[\"config.read:/\"],\"opened-us\":5}");
    add_text(stream, (struct frame){.type = FRAME_PEER}, "",
             "{\"id\":2,\"kind\":\"user\",\"name\":\"kim\",\"role\":\"operator\"}");
}

/* One frame of a script; a and b are numbers for what is ready-made. */
static void add_kind(struct buf *stream, struct frame head, enum kind kind, const char *text,
                     size_t len)
{
    AUTO(buf) struct buf made = {0};
    unsigned a = len ? (uint8_t)text[0] : 0, b = len > 1 ? (uint8_t)text[1] : 1;
    const char *env = "";

    switch (kind) {
    case ENVELOPE:
        add_frame(stream, head, text, len, "{}", 2);
        return;
    case PREPARE:
        buf_addf(&made,
                 "{\"tx\":%u,\"revision\":%u,\"patch\":[{\"op\":\"set\",\"path\":\"/t/%s\","
                 "\"value\":%u}]}",
                 a, b, b % 5 ? "x" : "veto", b);
        break;
    case PREPARE_RAW:
        buf_addf(&made, "{\"tx\":%u,\"revision\":%u,\"patch\":", a, b);
        buf_add(&made, text, len);
        buf_addc(&made, '}');
        break;
    case TX:
        buf_addf(&made, "{\"tx\":%u}", a);
        break;
    case ATTACHED:
        buf_addf(&made, "{\"bytes\":13,\"revision\":%u,\"data\":\"{\\\"t\\\":{\\\"x\\\":%u}}\"}", b,
                 a % 10);
        break;
    case ERROR:
        env = a % 2 ? "{\"err\":{\"code\":\"unavailable\",\"text\":\"none\",\"path\":\"/a\"}}"
                    : "{\"err\":{\"code\":\"gone\"}}";
        break;
    case EVENT:
        env = "{\"from\":\"other\",\"topic\":\"up\"}";
        buf_addf(&made, "{\"from\":\"other\",\"topic\":\"up\",\"count\":%u}", a);
        break;
    case PEER:
        buf_addf(&made, "{\"id\":%u,\"kind\":\"service\",\"name\":\"p%u\",\"role\":\"service\"}", a,
                 b);
        break;
    default:
        add_frame(stream, head, "", 0, text, len);
        return;
    }
    add_frame(stream, head, env, strlen(env), made.data, made.len);
}

static void add_script(struct buf *stream, const uint8_t *data, size_t size)
{
    for (unsigned i = 0; i < FRAMES && size >= 6; i++) {
        struct frame head = {.type = data[0] % FRAME_TYPES,
                             .handle = data[1],
                             .corr = data[2],
                             .src = data[3],
                             .deadline_ms = data[4] & 128 ? 500 : 0};
        size_t len = data[5] < size - 6 ? data[5] : size - 6;

        add_kind(stream, head, data[4] % KINDS, (const char *)data + 6, len);
        data += 6 + len;
        size -= 6 + len;
    }
}

/* ---- frames of the package ---- */

static bool is_for_host(unsigned type)
{
    return type == FRAME_OPEN || type == FRAME_REQ || type == FRAME_REP || type == FRAME_ERR ||
           type == FRAME_SUB || type == FRAME_PUB || type == FRAME_PONG || type == FRAME_READY ||
           type == FRAME_LOG || type == FRAME_METRIC || type == FRAME_FAIL ||
           type == FRAME_PROBLEMS || type == FRAME_PROGRESS || type == FRAME_APPLIED;
}

static void check_frame(const struct frame *f, const char *body, unsigned number, bool *ready)
{
    must(number == 0 ? f->type == FRAME_HELLO : is_for_host(f->type), "a frame the host refuses");
    must(f->type != FRAME_READY || !*ready, "ready twice");
    must(f->type != FRAME_APPLIED || *ready, "applied before it was ready");
    must(!f->src || f->type == FRAME_REQ || f->type == FRAME_OPEN, "a sender of its own choice");
    *ready |= f->type == FRAME_READY;
    if (f->type == FRAME_REP || f->type == FRAME_ERR)
        must(f->corr < 256 && seen.answered[f->corr]++ < seen.asked[f->corr],
             "a second answer, or one to nothing");
    if (!seen.clean)
        return;
    must(!f->envlen || scan_json(body, f->envlen, NULL, NULL) == 0, "an envelope that is no JSON");
    must(f->len == f->envlen || scan_json(body + f->envlen, f->len - f->envlen, NULL, NULL) == 0,
         "a payload that is no JSON");
}

static void check_reported(int fd, size_t received)
{
    AUTO(buf) struct buf shown = {0};
    bool ready = false;
    unsigned number = 0;
    struct frame f;
    ssize_t n;

    while ((n = recv(fd, buf_reserve(&shown, 65536), 65536, MSG_DONTWAIT)) > 0)
        shown.len += (size_t)n;
    must_fit(shown.len, 16384, 64, received);
    for (size_t at = 0; at < shown.len; at += FRAME_HEADER + f.len) {
        must(frame_get((unsigned char *)shown.data + at, shown.len - at, &f, NULL) == 0,
             "half a frame, or none");
        check_frame(&f, shown.data + at + FRAME_HEADER, number++, &ready);
    }
}

static void run(const struct buf *stream, const struct orb_plugin *plugin)
{
    struct sdk_setup setup = {.service = "t"};
    int pair[2], room = 1 << 20;

    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "no socket");
    for (int i = 0; i < 2; i++)
        setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    (void)!send(pair[0], buf_str((struct buf *)stream), stream->len, MSG_DONTWAIT | MSG_NOSIGNAL);
    shutdown(pair[0], SHUT_WR);
    setup.ipc_fd = pair[1];
    sdk_run(&setup, plugin);
    must(seen.begun == seen.stopped, "begun and not stopped");
    check_reported(pair[0], stream->len);
    close(pair[0]);
    close(pair[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(buf) struct buf stream = {0};
    double before = cpu_ms();

    if (!size)
        return 0;
    memset(&seen, 0, sizeof(seen));
    seen.clean = true;
    seen.late = data[0] & 8;
    if (!(data[0] & 2))
        add_welcome(&stream);
    if (data[0] & 1) {
        seen.clean = false;
        memset(seen.asked, 1, sizeof(seen.asked));
        buf_add(&stream, data + 1, size - 1);
    } else {
        add_script(&stream, data + 1, size - 1);
    }
    run(&stream, &plugins[(data[0] & 4) != 0]);
    cJSON_Delete(seen.tree);
    cJSON_Delete(seen.before);
    must_end(before, MOST_MS, size);
    return 0;
}
