/* What of the configuration cannot be so now, while the rest is: found when applying and repairing,
 * told to people as problems of the service, tried again until it fits. */
#ifndef PLUGINS_INTERFACES_MISFIT_H
#define PLUGINS_INTERFACES_MISFIT_H

#include <stdbool.h>

#include "orbital/orbital.h"

struct misfit {
    char key[128];
    char path[ORB_ERR_PATH];
    char what[ORB_ERR_TEXT];
    const char *todo;
};

struct misfits {
    struct misfit *items;
    unsigned count;
};

/* key: kind:interface or kind:interface:thing; todo lives for ever. Without memory it is left out:
 * what does not fit is seen again at the next look. */
void misfit_add(struct misfits *misfits, const char *key, const char *path, const char *what,
                const char *todo);
/* Is there one with that key? */
bool misfit_has(const struct misfits *misfits, const char *key);
void misfit_fini(struct misfits *misfits);

#endif
