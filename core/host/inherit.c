/* An inherited socket is checked, not trusted: a mistake in a unit file must neither open the
 * daemon to other users nor keep it from listening. */
#include "core/host/inherit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/base/own.h"

#define FIRST 3
#define MOST 64

static bool same_file(const char *a, const char *b)
{
    AUTO_FREE char *x = realpath(a, NULL), *y = realpath(b, NULL);

    return !strcmp(a, b) || (x && y && !strcmp(x, y)); /* /var/run is /run */
}

static int check(int fd, const char *path, struct orb_err *err)
{
    struct sockaddr_un address = {0};
    socklen_t len = sizeof(address) - 1, size = sizeof(int);
    int type = 0, listens = 0;

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        return orb_fail(err, -errno, "descriptor %d, which was handed over, is no socket", fd);
    size = sizeof(listens);
    if (address.sun_family != AF_UNIX || type != SOCK_STREAM ||
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0 || !listens)
        return orb_fail(err, ORB_E_INVALID,
                        "descriptor %d, which was handed over, is no listening stream socket of "
                        "AF_UNIX (ListenStream=%s)",
                        fd, path);
    if (!same_file(address.sun_path, path))
        return orb_fail(err, ORB_E_INVALID,
                        "the socket that was handed over listens at %s; expected %s",
                        address.sun_path[0] ? address.sun_path : "an abstract name", path);
    return 0;
}

static long number_of(const char *name)
{
    const char *text = getenv(name);
    char *end;
    long n = text ? strtol(text, &end, 10) : 0;

    return text && *text && !*end ? n : 0;
}

int inherit_listen(const char *path, struct orb_err *err)
{
    long count = number_of("LISTEN_FDS"), pid = number_of("LISTEN_PID");
    int found = -1;

    *err = (struct orb_err){0};
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDNAMES");
    if (pid != (long)getpid() || count < 1 || count > MOST)
        return -1;
    for (int fd = FIRST; fd < FIRST + (int)count; fd++) {
        if (found >= 0 || check(fd, path, err) < 0) {
            close(fd);
            continue;
        }
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        found = fd;
    }
    return found;
}
