/* Checks across entries of the configuration. */
#ifndef PLUGINS_FIREWALL_CHECK_H
#define PLUGINS_FIREWALL_CHECK_H

#include "plugins/firewall/translate.h"

/* Groups well-formed, zones with known interfaces, none in two zones. Error: ORB_E_VETO with path.
 */
int check_translation(const struct view *view, struct orb_err *err);

#endif
