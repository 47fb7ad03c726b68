/* Orders: of users and of the config service about what runs, and what /services of the
 * configuration says. Each names a service; ORB_E_NOT_FOUND lists those there are. What follows
 * comes with the next settling. */
#ifndef CORE_SUP_CONTROL_H
#define CORE_SUP_CONTROL_H

#include "core/pkg/package.h"

struct supervisor;

/* Starts it and forgets its past failures; nothing for one that runs, or starts already. One that
 * is ending starts again afterwards. ORB_E_STATE: it may not run (configuration, safe mode, an
 * interface this host does not serve), or the host is stopping. */
int control_start(struct supervisor *sup, const char *name, struct orb_err *err);
/* Stops it until it is started again. by: who wants that, for `show services`; copied. */
int control_stop(struct supervisor *sup, const char *name, const char *by, struct orb_err *err);
/* Stops and starts it; starts one that does not run. Errors: control_start's. */
int control_restart(struct supervisor *sup, const char *name, struct orb_err *err);
/* It missed a deadline of the config service, so it is not known what it does: its worker is ended
 * at once, without being asked, and restarted as after any failure. why: a sentence. */
int control_kill(struct supervisor *sup, const char *name, const char *why, struct orb_err *err);
/* What it did was undone while it did not run, so it must run again to take it back. Nothing for
 * one that will run anyway, or that the configuration disables. why: a sentence, for the log. */
int control_need(struct supervisor *sup, const char *name, const char *why, struct orb_err *err);
/* What /services/NAME of the configuration says: enabled (-1: as the manifest), grants (NULL: as
 * shipped; copied) and limits (0: nothing said). A difference takes effect by a restart. Errors:
 * of the plan, then the service is as before. */
int control_configure(struct supervisor *sup, const char *name, int enabled,
                      const char *const *grants, const struct limits *limits, struct orb_err *err);

#endif
