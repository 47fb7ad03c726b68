/* The control socket: a client is identified by the kernel (SO_PEERCRED), never by its own data.
 * One descriptor is held in reserve, so that when the table is full connections can be accepted and
 * refused; otherwise the readable socket would make the loop spin. */
#include "core/ipc/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "core/ipc/access.h"
#include "core/ipc/account.h"
#include "core/ipc/broker_internal.h"
#include "core/ipc/frame_stream.h"
#include "core/ipc/peers.h"
#include "core/ipc/refusal.h"
#include "core/ipc/rights.h"

#define ACCEPTS_PER_TURN 16
#define CLIENTS_FOR_ADMINS 16 /* of LISTEN_CLIENTS */
#define CLIENTS_FOR_NEW 32    /* of the rest: for users without a connection */
#define SUBORDINATE 65536u

static void reserve(struct broker *broker)
{
    if (broker->listen.reserve < 0)
        broker->listen.reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Sends an error to a connection that is no peer, and closes it. */
static void turn_away(int fd, const struct orb_err *err)
{
    const struct frame head = {.type = FRAME_ERR};
    struct frame_stream stream = {.fd = fd};
    AUTO(buf) struct buf env = {0};

    refusal_envelope(err, &env);
    frame_stream_add(&stream, &head, env.data, env.len, NULL, 0, NULL);
    frame_stream_flush(&stream, MSG_DONTWAIT); /* failure is ignored */
    frame_stream_fini(&stream);
}

static void refuse(struct broker *broker, int fd, const struct orb_err *err)
{
    if (refusal_may_log(broker))
        log_notice(broker->log, "ipc.client-refused", KV("reason", err->text));
    turn_away(fd, err);
    rights_close(fd, broker->listen.rights);
    reserve(broker);
}

static int make_room(struct broker *broker, const char *user, unsigned limit, struct orb_err *err)
{
    struct orb_err why;
    struct ipc_peer *leaves = account_gives_way(broker, user, limit, &why);

    if (leaves) {
        refusal_disconnect(leaves, &why);
        return 0;
    }
    return orb_fail(err, why.code, "%s", why.text);
}

/* Whose numbers may be one user's: those of users are given one by one, subordinate ones
 * (subuid(5)) by 65536. */
static bool same_owner(uid_t a, uid_t b)
{
    return a == b || (a >= SUBORDINATE && a / SUBORDINATE == b / SUBORDINATE);
}

static unsigned waiting_of(const struct broker *broker, uid_t uid)
{
    unsigned n = 0;

    for (unsigned i = 0; i < broker->listen.waiting_count; i++)
        n += same_owner(broker->listen.waiting[i].uid, uid);
    return n;
}

/* All places for waiting connections are taken: closes the newest of the owner that has most of
 * them. */
static int make_room_to_wait(struct broker *broker, uid_t uid, struct orb_err *err)
{
    unsigned at = 0, most = 0, last = broker->listen.waiting_count - 1;
    struct orb_err why;
    int fd;

    for (unsigned i = 0; i <= last; i++) {
        unsigned n = waiting_of(broker, broker->listen.waiting[i].uid);

        if (n < most)
            continue;
        most = n;
        at = i;
    }
    orb_fail(&why, ORB_E_BUSY,
             "the user database does not answer, and %u connections wait for it already", last + 1);
    if (most <= waiting_of(broker, uid) + 1) {
        *err = why;
        return why.code;
    }
    fd = broker->listen.waiting[at].fd;
    memmove(&broker->listen.waiting[at], &broker->listen.waiting[at + 1],
            (last - at) * sizeof(broker->listen.waiting[0]));
    broker->listen.waiting_count--;
    refuse(broker, fd, &why);
    return 0;
}

/* Its user is not known yet: it waits, and holds up no other client. */
static int let_wait(struct broker *broker, int fd, uid_t uid, struct orb_err *err)
{
    int r = 0;

    if (broker->listen.waiting_count == LISTEN_WAITING)
        r = make_room_to_wait(broker, uid, err);
    if (r < 0)
        return r;
    broker->listen.waiting[broker->listen.waiting_count].fd = fd;
    broker->listen.waiting[broker->listen.waiting_count++].uid = uid;
    return 0;
}

/* Number of connections up to which this user may open another one: the last places are reserved
 * for administrators, those before for users without a connection. */
static unsigned places_of(const struct broker *broker, const struct peer_spec *spec)
{
    unsigned limit = LISTEN_CLIENTS;

    if (access_rank(spec->role) != RANK_CONFIGURE)
        limit -= CLIENTS_FOR_ADMINS;
    if (limit < LISTEN_CLIENTS && account_connections(broker, spec->name))
        limit -= CLIENTS_FOR_NEW;
    return limit;
}

/* On success fd is the broker's. */
static int add_client(struct broker *broker, int fd, struct orb_err *err)
{
    struct peer_spec spec = {.kind = PEER_USER};
    struct ipc_peer *peer;
    struct ucred who;
    socklen_t len = sizeof(who);
    unsigned limit;
    int r;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
        return orb_fail(err, -errno, "cannot tell who connected");
    r = broker->listen.identify(broker->listen.arg, who.uid, who.gid, spec.name, spec.role, err);
    if (r)
        return r < 0 ? r : let_wait(broker, fd, who.uid, err);
    if (!access_rank(spec.role))
        return orb_fail(err, ORB_E_DENIED, "user %s has no role here", spec.name);
    limit = places_of(broker, &spec);
    if (broker->listen.clients >= limit)
        r = make_room(broker, spec.name, limit, err);
    if (r < 0)
        return r;
    peer = peers_add(broker, fd, &spec, err);
    if (!peer)
        return err->code;
    peer->accepted = true;
    peer->conn.buffer.looks = broker->listen.rights;
    broker->listen.clients++;
    return 0;
}

void listen_identified(struct broker *broker)
{
    int waiting[LISTEN_WAITING];
    unsigned count = broker->listen.waiting_count;

    for (unsigned i = 0; i < count; i++)
        waiting[i] = broker->listen.waiting[i].fd;
    broker->listen.waiting_count = 0;
    for (unsigned i = 0; i < count; i++) {
        struct orb_err err;

        if (add_client(broker, waiting[i], &err) < 0)
            refuse(broker, waiting[i], &err);
    }
}

/* 1: a client was accepted or turned away; 0: none waits. */
static int accept_one(struct broker *broker)
{
    AUTO_FD int fd = -1;
    struct orb_err err;
    int code = 0;

    fd = accept4(broker->listen.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE) && broker->listen.reserve >= 0) {
        code = -errno;
        close(broker->listen.reserve);
        broker->listen.reserve = -1;
        fd = accept4(broker->listen.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    }
    if (fd < 0) {
        reserve(broker);
        return errno == EINTR || errno == ECONNABORTED;
    }
    if (code < 0)
        orb_fail(&err, code, "no descriptor left for another client");
    else
        code = add_client(broker, fd, &err);
    if (code == 0)
        take_fd(&fd);
    else
        refuse(broker, take_fd(&fd), &err);
    return 1;
}

/* An error of the socket shows in accept(), which takes it away. */
static void on_connection(struct loop_watch *poll, int status, int events)
{
    struct broker *broker = container_of(poll, struct broker, listen.poll);

    for (int i = 0; i < ACCEPTS_PER_TURN && broker->listen.on; i++)
        if (!accept_one(broker))
            return;
}

/* Removes the socket file of a daemon that is gone; if one still answers, that is an error. */
static int clear_path(const struct sockaddr_un *address, struct orb_err *err)
{
    AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct stat st;

    if (fd < 0)
        return orb_fail(err, -errno, "cannot make a socket");
    if (lstat(address->sun_path, &st) < 0)
        return errno == ENOENT ? 0 : orb_fail(err, -errno, "cannot look at %s", address->sun_path);
    if (!S_ISSOCK(st.st_mode))
        return orb_fail(err, ORB_E_STATE, "%s exists and is no socket", address->sun_path);
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
        return orb_fail(err, ORB_E_CONFLICT, "another process listens at %s", address->sun_path);
    if (errno != ECONNREFUSED)
        return orb_fail(err, -errno, "cannot tell who listens at %s", address->sun_path);
    if (unlink(address->sun_path) < 0)
        return orb_fail(err, -errno, "cannot remove the old socket %s", address->sun_path);
    return 0;
}

static int make_socket(const struct sockaddr_un *address, int *ret_fd, struct orb_err *err)
{
    const char *path = address->sun_path;
    AUTO_FD int fd = -1;
    int r = clear_path(address, err);

    if (r < 0)
        return r;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return orb_fail(err, -errno, "cannot make the control socket");
    /* bind() gives the file the mode of the descriptor, less the umask: never wider for a moment */
    if (fchmod(fd, 0660) < 0 || bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ||
        chmod(path, 0660) < 0 || listen(fd, LISTEN_CLIENTS) < 0)
        return orb_fail(err, -errno, "cannot listen at %s", path);
    *ret_fd = take_fd(&fd);
    return 0;
}

static void remember_file(struct broker *broker)
{
    struct stat st = {0};

    (void)lstat(broker->listen.path, &st);
    broker->listen.dev = st.st_dev;
    broker->listen.ino = st.st_ino;
}

int listen_start(struct broker *broker, const char *path, int inherited, listen_identify *identify,
                 void *arg, struct orb_err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = inherited, r = 0;

    if (broker->listen.on)
        return orb_fail(err, ORB_E_STATE, "the broker listens at %s already", broker->listen.path);
    if (strlen(path) >= sizeof(address.sun_path))
        return orb_fail(err, ORB_E_INVALID, "socket path %.60s… is over %zu bytes", path,
                        sizeof(address.sun_path) - 1);
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (fd < 0)
        r = make_socket(&address, &fd, err);
    if (r < 0)
        return r;
    r = loop_watch_init(&broker->listen.poll, broker->loop, &broker->scope, fd, on_connection);
    if (r < 0) {
        if (inherited < 0) {
            unlink(path);
            close(fd);
        }
        return orb_fail(err, r, "cannot watch %s", path);
    }
    memcpy(broker->listen.path, address.sun_path, sizeof(broker->listen.path));
    broker->listen.keep_file = inherited >= 0;
    broker->listen.identify = identify;
    broker->listen.arg = arg;
    broker->listen.fd = fd;
    broker->listen.rights = !rights_refuse(fd);
    broker->listen.reserve = -1;
    broker->listen.on = true;
    remember_file(broker);
    reserve(broker);
    loop_watch_set(&broker->listen.poll, UV_READABLE);
    return 0;
}

static bool owns_file(const struct broker *broker)
{
    struct stat st;

    return lstat(broker->listen.path, &st) == 0 && st.st_dev == broker->listen.dev &&
           st.st_ino == broker->listen.ino;
}

/* In the place of the descriptor that is watched; those that wait in the old queue are accepted
 * first. */
static int listen_again(struct broker *broker, struct orb_err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    AUTO_FD int fd = -1;
    int r;

    memcpy(address.sun_path, broker->listen.path, sizeof(address.sun_path));
    r = make_socket(&address, &fd, err);
    if (r < 0)
        return r;
    while (accept_one(broker))
        ;
    rights_refuse(fd);
    loop_watch_set(&broker->listen.poll, 0);
    if (dup3(fd, broker->listen.fd, O_CLOEXEC) < 0)
        r = orb_fail(err, -errno, "cannot listen at %s", broker->listen.path);
    loop_watch_set(&broker->listen.poll, UV_READABLE);
    remember_file(broker);
    return r < 0 ? r : 1;
}

int listen_check(struct broker *broker, struct orb_err *err)
{
    const char *path = broker->listen.path;

    if (!broker->listen.on || owns_file(broker))
        return 0;
    if (broker->listen.keep_file)
        return orb_fail(err, ORB_E_STATE,
                        "%s was removed or replaced: no client reaches the daemon", path);
    return listen_again(broker, err);
}

void listen_close(struct broker *broker)
{
    if (!broker->listen.on)
        return;
    broker->listen.on = false;
    if (!broker->listen.keep_file && owns_file(broker))
        unlink(broker->listen.path);
    while (broker->listen.waiting_count)
        rights_close(broker->listen.waiting[--broker->listen.waiting_count].fd,
                     broker->listen.rights);
    loop_watch_drop(&broker->listen.poll, &broker->scope);
    close(broker->listen.fd);
    if (broker->listen.reserve >= 0)
        close(broker->listen.reserve);
}
