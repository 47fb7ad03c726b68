/* Members of a JSON object that are read with a value for when they are absent or of another type.
 */
#ifndef CONFIG_MEMBER_H
#define CONFIG_MEMBER_H

#include <stdint.h>
#include "core/json/tree.h"

/* A whole number from 0 on. */
uint64_t member_number(const json_t *in, const char *key, uint64_t fallback);
/* A text, borrowed from in. */
const char *member_text(const json_t *in, const char *key, const char *fallback);

#endif
