/* Events about a commit. */
#ifndef CONFIG_PUBLISH_H
#define CONFIG_PUBLISH_H

#include "plugins/config/participant.h"

/* Publishes the revision that tx made, and which paths it changed, as far as all may see them. */
void publish_committed(const struct tx *tx);

#endif
