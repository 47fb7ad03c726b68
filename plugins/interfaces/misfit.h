/* Parts of the configuration that cannot be applied at present, while the rest is: found when
 * applying and repairing, reported as problems of the service, tried again until they can. */
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

/* key: kind:interface or kind:interface:thing; todo: a static text. Out of memory it is left out:
 * it is found again next time. */
void misfit_add(struct misfits *misfits, const char *key, const char *path, const char *what,
                const char *todo);
/* Is there one with that key? */
bool misfit_has(const struct misfits *misfits, const char *key);
void misfit_fini(struct misfits *misfits);

#endif
