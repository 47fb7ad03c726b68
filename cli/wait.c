#include "cli/wait.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/client.h"
#include "cli/out.h"
#include "core/base/now.h"
#include "core/base/own.h"

#define PAUSE_MS 50
#define TELL_AFTER_MS 1000

static uint64_t waited_ms(const struct client *c)
{
    return now_ms() - c->began_ms;
}

int wait_left_ms(const struct client *c)
{
    uint64_t most = c->wait_ms > CLIENT_HELLO_MS ? c->wait_ms : CLIENT_HELLO_MS;
    uint64_t waited = waited_ms(c);

    if (!c->told[0] && waited < TELL_AFTER_MS)
        return (int)(TELL_AFTER_MS - waited);
    return waited < most ? (int)(most - waited) : 0;
}

bool wait_more(struct client *c, const char *what)
{
    uint64_t waited = waited_ms(c);
    uint64_t most = c->wire.fd >= 0 && c->wait_ms < CLIENT_HELLO_MS ? CLIENT_HELLO_MS : c->wait_ms;

    if (waited >= most || c->until_ms)
        return false;
    if (waited >= TELL_AFTER_MS && strcmp(c->told, what)) {
        snprintf(c->told, sizeof(c->told), "%s", what);
        out_err("orbctl: waiting: %s (up to %u s, see --wait)\n", what,
                (unsigned)(most + 999) / 1000);
    }
    return true;
}

void wait_rest(void)
{
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000};

    nanosleep(&pause, NULL);
}
