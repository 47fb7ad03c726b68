/* Candidates: what a user has edited and not yet committed, one for each identity
 * (grants_identity()), kept in memory and in candidate-USER.ops (candidate_file.h). The engine owns
 * them. */
#ifndef CONFIG_CANDIDATE_H
#define CONFIG_CANDIDATE_H

#include "plugins/config/engine_internal.h"

struct candidate {
    struct candidate *next;
    char *user;       /* identity: grants_identity() */
    uint64_t made_us; /* of a token: when it was made; 0: not known */
    struct overlay changes;
    uint64_t version; /* another one after each edit */
    uint64_t checked; /* rebase.c: what was committed up to here is noted in the changes (clash) */
    bool committing;
    size_t bytes;    /* of changes, or a little more: what is replaced is not taken off; */
    size_t counted;  /* when they were counted last (candidate_room.c) */
    struct buf load; /* text of load-part so far */
    unsigned lost;   /* changes that could not be read back */
    size_t appended; /* bytes, to a file that had rewritten bytes after the last rewrite */
    size_t rewritten;
    int unsaved;      /* negative errno: the file is behind, and written anew with an edit */
    uint64_t save_at; /* monotonic ms: not before then, as the disk refused a large one */
};

/* NULL: there is none. */
struct candidate *candidate_find(struct engine *engine, const char *user);
/* An empty one, in the list; user has none yet. */
struct candidate *candidate_new(struct engine *engine, const char *user);
/* Frees one that is in no list any more; all of them. */
void candidate_free(struct candidate *c);
void candidate_free_all(struct engine *engine);

#endif
