/* Destination NAT that sends several ports to one without `fold`: in force, as in earlier versions,
 * and reported. */
#ifndef PLUGINS_FIREWALL_FOLD_H
#define PLUGINS_FIREWALL_FOLD_H

#include "orbital/orbital.h"

#define FOLD_KEY 32

/* The keys of such entries. */
struct folds {
    char (*keys)[FOLD_KEY];
    unsigned count;
};

/* Fills folds (zeroed) from a configuration. */
void fold_read(struct folds *folds, const cJSON *tree);
/* Sets a problem for each, and clears those set before. */
void fold_report(struct orb_ctx *ctx, const struct folds *folds);
void fold_fini(struct folds *folds);

#endif
