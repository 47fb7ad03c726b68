/* The data plane's life: open (adopt), close, switch off, destroy, and the events that make the
 * flow cache stale. Closing detaches nothing: packets flow on, and the next daemon takes over. */
#include <string.h>

#include "core/base/own.h"
#include "dataplane/fast.h"

int dataplane_open(const struct dataplane_options *options, struct dataplane **ret_dataplane,
                   struct orb_err *err)
{
    struct dataplane *dp = xcalloc(1, sizeof(*dp));
    int r;

    dp->bpffs = xstrdup(options->bpffs);
    dp->events = -1;
    dp->enabled = true;
    r = ruleset_open(&dp->ruleset, err);
    if (!r)
        r = bpffs_mount(dp->bpffs, err);
    if (!r)
        r = load_programs(dp, options, err);
    if (!r) {
        dp->events = link_events(err);
        r = dp->events < 0 ? dp->events : 0;
    }
    if (r < 0) {
        dataplane_close(dp);
        return r;
    }
    *ret_dataplane = dp;
    return 0;
}

void dataplane_close(struct dataplane *dataplane)
{
    if (!dataplane)
        return;
    load_unload(dataplane);
    if (dataplane->events >= 0)
        close(dataplane->events);
    ruleset_close(dataplane->ruleset);
    dataplane_plan_free(dataplane->current);
    dataplane_plan_free(dataplane->previous);
    free(dataplane->previous_text);
    free(dataplane->bpffs);
    free(dataplane);
}

bool dataplane_adopted(const struct dataplane *dataplane)
{
    return dataplane->adopted;
}

uint32_t dataplane_generation(const struct dataplane *dataplane)
{
    return dataplane->generation;
}

/* Decides about the ports again, for the policy in force. */
static int refresh_ports(struct dataplane *dp, struct orb_err *err)
{
    AUTO_FREE struct port_list *ports = xcalloc(1, sizeof(*ports));
    int r;

    if (!dp->current)
        return 0;
    r = port_apply(dp, &dp->current->policy, dp->control ? dp->control->policy : 0, ports, err);
    if (r < 0)
        return r;
    port_detach_others(dp, ports);
    dp->ports = *ports;
    return 0;
}

int dataplane_set_enabled(struct dataplane *dataplane, bool enabled, struct orb_err *err)
{
    bool before = dataplane->enabled;
    int r;

    if (!dataplane->programs && enabled)
        return orb_fail(err, ORB_E_UNAVAILABLE, "%s", dataplane->reason);
    dataplane->enabled = enabled;
    if (dataplane->control) /* off from this moment, whatever detaching takes */
        __atomic_store_n(&dataplane->control->enabled, enabled && before, __ATOMIC_SEQ_CST);
    if (!enabled && !dataplane->current)
        port_detach_others(dataplane, NULL);
    r = refresh_ports(dataplane, err);
    if (r < 0) {
        dataplane->enabled = before;
        return r;
    }
    load_bump(dataplane);
    if (dataplane->control)
        __atomic_store_n(&dataplane->control->enabled, enabled, __ATOMIC_SEQ_CST);
    return 0;
}

int dataplane_destroy(struct dataplane *dataplane, struct orb_err *err)
{
    port_detach_others(dataplane, NULL);
    load_unpin(dataplane, true);
    dataplane->ports.count = 0;
    return ruleset_run(dataplane->ruleset, "add table inet orbital\ndelete table inet orbital\n",
                       false, err);
}

int dataplane_event_fd(const struct dataplane *dataplane)
{
    return dataplane->events;
}

void dataplane_dispatch(struct dataplane *dataplane)
{
    if (link_events_drain(dataplane->events) > 0) {
        struct orb_err err = {0};

        if (refresh_ports(dataplane, &err) < 0)
            snprintf(dataplane->warning, sizeof(dataplane->warning), "%.380s", err.text);
    }
    load_bump(dataplane);
}
