/* The journals at start. */
#ifndef CONFIG_LOAD_JOURNALS_H
#define CONFIG_LOAD_JOURNALS_H

#include "plugins/config/store_internal.h"

/* Reads those before the snapshot for the history and replays those after it, where the chain has
 * this value. Below 0: one cannot be read at present. */
int load_journals(struct store *store, const uint8_t *chain, struct orb_err *err);

#endif
