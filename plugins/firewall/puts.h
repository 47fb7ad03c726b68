/* Entries for the data plane, cut into `put` messages that fit a frame. */
#ifndef PLUGINS_FIREWALL_PUTS_H
#define PLUGINS_FIREWALL_PUTS_H

#include "core/base/buf.h"

#define PUTS_MAX_BYTES (150 * 1024) /* of one message */
#define PUTS_MAX_ENTRIES 1000       /* of one message: JSON_MAX_KEYS is 1024 */

struct puts {
    char **items; /* members of one message each, without braces: "rules":{…},"zones":{…} */
    unsigned count;
    struct buf now;     /* the message being filled */
    const char *member; /* the member open in it, NULL: none */
    unsigned entries;
};

/* Adds one entry (or, key NULL, a whole member). value: JSON text. member must stay. */
void puts_add(struct puts *puts, const char *member, const char *key, const char *value,
              size_t len);
/* Closes the last message. */
void puts_end(struct puts *puts);
void puts_fini(struct puts *puts);

#endif
