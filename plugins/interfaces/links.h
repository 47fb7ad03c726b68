/* Links: part of applying (run.h). Errors: as run_failure(). */
#ifndef PLUGINS_INTERFACES_LINKS_H
#define PLUGINS_INTERFACES_LINKS_H

#include "plugins/interfaces/run.h"

/* Whether the links have the configured settings, which have no events. */
bool links_settings_right(const struct desired_list *desired_list, const struct rtnl_links *links);
/* promote_secondaries and ignore_routes_with_linkdown. Returns 0. */
int links_settings(struct run *run, struct orb_err *err);
/* MTU and state of the configured links. */
int links_run(struct run *run, struct orb_err *err);
/* Restores links that left the configuration, also while the service was not running. */
int links_release(struct run *run, struct orb_err *err);

#endif
