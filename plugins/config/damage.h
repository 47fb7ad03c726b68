/* Damage found while the store was read: text for users, and the place. file: with or without its
 * directory. */
#ifndef CONFIG_DAMAGE_H
#define CONFIG_DAMAGE_H

#include "plugins/config/store_internal.h"

/* byte 0: of the file as a whole. Logs it. */
void damage_found(struct store *store, const char *file, uint64_t byte, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Notes that a revision of this number was met. */
void damage_seen(struct store *store, uint64_t revision);
/* Makes the one sentence of what was found; revision: what runs. */
void damage_describe(struct store *store);
/* Keeps a copy, FILE.damaged, of each file found damaged that the next journal replaces. */
void damage_keep(struct store *store);
/* Gives a file of the state directory another name, FILE.damaged; needs no room for that. */
void damage_set_aside(const struct store *store, const char *file);
/* The file that finding i is about; NULL: there are no more. */
const char *damage_file(const struct store *store, size_t i);
/* Frees it. */
void damage_fini(struct damage *damage);

#endif
