/* A state directory as an appliance left it, for harming: its files, and the tree of each revision.
 */
#ifndef TEST_CONFIG_ORIGINAL_H
#define TEST_CONFIG_ORIGINAL_H

#include "test/unit/config/fake.h"

#define MAX_FILES 40
#define MAX_TREES 128

struct file {
    char name[256];
    struct buf data;
};

/* A state directory as it was, and the tree of each of its revisions. */
struct original {
    struct fake f;
    struct file files[MAX_FILES];
    size_t count;
    char *trees[MAX_TREES];
    uint64_t newest;
    const char *host; /* its name begins so */
};

/* commits: up to 49 there is one journal and no snapshot. */
void original_new(struct original *o, unsigned commits);
/* The same of another appliance. */
void original_other(struct original *o, unsigned commits, const char *host);
void original_free(struct original *o);
void original_put(const struct original *o, const char *name, const void *data, size_t len);
/* Restores everything: changes and files of a start are removed. */
void original_restore(const struct original *o);
void original_flip(struct original *o, size_t file, size_t bit);
size_t original_file(const struct original *o, const char *name);
/* What a start makes of the directory as it is now: "" when it is right, or what is wrong. */
char *original_verdict(struct original *o, uint64_t enforced, uint64_t *ret_revision);

#endif
