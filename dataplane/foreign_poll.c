/* Foreign state without events: programs at tcx and at netfilter's hooks, iptables-legacy,
 * conntrack's expectations (events only for listeners of every connection, which costs each of
 * them), and settings. Polled by a thread, so that a network lock held by another process blocks
 * nothing else.
 *
 * Note: it compares with the state before the last read began, not with its own last poll. So any
 * change since then is found, however late the thread runs. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/base.h"
#include "dataplane/foreign.h"
#include "dataplane/foreign_hook.h"
#include "dataplane/dataplane_internal.h"
#include "dataplane/load.h"
#include "dataplane/settings.h"

#define TICK_MS 75 /* a change is obeyed within 100 ms */

uint64_t foreign_poll_unseen(struct dataplane *dp, const uint32_t *ports, unsigned count,
                             struct foreign_seen *seen)
{
    struct foreign_programs *programs = &seen->programs;
    uint64_t state = DIGEST_START;
    struct foreign_settings settings = foreign_settings(dp, &seen->files);
    int expected = foreign_state_expectations();

    base_digest_mix(&state, &expected, sizeof(expected));
    base_digest_mix(&state, &settings, sizeof(settings));
    foreign_settings_mix_mtus(&seen->files, ports, count, &state);
    foreign_bpf_mix_tcx(dp, ports, count, programs, &state);
    foreign_legacy_mix(&seen->files, &state);
    foreign_hook_mix(dp, &seen->files, &state);
    foreign_bpf_links_look(programs);
    for (unsigned i = 0; i < programs->count; i++)
        if (programs->links[i].here)
            base_digest_mix(&state, &programs->links[i].id, sizeof(programs->links[i].id));
    return state;
}

void foreign_poll_forget(struct foreign_seen *seen)
{
    struct foreign_files *files = &seen->files;

    for (size_t i = 0; i < ARRAY_LEN(files->settings); i++)
        kept_file_close(&files->settings[i]);
    for (size_t i = 0; i < ARRAY_LEN(files->timeouts); i++)
        kept_file_close(&files->timeouts[i]);
    for (size_t i = 0; i < ARRAY_LEN(files->names); i++)
        kept_file_close(&files->names[i]);
    for (size_t i = 0; i < ARRAY_LEN(files->mtus); i++)
        kept_file_close(&files->mtus[i].file);
    kept_file_close(&files->snmp);
    kept_file_close(&files->ip_vs);
}

/* Under dp->lock: the interfaces to look at. */
static unsigned copy_ports(const struct dataplane *dp, uint32_t *ports)
{
    unsigned count = 0;

    for (unsigned i = 0; i < dp->ports.count; i++)
        if (dp->ports.items[i].ifindex)
            ports[count++] = dp->ports.items[i].ifindex;
    return count;
}

static void look(struct dataplane *dp, uint32_t *ports, struct foreign_seen *seen)
{
    bool changed = false;
    uint64_t state;
    unsigned count;

    settings_timeouts(dp, seen->files.timeouts);
    pthread_mutex_lock(&dp->lock);
    count = copy_ports(dp, ports);
    pthread_mutex_unlock(&dp->lock);
    state = foreign_poll_unseen(dp, ports, count, seen);
    pthread_mutex_lock(&dp->lock);
    if (state != dp->foreign_unseen && !foreign_watch_is_reading(dp)) {
        foreign_watch_changed(dp);
        changed = true;
    }
    pthread_mutex_unlock(&dp->lock);
    if (!changed)
        return;
    load_bump(dp);
    eventfd_write(dp->unseen, 1);
}

static void *run(void *arg)
{
    struct dataplane *dp = arg;
    AUTO_FREE uint32_t *ports = xcalloc(POLICY_MAX_PORTS, sizeof(*ports));
    struct foreign_seen seen = {0};
    struct pollfd stop = {.fd = dp->poll_stop, .events = POLLIN};

    while (poll(&stop, 1, TICK_MS) == 0)
        look(dp, ports, &seen);
    foreign_poll_forget(&seen);
    return NULL;
}

int foreign_poll_start(struct dataplane *dp)
{
    sigset_t all, before;
    int r;

    if (!dp->programs)
        return 0;
    dp->poll_stop = eventfd(0, EFD_CLOEXEC);
    if (dp->poll_stop < 0)
        return -errno;
    sigfillset(&all); /* signals are the loop's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(&dp->poller, NULL, run, dp);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    dp->polling = r == 0;
    return -r;
}

void foreign_poll_stop(struct dataplane *dp)
{
    if (dp->polling) {
        eventfd_write(dp->poll_stop, 1);
        pthread_join(dp->poller, NULL);
        dp->polling = false;
    }
    if (dp->poll_stop >= 0)
        close(take_fd(&dp->poll_stop));
}
