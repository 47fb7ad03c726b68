/* What the references (x-orb-ref) of a package may read, and what of them a caller is shown. A
 * schema comes from the package: it gives no more access than /services grants the package. */
#ifndef CONFIG_RIGHTS_H
#define CONFIG_RIGHTS_H

#include "plugins/config/overlay.h"
#include "plugins/config/parts.h"

/* The configuration with a patch, and the caller. */
struct rights {
    const struct parts *parts;
    const struct overlay *overlay;
    const json_t *base;
    char *const *reads; /* what the caller may read, NULL: all; a list that NULL ends */
    /* Answers that hold for the whole patch. */
    const struct part *part; /* the one used last */
    bool active;             /* its package is enabled */
    json_t *entry;           /* of it in /services */
    char *target;            /* the last one, and whether the part may look at it */
    bool looks;
};

/* Frees what is cached. */
void rights_fini(struct rights *r);
static inline void own_rights(struct rights *r)
{
    rights_fini(r);
}

/* Whether a reference at path may read the map at target. Never when its package is disabled; only
 * what it reads, that is its own part and config.read; secrets with config.secret only. */
bool rights_look(struct rights *r, const char *path, const char *target);
/* May the caller read path? */
bool rights_read(const struct rights *r, const char *path);
/* Whether the names of the map at path may be shown to the caller. */
bool rights_name(const struct rights *r, const char *path);
/* Does the patch give the package of part something to look at that it had not: is it enabled by
 * it, or are its grants others? */
bool rights_gained(struct rights *r, const struct part *part);

#endif
