/* Destination NAT that sends several ports to one and does not say that this is meant: in force, as
 * it was before it had to be said, and shown. */
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
/* Reports each as a problem, and takes back what was reported before. */
void fold_report(struct orb_ctx *ctx, const struct folds *folds);
void fold_fini(struct folds *folds);

#endif
