/* The journals at start. */
#ifndef CONFIG_LOAD_JOURNALS_H
#define CONFIG_LOAD_JOURNALS_H

#include "plugins/config/store_internal.h"

/* Reads those in front of the snapshot for the history and replays those behind it, where the chain
 * has this value. Below 0: one cannot be read just now. */
int load_journals(struct store *store, const uint8_t *chain, struct orb_err *err);

#endif
