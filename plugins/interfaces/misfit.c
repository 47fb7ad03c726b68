/* The list of what does not fit: see misfit.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/interfaces/misfit.h"

void misfit_add(struct misfits *misfits, const char *key, const char *path, const char *what,
                const char *todo)
{
    struct misfit *items = realloc(misfits->items, (misfits->count + 1) * sizeof(*items)), *m;

    if (!items)
        return;
    misfits->items = items;
    m = &items[misfits->count++];
    snprintf(m->key, sizeof(m->key), "%s", key);
    snprintf(m->path, sizeof(m->path), "%s", path);
    snprintf(m->what, sizeof(m->what), "%s", what);
    m->todo = todo;
}

bool misfit_has(const struct misfits *misfits, const char *key)
{
    for (unsigned i = 0; i < misfits->count; i++) {
        if (!strcmp(misfits->items[i].key, key))
            return true;
    }
    return false;
}

void misfit_fini(struct misfits *misfits)
{
    free(misfits->items);
    *misfits = (struct misfits){0};
}
