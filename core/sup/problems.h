/* Problems reported by a service (orb_problem_set of the SDK): texts come from the service, so
 * their sizes are bounded here, and they are not trusted. */
#ifndef CORE_SUP_PROBLEMS_H
#define CORE_SUP_PROBLEMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/json_write.h"
#include "core/base/now.h"
#include "orbital/orbital.h"

struct problem {
    char key[128];
    char what[ORB_ERR_TEXT]; /* one sentence */
    char path[ORB_ERR_PATH]; /* JSON pointer into the configuration, "" when there is none */
    char todo[256];          /* what the operator can do, "" for nothing */
    bool failed;             /* the service's own word: see enum orb_problem_level */
    uint64_t since_ms;       /* monotonic; of the first report of this key */
};

struct problems {
    struct problem *items; /* the worst first, in the order of the service */
    unsigned count;        /* at most ORB_PROBLEMS_MAX */
    unsigned more;         /* the service counts so many more */
};

/* Reads the list of a PROBLEMS frame (scanned JSON text); keys that are in before keep their time.
 * now_ms: monotonic. ret_problems: the caller's to free. ORB_E_SCHEMA: not such a list. */
int problems_read(const struct problems *before, const char *text, size_t len, uint64_t now_ms,
                  struct problems *ret_problems, struct orb_err *err);
/* The problem of this key, NULL when there is none. */
const struct problem *problems_find(const struct problems *problems, const char *key);
/* Empties the list. */
void problems_fini(struct problems *problems);
/* Writes the list as an array of {level, what, path, todo, since-us}. */
void problems_write(const struct problems *problems, struct json_write *w, const char *key);

#endif
