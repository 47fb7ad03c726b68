/* The notification protocol of systemd (sd_notify(3)): one datagram, no library needed. */
#include "core/host/notify.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/own.h"
#include "core/host/host_internal.h"

void notify_send(const char *socket_path, const char *text)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    AUTO_FD int fd = -1;
    size_t len = socket_path ? strlen(socket_path) : 0;

    if (!len || len >= sizeof(to.sun_path))
        return;
    memcpy(to.sun_path, socket_path, len);
    if (to.sun_path[0] == '@')
        to.sun_path[0] = '\0'; /* abstract name space */
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0)
        (void)!sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&to,
                      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
}
