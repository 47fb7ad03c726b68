/* A package for test_start.py whose start takes long. Its behaviour depends on the name under
 * which it is installed: "hung" never returns from init, "working" takes four seconds and reports
 * progress. */
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "orbital/orbital.h"

static int on_init(struct orb_ctx *ctx, struct orb_err *err)
{
    const struct timespec moment = {.tv_nsec = 50 * 1000 * 1000};

    if (!strcmp(orb_service_name(ctx), "hung"))
        for (;;)
            poll(NULL, 0, -1); /* pause() is no call of a worker and would spin */
    for (int i = 0; i < 80; i++) {
        nanosleep(&moment, NULL);
        orb_progress(ctx);
    }
    return 0;
}

ORB_PLUGIN(.name = "slow", .init = on_init);
