/* The world of a broker test: a real loop, a broker, and the other ends of real socketpairs, on
 * which the test sends and reads raw frames. Waiting runs the loop, for at most 10 s. */
#ifndef TEST_UNIT_IPC_WIRE_H
#define TEST_UNIT_IPC_WIRE_H

#include <string.h>
#include <sys/socket.h>
#include <uv.h>

#include "core/base/buf.h"
#include "core/base/own.h"
#include "core/ipc/broker.h"
#include "core/ipc/contract.h"
#include "core/ipc/peer.h"
#include "core/ipc/frame.h"
#include "test/lib/harness.h"

struct world {
    uv_loop_t loop;
    struct log_sink sink;
    struct buf log; /* "event text\n" */
    struct broker *broker;
    struct contract *echo;
};

/* What the host received from a connection, and the other end of it. */
struct wire {
    struct world *world;
    int fd; /* the test's end */
    struct ipc_peer *peer;
    int hellos, readies, pongs, fails, logs, metrics, problems, progress, answered, applied, closed;
    uint64_t revision;
    char text[400]; /* of fail, pong or log */
    struct orb_err end;
    void (*welcome)(struct json_write *w); /* NULL: no more members of WELCOME */
};

struct got {
    struct frame h;
    char env[FRAME_MAX_ENVELOPE + 1];
    char *payload; /* NUL-terminated, until the next wire_get of this struct */
    size_t len;
};

#define WIRE_PROGRESS_MS 2000
/* interface echo 1.2: say, set, act, secret, work (with progress, at most that long in all); events
 * changed (state), tick (stream), vital (strict)
 */
extern const char echo_schema[];

void world_init(struct world *world);
/* Closes everything and demands that the loop has nothing left. */
void world_fini(struct world *world);
void world_turns(struct world *world, int turns);
/* One turn, with what its timers do, once the loop has something or a second is over. UV_RUN_ONCE
 * is not that: it waits for a descriptor behind a timer that did what was waited for. */
void world_turn(struct world *world);

/* A connection that has not sent HELLO. */
void wire_connect(struct world *world, struct wire *wire, const struct peer_spec *spec);
void wire_service(struct world *world, struct wire *wire, const char *name,
                  const char *const *capabilities);
/* The service "echo", open and greeted. */
void wire_echo(struct world *world, struct wire *wire);
void wire_user(struct world *world, struct wire *wire, const char *name, const char *role);
void wire_hello(struct wire *wire);
void wire_close(struct wire *wire);

void wire_bytes(struct wire *wire, const void *data, size_t len);
void wire_put(struct wire *wire, struct frame h, const char *env, const char *payload);
/* The next frame; the test fails when none comes. */
void wire_get(struct wire *wire, struct got *got);
/* The next frame must be of this type. */
void wire_expect(struct wire *wire, struct got *got, enum frame_type type);
/* The next frame must be ERR for corr with this code and these words. */
void wire_expect_err(struct wire *wire, uint32_t corr, const char *code, const char *words);
/* Nothing comes within some turns of the loop. */
void wire_quiet(struct wire *wire);
/* Runs the loop until *flag is not 0. */
void world_until(struct world *world, const int *flag);
/* The connection is closed by the host; what still came is read and dropped. */
void wire_expect_end(struct wire *wire);
void got_fini(struct got *got);
static inline void own_got(struct got *got)
{
    got_fini(got);
}

#endif
