/* A thread that reads the kernel's events as they arrive, independent of the host's loop and of
 * jobs: the fast path is adapted at once, further checks are left to the loop. And the heartbeat of
 * the fast path: packets use it only while events were read within half a second (bpf/fast.bpf.h),
 * so that a dead or stopped daemon leaves no established flow to outdated decisions.
 *
 * Note: the heartbeat follows the reading, so earlier changes of the kernel are in effect already.
 * */
#include "dataplane/events.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/base/own.h"
#include "dataplane/dataplane_internal.h"
#include "dataplane/forgets.h"
#include "dataplane/link.h"
#include "dataplane/load.h"
#include "dataplane/watch.h"

#define BEAT_MS 50 /* a tenth of ABI_ALIVE_MS */

/* Reads what there is. */
static void read_events(struct dataplane *dp)
{
    bool others, foreign;
    bool forgets;
    unsigned what;

    pthread_mutex_lock(&dp->lock);
    what = link_events_drain(dp);
    forgets = forgets_drain(dp);
    if (foreign_watch_drain(dp, &foreign))
        what |= LINK_EVENTS;
    if (watch_drain(dp, &others))
        what |= DATAPLANE_RULES;
    if (others || foreign)
        what |= DATAPLANE_FOREIGN;
    if (what & DATAPLANE_FOREIGN)
        foreign_watch_changed(dp);
    if (forgets || (what & (LINK_EVENTS | DATAPLANE_FOREIGN)))
        load_bump(dp); /* obeyed before it is reported */
    dp->pending |= what & ~LINK_EVENTS;
    if (what)
        eventfd_write(dp->noticed, 1);
    pthread_mutex_unlock(&dp->lock);
}

unsigned events_dispatch(struct dataplane *dataplane)
{
    eventfd_t count;
    unsigned what;

    read_events(dataplane);
    pthread_mutex_lock(&dataplane->lock);
    what = dataplane->pending;
    dataplane->pending = 0;
    (void)eventfd_read(dataplane->noticed, &count);
    pthread_mutex_unlock(&dataplane->lock);
    return what;
}

int events_fd(const struct dataplane *dataplane)
{
    return dataplane->noticed;
}

static void *run(void *arg)
{
    struct dataplane *dp = arg;
    struct pollfd fds[] = {{.fd = dp->watch, .events = POLLIN},
                           {.fd = dp->events_stop, .events = POLLIN}};

    while (!fds[1].revents) {
        poll(fds, ARRAY_LEN(fds), dp->programs ? BEAT_MS : -1);
        read_events(dp);
        load_beat(dp);
    }
    return NULL;
}

int events_start(struct dataplane *dp)
{
    sigset_t all, before;
    int r;

    dp->noticed = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    dp->events_stop = eventfd(0, EFD_CLOEXEC);
    if (dp->noticed < 0 || dp->events_stop < 0)
        return -errno;
    sigfillset(&all); /* signals are the loop's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(&dp->reader, NULL, run, dp);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    dp->reading = r == 0;
    return -r;
}

void events_stop(struct dataplane *dp)
{
    int *fds[] = {&dp->noticed, &dp->events_stop};

    if (dp->reading) {
        eventfd_write(dp->events_stop, 1);
        pthread_join(dp->reader, NULL);
        dp->reading = false;
    }
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        if (*fds[i] >= 0)
            close(take_fd(fds[i]));
}
