/* Control: start, stop, restart by users and the config service, and the settings of /services.
 * Each call names a service; ORB_E_NOT_FOUND lists the known ones. Effects on other services follow
 * in supervisor_settle(). */
#ifndef CORE_SUP_CONTROL_H
#define CORE_SUP_CONTROL_H

#include "core/pkg/package.h"

struct supervisor;

/* Starts it and clears its failures; no effect when it is running or starting. One that is stopping
 * starts again afterwards. ORB_E_STATE: it may not run (configuration, safe mode, an interface this
 * host does not serve), or the host is stopping. */
int control_start(struct supervisor *sup, const char *name, struct orb_err *err);
/* Stops it until it is started again. by: who stopped it, for `show services`; copied. */
int control_stop(struct supervisor *sup, const char *name, const char *by, struct orb_err *err);
/* Stops and starts it; starts one that does not run. Errors: control_start's. */
int control_restart(struct supervisor *sup, const char *name, struct orb_err *err);
/* It missed a deadline of the config service, so its state is unknown: kills its worker at once and
 * restarts it as after any failure. why: a sentence. */
int control_kill(struct supervisor *sup, const char *name, const char *why, struct orb_err *err);
/* What it did was undone while it did not run, so it must run again to take it back. Nothing for
 * one that will run anyway, or that the configuration disables. why: a sentence, for the log. */
int control_need(struct supervisor *sup, const char *name, const char *why, struct orb_err *err);
/* Applies /services/NAME of the configuration: enabled (-1: as the manifest), grants (NULL: as
 * shipped; copied) and limits (0: not configured). A difference takes effect by a restart. Errors:
 * of the plan; then the service is unchanged. */
int control_configure(struct supervisor *sup, const char *name, int enabled,
                      const char *const *grants, const struct limits *limits, struct orb_err *err);

#endif
