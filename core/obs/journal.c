/* One datagram per record; a journal that is absent or full loses records, but never blocks the
 * daemon. */
#include "core/obs/journal.h"

#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/own.h"

void journal_open(struct journal *journal)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/socket"};

    journal->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (journal->fd >= 0 && connect(journal->fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
        close(journal->fd);
        journal->fd = -1;
    }
}

void journal_close(struct journal *journal)
{
    if (journal->fd > 0)
        close(journal->fd);
    journal->fd = -1;
}

/* A field whose value may hold newlines: name, newline, 64-bit little-endian length, value. */
static void field(struct buf *b, const char *name, const char *value)
{
    uint64_t len = strlen(value);
    unsigned char size[8];

    for (unsigned i = 0; i < 8; i++)
        size[i] = (unsigned char)(len >> (8 * i));
    buf_addf(b, "%s\n", name);
    buf_add(b, size, 8);
    buf_add(b, value, len);
    buf_addc(b, '\n');
}

void journal_send(struct journal *journal, enum log_level level, const char *service,
                  const char *event, const char *kv)
{
    static const char *const priorities[] = {"7", "6", "5", "4", "3"};
    AUTO(buf) struct buf b = {0};
    AUTO_FREE char *message = buf_format("%s: %s %s", service, event, kv);

    if (journal->fd <= 0)
        return;
    field(&b, "MESSAGE", message);
    field(&b, "PRIORITY", priorities[level]);
    field(&b, "SYSLOG_IDENTIFIER", "orbitald");
    field(&b, "ORBITAL_SERVICE", service);
    field(&b, "ORBITAL_EVENT", event);
    field(&b, "ORBITAL_FIELDS", kv);
    (void)!send(journal->fd, b.data, b.len, MSG_NOSIGNAL | MSG_DONTWAIT);
}
