/* Round trips through the broker against a bare relay: caller, middle and callee are three
 * processes on socketpairs; the middle is either the broker (contract checks, deadlines, limits on)
 * or a libuv loop that passes bytes on unread. Rounds of both alternate, so that both see the same
 * machine. Usage: bench_ipc [--json] [--rounds N] */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <uv.h>

#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/ipc/broker.h"
#include "core/ipc/contract.h"
#include "core/ipc/frame.h"
#include "core/ipc/peer.h"
#include "core/ipc/peers.h"

#define CALLS 4000      /* one at a time, 1 KiB, per round */
#define PIPELINED 40000 /* 64 bytes, DEPTH in flight, per round */
#define DEPTH 32
#define MAX_ROUNDS 64

static const char schema[] =
    "{\"interface\":\"echo\",\"version\":\"1.0\",\"methods\":{\"say\":{\"requires\":\"observe\","
    "\"input\":{\"$ref\":\"#/$defs/m\"},\"output\":{\"$ref\":\"#/$defs/m\"}}},"
    "\"$defs\":{\"m\":{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"integer\","
    "\"minimum\":"
    "0},\"name\":{\"type\":\"string\",\"maxLength\":64},\"up\":{\"type\":\"boolean\"},\"text\":{"
    "\"type\":\"string\",\"maxLength\":4096},\"list\":{\"type\":\"array\",\"items\":{\"type\":"
    "\"integer\"}}},\"required\":[\"id\"]}}}";

enum middle { RAW, BROKER, MIDDLES };
static const char *const middle_names[] = {"raw relay", "broker"};

struct round {
    double p50_us, p99_us, calls_per_s, middle_us; /* middle_us: CPU of the middle per call */
};

struct line { /* a frame stream, blocking */
    int fd;
    size_t have, at;
    unsigned char data[1 << 18];
};

static void die(const char *what)
{
    fprintf(stderr, "bench_ipc: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void write_all(int fd, const void *data, size_t len)
{
    const char *p = data;

    while (len) {
        ssize_t n = write(fd, p, len);

        if (n <= 0)
            die("write");
        p += n;
        len -= (size_t)n;
    }
}

/* The next whole frame, in place; NULL at the end of the stream. */
static unsigned char *next_frame(struct line *line, struct frame *h)
{
    for (;;) {
        ssize_t n;
        int r = frame_get(line->data + line->at, line->have - line->at, h, NULL);

        if (r < 0)
            die("frame");
        if (r == 0) {
            unsigned char *p = line->data + line->at;

            line->at += FRAME_HEADER + h->len;
            return p;
        }
        if (line->at) {
            memmove(line->data, line->data + line->at, line->have - line->at);
            line->have -= line->at;
            line->at = 0;
        }
        n = read(line->fd, line->data + line->have, sizeof(line->data) - line->have);
        if (n <= 0)
            return NULL;
        line->have += (size_t)n;
    }
}

static void put(int fd, struct frame h, const char *env, const char *payload, size_t len)
{
    unsigned char all[8192];

    h.envlen = (uint16_t)strlen(env);
    h.len = h.envlen + (uint32_t)len;
    frame_put(all, &h);
    memcpy(all + FRAME_HEADER, env, h.envlen);
    memcpy(all + FRAME_HEADER + h.envlen, payload, len);
    write_all(fd, all, FRAME_HEADER + h.len);
}

/* ---- callee: every request comes back as a reply, all of one read in one write ---- */

static void callee(int fd, enum middle middle)
{
    struct line *line = xcalloc(1, sizeof(*line));
    static unsigned char out[1 << 19];
    size_t used = 0;
    struct frame h;
    unsigned char *p;

    line->fd = fd;
    if (middle == BROKER)
        put(fd, (struct frame){.type = FRAME_HELLO}, "{\"abi\":1}", "", 0);
    while ((p = next_frame(line, &h))) {
        struct frame more;

        if (h.type == FRAME_REQ) {
            struct frame rep = {.type = FRAME_REP, .corr = h.corr, .len = h.len};

            frame_put(out + used, &rep);
            memcpy(out + used + FRAME_HEADER, p + FRAME_HEADER, h.len);
            used += FRAME_HEADER + h.len;
        }
        if (frame_get(line->data + line->at, line->have - line->at, &more, NULL) != 0 && used) {
            write_all(fd, out, used);
            used = 0;
        }
    }
    exit(0);
}

/* ---- middles ---- */

static void on_closed(void *arg, const struct orb_err *err)
{
    uv_stop(arg);
}

static void run_broker(int caller, int provider)
{
    static const char *const may[] = {"ipc.call:echo/*", NULL};
    struct peer_events events = {.closed = on_closed};
    struct peer_spec from = {.kind = PEER_SERVICE, .name = "caller", .capabilities = may};
    struct peer_spec to = {.kind = PEER_SERVICE, .name = "echo"};
    struct contract *contract;
    struct broker *broker;
    struct ipc_peer *peer;
    struct orb_err err;
    uv_loop_t loop;

    from.events = to.events = &events;
    from.arg = to.arg = &loop;
    uv_loop_init(&loop);
    if (contract_compile(schema, strlen(schema), &contract, &err) < 0) {
        fprintf(stderr, "bench_ipc: %s: %s\n", err.path, err.text);
        exit(1);
    }
    to.contract = contract;
    broker_new(&loop, NULL, &broker, NULL);
    peer = peers_add(broker, provider, &to, NULL);
    peer_open(peer);
    peers_add(broker, caller, &from, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
}

struct relay {
    uv_poll_t poll;
    int from, to;
};

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct relay *relay = container_of(poll, struct relay, poll);
    static char data[65536];
    ssize_t n = recv(relay->from, data, sizeof(data), MSG_DONTWAIT);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        uv_stop(poll->loop);
        return;
    }
    for (ssize_t done = 0; done < n;) {
        ssize_t w = send(relay->to, data + done, (size_t)(n - done), MSG_NOSIGNAL);

        if (w > 0)
            done += w;
        else if (errno != EAGAIN)
            die("relay");
    }
}

static void run_relay(int a, int b)
{
    struct relay relays[2] = {{.from = a, .to = b}, {.from = b, .to = a}};
    uv_loop_t loop;

    uv_loop_init(&loop);
    for (int i = 0; i < 2; i++) {
        uv_poll_init(&loop, &relays[i].poll, relays[i].from);
        uv_poll_start(&relays[i].poll, UV_READABLE, on_readable);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
}

/* ---- caller ---- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void must_reply(struct line *line)
{
    struct frame h;
    unsigned char *p = next_frame(line, &h);

    /* the relay gives back what the callee answered: the same type */
    if (!p || h.type != FRAME_REP) {
        fprintf(stderr, "bench_ipc: no reply but %s %.*s\n", p ? frame_type_name(h.type) : "end",
                p ? (int)h.envlen : 0, p ? (char *)p + FRAME_HEADER : "");
        exit(1);
    }
}

static size_t fill_payload(char *to, size_t size)
{
    int n = snprintf(to, size,
                     "{\"id\":123456,\"name\":\"eth0.100\",\"up\":true,\"list\":[1,22,333,4444],"
                     "\"text\":\"");

    for (; (size_t)n < size - 3; n++)
        to[n] = "lorem ipsum dolor "[n % 18];
    memcpy(to + n, "\"}", 3);
    return (size_t)n + 2;
}

static double cpu_of_children(void)
{
    struct rusage usage;

    getrusage(RUSAGE_CHILDREN, &usage);
    return (double)usage.ru_utime.tv_sec * 1e6 + (double)usage.ru_utime.tv_usec +
           (double)usage.ru_stime.tv_sec * 1e6 + (double)usage.ru_stime.tv_usec;
}

static uint32_t greet(struct line *line)
{
    struct frame h;

    put(line->fd, (struct frame){.type = FRAME_HELLO}, "{\"abi\":1}", "", 0);
    next_frame(line, &h);
    do { /* until the provider has sent HELLO, too */
        put(line->fd, (struct frame){.type = FRAME_OPEN},
            "{\"to\":\"echo@1.0\",\"method\":\"say\"}", "", 0);
        if (!next_frame(line, &h))
            die("open");
    } while (h.type != FRAME_OPENED);
    return h.handle;
}

static void one_at_a_time(struct line *line, uint32_t handle, struct round *ret)
{
    static double times[CALLS];
    char text[1024];
    size_t len = fill_payload(text, sizeof(text));

    for (int i = -200; i < CALLS; i++) {
        uint64_t start = now_ns();

        put(line->fd, (struct frame){.type = FRAME_REQ, .handle = handle, .corr = 1}, "", text,
            len);
        must_reply(line);
        if (i >= 0)
            times[i] = (double)(now_ns() - start) / 1e3;
    }
    qsort(times, CALLS, sizeof(times[0]), by_value);
    ret->p50_us = times[CALLS / 2];
    ret->p99_us = times[CALLS * 99 / 100];
}

static void pipelined(struct line *line, uint32_t handle, struct round *ret)
{
    static const char text[] =
        "{\"id\":123456,\"name\":\"eth0.100\",\"up\":true,\"list\":[1,22,333,4]}";
    unsigned char many[DEPTH * (FRAME_HEADER + sizeof(text))];
    size_t used = 0;
    uint64_t start;

    for (int i = 0; i < DEPTH; i++) {
        frame_put(many + used, &(struct frame){.type = FRAME_REQ,
                                               .handle = handle,
                                               .corr = (uint32_t)i,
                                               .len = sizeof(text) - 1});
        memcpy(many + used + FRAME_HEADER, text, sizeof(text) - 1);
        used += FRAME_HEADER + sizeof(text) - 1;
    }
    start = now_ns();
    for (int i = 0; i < PIPELINED; i += DEPTH) {
        write_all(line->fd, many, used);
        for (int k = 0; k < DEPTH; k++)
            must_reply(line);
    }
    ret->calls_per_s = PIPELINED / ((double)(now_ns() - start) / 1e9);
}

static pid_t start(int keep_a, int keep_b, const int *pair_a, const int *pair_b)
{
    pid_t pid = fork();

    if (pid < 0)
        die("fork");
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 0; i < 2; i++) {
        if (pair_a[i] != keep_a && pair_a[i] != keep_b)
            close(pair_a[i]);
        if (pair_b[i] != keep_a && pair_b[i] != keep_b)
            close(pair_b[i]);
    }
    return 0;
}

/* what: 0 one at a time, 1 pipelined. */
static void run(enum middle middle, int what, struct round *ret)
{
    struct line *line = xcalloc(1, sizeof(*line));
    int a[2], b[2], status;
    pid_t mid, far;
    uint32_t handle = 0;
    double before;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, a) < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, b) < 0)
        die("socketpair");
    far = start(b[1], b[1], a, b);
    if (far == 0)
        callee(b[1], middle);
    mid = start(a[1], b[0], a, b);
    if (mid == 0) {
        prctl(PR_SET_NAME, middle == BROKER ? "bench-broker" : "bench-relay"); /* for perf */
        if (middle == BROKER)
            run_broker(a[1], b[0]);
        else
            run_relay(a[1], b[0]);
        _exit(0);
    }
    close(a[1]);
    close(b[0]);
    close(b[1]);
    line->fd = a[0];
    if (middle == BROKER)
        handle = greet(line);
    if (what == 0)
        one_at_a_time(line, handle, ret);
    else
        pipelined(line, handle, ret);
    close(a[0]);
    before = cpu_of_children();
    waitpid(mid, &status, 0);
    if (what == 1)
        ret->middle_us = (cpu_of_children() - before) / PIPELINED;
    waitpid(far, &status, 0);
    free(line);
}

static double median(const struct round *rounds, int count, size_t offset)
{
    double values[MAX_ROUNDS];

    for (int i = 0; i < count; i++)
        memcpy(&values[i], (const char *)&rounds[i] + offset, sizeof(double));
    qsort(values, (size_t)count, sizeof(values[0]), by_value);
    return values[count / 2];
}

static const struct figure {
    const char *name, *unit;
    size_t offset;
    double target; /* of broker / raw relay; 0: none */
} figures[] = {
    {"RPC 1 KiB p50", "us", offsetof(struct round, p50_us), 1.10},
    {"RPC 1 KiB p99", "us", offsetof(struct round, p99_us), 0},
    {"RPC 64 B pipelined", "calls/s", offsetof(struct round, calls_per_s), 0},
    {"middle's CPU per 64 B RPC", "us", offsetof(struct round, middle_us), 0},
};

static void report(struct round rounds[MIDDLES][MAX_ROUNDS], int count, bool json)
{
    if (json)
        printf("{\"figures\":[");
    else
        printf("%-28s %12s %12s %8s  %s\n", "", middle_names[RAW], middle_names[BROKER], "ratio",
               "target");
    for (size_t i = 0; i < ARRAY_LEN(figures); i++) {
        const struct figure *f = &figures[i];
        double raw = median(rounds[RAW], count, f->offset);
        double broker = median(rounds[BROKER], count, f->offset);
        double ratio = broker / raw;
        bool holds = f->target == 0 || ratio <= f->target;

        if (json) {
            printf("%s{\"name\":\"%s\",\"value\":%.3f,\"unit\":\"%s\",\"versus\":\"%s %.3f\","
                   "\"ratio\":%.3f,\"target\":",
                   i ? "," : "", f->name, broker, f->unit, middle_names[RAW], raw, ratio);
            if (f->target > 0)
                printf("%.2f,\"holds\":%s}", f->target, holds ? "true" : "false");
            else
                printf("null,\"holds\":null}");
        } else {
            printf("%-28s %12.2f %12.2f %8.3f  ", f->name, raw, broker, ratio);
            if (f->target > 0)
                printf("<= %.2f %s", f->target, holds ? "holds" : "FAILS");
            printf("%s\n", !strcmp(f->unit, "us") ? " (us)" : " (calls/s)");
        }
    }
    if (json)
        printf("]}\n");
}

int main(int argc, char **argv)
{
    static struct round rounds[MIDDLES][MAX_ROUNDS];
    bool json = false;
    int count = 9;

    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--json"))
            json = true;
        else if (!strcmp(argv[i], "--rounds") && i + 1 < argc)
            count = atoi(argv[++i]);
    }
    if (count < 1 || count > MAX_ROUNDS) {
        fprintf(stderr, "bench_ipc: --rounds is 1 to %d\n", MAX_ROUNDS);
        return 2;
    }
    for (int i = 0; i < count; i++)
        for (int what = 0; what < 2; what++)
            for (int k = 0; k < MIDDLES; k++)
                run((enum middle)((i + k) % MIDDLES), what, &rounds[(i + k) % MIDDLES][i]);
    report(rounds, count, json);
    return 0;
}
