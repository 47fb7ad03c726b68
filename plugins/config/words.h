/* The secrets a service can know, to be masked in its texts. NULL: none; accepted by the functions.
 * */
#ifndef CONFIG_WORDS_H
#define CONFIG_WORDS_H

#include "plugins/config/participant.h"

struct words;

/* Those of the change, and those service attached to; the caller frees them. */
struct words *words_of(const struct tx *tx, const char *service);
void words_free(struct words *w);
static inline void own_words(struct words **w)
{
    words_free(*w);
}
/* Appends text, masked. */
void words_show(const struct words *w, const char *text, struct buf *to);
/* Masks the steps of a plan, and an error, in place. */
void words_plan(const struct words *w, json_t *plan);
/* Masks the text and the path of an error. */
void words_error(const struct words *w, struct orb_err *err);

#endif
