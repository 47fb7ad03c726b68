/* Maintenance: restores and reports what other programs removed or changed. Runs on the worker
 * thread of the data plane, so it may take long. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/now.h"
#include "core/base/own.h"
#include "dataplane/base.h"
#include "dataplane/dataplane_internal.h"
#include "dataplane/load.h"
#include "dataplane/pins.h"
#include "dataplane/packet_test.h"
#include "dataplane/port.h"
#include "dataplane/readdress.h"
#include "dataplane/route_mtu.h"
#include "dataplane/rules.h"
#include "dataplane/ruleset.h"
#include "dataplane/settings.h"
#include "dataplane/watch.h"

#define SETTINGS_MS 3000 /* between two looks at them without events */

struct touched {
    struct watch_ids ids;
    bool lost;
    char who[64];
};

/* What the loop read since the last time. */
static void take_touched(struct dataplane *dp, struct touched *ret_touched)
{
    pthread_mutex_lock(&dp->lock);
    ret_touched->ids = dp->touched;
    ret_touched->lost = dp->lost_events;
    memcpy(ret_touched->who, dp->toucher, sizeof(ret_touched->who));
    dp->touched = (struct watch_ids){0};
    dp->lost_events = false;
    pthread_mutex_unlock(&dp->lock);
}

/* Whether one of the transactions that touched the table is foreign. More than fit into the ring
 * are: this daemon does not make so many at once. */
static bool is_foreign(const struct dataplane *dp, const struct touched *touched)
{
    for (unsigned i = 0; i < WATCH_IDS; i++)
        if (touched->ids.items[i] && !watch_has(&dp->own, touched->ids.items[i]))
            return true;
    return touched->ids.next > WATCH_IDS;
}

/* Looks at the table, and saves its digest, for later and for the next daemon, unless there is one.
 * If another program has just changed it, the event is still to come. */
static enum table_state look_at_table(struct dataplane *dp, uint64_t *ret_digest)
{
    uint32_t id = ruleset_id();
    enum table_state state = base_table_look(ret_digest, NULL, NULL);

    if (!dp->digest && (state == TABLE_POLICY || state == TABLE_CLOSED) && id && ruleset_id() == id)
        base_table_digest(dp, *ret_digest);
    return state;
}

/* Own and foreign transactions were mixed, and only one of them touched the table: that one is
 * attributed to this daemon. */
static void resolve(struct dataplane *dp, const struct touched *touched)
{
    uint32_t found = 0;
    unsigned count = 0;

    for (unsigned i = 0; i < WATCH_IDS; i++)
        if (touched->ids.items[i] && !watch_has(&dp->own, touched->ids.items[i])) {
            found = touched->ids.items[i];
            count++;
        }
    if (count != 1 || touched->lost || found <= dp->unattributed_from ||
        found > dp->unattributed_to)
        return;
    watch_add(&dp->own, found);
    dp->unattributed = false;
}

static int put_back(struct dataplane *dp, const char *how, struct dataplane_tended *tended,
                    struct orb_err *err)
{
    char *problem = dp->problems[DATAPLANE_PROBLEM_RULES];
    uint64_t digest;
    int r;

    r = rules_again(dp, err);
    if (r < 0) {
        bool closed = dp->failures++ && base_fallback(dp->ruleset) == 0; /* once may be chance */

        snprintf(problem, sizeof(dp->problems[0]),
                 "nftables' table inet orbital was changed by %s and cannot be put back: %.200s%s",
                 how, err->text,
                 closed ? "; until then everything is closed (table inet " BASE_FALLBACK ")" : "");
        return r;
    }
    problem[0] = 0;
    dp->failures = 0;
    dp->unattributed = false;
    dp->forget = false;
    snprintf(tended->rules, sizeof(tended->rules),
             "nftables' table inet orbital was changed by %s; it is %s again", how,
             dp->current ? "what the policy specifies" : "closed");
    load_bump(dp);
    look_at_table(dp, &digest);
    return 0;
}

/* After events, and when transactions could not be attributed: compares the table. */
static int tend_rules(struct dataplane *dp, struct dataplane_tended *tended, struct orb_err *err)
{
    struct touched touched;
    uint64_t digest, known;
    enum table_state state;

    take_touched(dp, &touched);
    known = dp->digest;
    if (dp->unattributed && !touched.ids.next && !touched.lost)
        return 0; /* the events that attribute it have not arrived */
    if (dp->unattributed)
        resolve(dp, &touched);
    if (dp->unattributed || dp->problems[DATAPLANE_PROBLEM_RULES][0] || is_foreign(dp, &touched))
        return put_back(dp, touched.who[0] ? touched.who : "another process", tended, err);
    if (!touched.lost && known)
        return 0;
    state = look_at_table(dp, &digest);
    if (state == TABLE_UNKNOWN)
        return 0;
    if (known ? digest != known : state != TABLE_POLICY && state != TABLE_CLOSED)
        return put_back(dp, "another process", tended, err);
    return 0;
}

/* Names of ports whose programs another program detached. */
static void find_dead(const struct dataplane *dp, struct buf *names)
{
    for (unsigned i = 0; i < dp->ports.count; i++)
        if (!port_alive(dp, &dp->ports.items[i]) &&
            if_nametoindex(dp->ports.items[i].name) == dp->ports.items[i].ifindex)
            buf_addf(names, "%s%s", names->len ? ", " : "", dp->ports.items[i].name);
}

static bool all_alive(const struct dataplane *dp)
{
    for (unsigned i = 0; i < dp->ports.count; i++)
        if (!port_alive(dp, &dp->ports.items[i]))
            return false;
    return true;
}

static bool any_xdp_free(const struct dataplane *dp)
{
    for (unsigned i = 0; i < dp->ports.count; i++)
        if (port_xdp_free(&dp->ports.items[i]))
            return true;
    return false;
}

/* The maps' pins are the next daemon's way to the flows of this one. */
static int put_pins_back(struct dataplane *dp, struct dataplane_tended *tended, struct orb_err *err)
{
    int r = 0;

    if (!dp->programs || pins_whole(dp))
        return 0;
    r = pins_put(dp, err);
    if (!r)
        snprintf(tended->ports, sizeof(tended->ports),
                 "pins of the fast path were removed from %.200s; they are there again", dp->bpffs);
    return r;
}

static int tend_ports(struct dataplane *dp, struct dataplane_tended *tended, struct orb_err *err)
{
    char *problem = dp->problems[DATAPLANE_PROBLEM_PORTS];
    AUTO(buf) struct buf dead = {0};
    int r;

    find_dead(dp, &dead);
    r = put_pins_back(dp, tended, err);
    if (!r)
        r = port_refresh(dp, err);
    load_bump(dp);
    problem[0] = 0;
    if (r < 0) {
        snprintf(problem, sizeof(dp->problems[0]), "the ports cannot be checked: %.300s",
                 err->text);
        return r;
    }
    if (!dead.len)
        return 0;
    if (all_alive(dp))
        snprintf(tended->ports, sizeof(tended->ports),
                 "the fast path's program was taken away from %.300s; it is back", buf_str(&dead));
    else
        snprintf(problem, sizeof(dp->problems[0]),
                 "the fast path's program was taken away from %.300s and cannot be put back",
                 buf_str(&dead));
    return 0;
}

static void tend_settings(struct dataplane *dp, struct dataplane_tended *tended)
{
    AUTO(buf) struct buf names = {0};
    bool before = dp->illiberal;

    settings_check(dp, &names);
    if (names.len)
        snprintf(tended->settings, sizeof(tended->settings),
                 "another process changed %.300s; it is set again", buf_str(&names));
    if (before != dp->illiberal)
        port_refresh(dp, NULL);
}

static unsigned look(struct dataplane *dp)
{
    unsigned what = dp->unattributed || !dp->digest || dp->problems[DATAPLANE_PROBLEM_RULES][0]
                        ? DATAPLANE_RULES
                        : 0;

    if (!all_alive(dp) || any_xdp_free(dp) || (dp->programs && !pins_whole(dp)))
        what |= DATAPLANE_PORTS;
    if (foreign_watch_is_reading(dp) || route_mtu_due(dp))
        what |= DATAPLANE_FOREIGN;
    if (readdress_waits(dp))
        what |= DATAPLANE_ADDRESSES;
    if (now_ms() - dp->settings_ms >= SETTINGS_MS || settings_wrong(dp))
        what |= DATAPLANE_SETTINGS;
    return what;
}

int dataplane_tend(struct dataplane *dataplane, unsigned what, struct dataplane_tended *ret_tended,
                   struct orb_err *err)
{
    int r = 0, failed;

    memset(ret_tended, 0, sizeof(*ret_tended));
    packet_test_programs_expire(dataplane);
    if (dataplane->detached)
        return 0;
    if (what & DATAPLANE_POLL)
        what |= look(dataplane);
    if (what & DATAPLANE_RULES)
        r = tend_rules(dataplane, ret_tended, err);
    if (what & DATAPLANE_ADDRESSES) {
        failed = readdress_tend(dataplane, r < 0 ? NULL : err);
        r = r < 0 ? r : failed;
    }
    if (what & DATAPLANE_SETTINGS) {
        dataplane->settings_ms = now_ms();
        tend_settings(dataplane, ret_tended);
    }
    /* foreign_read() attaches missing programs; those detached by others are counted before. */
    if ((what & DATAPLANE_PORTS) || ((what & DATAPLANE_FOREIGN) && !all_alive(dataplane))) {
        failed = tend_ports(dataplane, ret_tended, r < 0 ? NULL : err);
        r = r < 0 ? r : failed;
    }
    if (what & DATAPLANE_FOREIGN)
        foreign_read(dataplane);
    return r;
}

bool dataplane_tend_disturbed(struct dataplane *dataplane, char *ret_what, size_t size)
{
    struct touched touched = {0};

    if (dataplane->detached)
        return false;
    pthread_mutex_lock(&dataplane->lock);
    touched.ids = dataplane->touched;
    memcpy(touched.who, dataplane->toucher, sizeof(touched.who));
    pthread_mutex_unlock(&dataplane->lock);
    if (!is_foreign(dataplane, &touched))
        return false;
    snprintf(ret_what, size, "nftables' table inet orbital was changed by %s; it is being put back",
             touched.who);
    return true;
}
