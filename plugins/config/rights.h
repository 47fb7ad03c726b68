/* What the references (x-orb-ref) of a package may look at, and what of them a caller is told. A
 * schema is a package's own words: it gives no more than /services grants the package. */
#ifndef CONFIG_RIGHTS_H
#define CONFIG_RIGHTS_H

#include "plugins/config/overlay.h"
#include "plugins/config/parts.h"

/* The configuration as a patch leaves it, and who asks. */
struct rights {
    const struct parts *parts;
    const struct overlay *overlay;
    const json_t *base;
    char *const *reads; /* what the caller may read, NULL: all; a list that NULL ends */
    /* Answers that hold for the whole patch. */
    const struct part *part; /* the last one that was asked about */
    bool active;             /* its package is enabled */
    json_t *entry;           /* of it in /services */
    char *target;            /* the last one, and whether the part may look at it */
    bool looks;
};

/* Frees what it remembers. */
void rights_fini(struct rights *r);
static inline void own_rights(struct rights *r)
{
    rights_fini(r);
}

/* May a reference that stands at path look at the map at target? Never when its package is
 * disabled; into what it reads, that is its own part and config.read; into secrets with
 * config.secret only. */
bool rights_look(struct rights *r, const char *path, const char *target);
/* May the caller read path? */
bool rights_read(const struct rights *r, const char *path);
/* May the names of the map at path be told to the caller? */
bool rights_name(const struct rights *r, const char *path);
/* Does the patch give the package of part something to look at that it had not: is it enabled by
 * it, or are its grants others? */
bool rights_gained(struct rights *r, const struct part *part);

#endif
