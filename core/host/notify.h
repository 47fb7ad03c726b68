/* Messages to the service manager. */
#ifndef CORE_HOST_NOTIFY_H
#define CORE_HOST_NOTIFY_H

/* sd_notify(3) datagram to $NOTIFY_SOCKET, nothing without one. */
void notify_send(const char *socket_path, const char *text);

#endif
