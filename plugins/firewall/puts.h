/* Entries for the data plane, cut into `put` messages that fit a frame. */
#ifndef PLUGINS_FIREWALL_PUTS_H
#define PLUGINS_FIREWALL_PUTS_H

#include "core/base/json_write.h"

#define PUTS_MAX_BYTES (150 * 1024) /* of one message */
#define PUTS_MAX_ENTRIES 1000       /* of one message: JSON_MAX_KEYS is 1024 */

/* One member of a message: "rules", and its value as JSON. */
struct put_member {
    const char *name;
    struct buf value;
};

struct put {
    struct put_member *members;
    unsigned count;
};

struct puts {
    struct put *items; /* whole messages; the last one is being filled until puts_end() */
    unsigned count;
    /* Of the message being filled: */
    bool open;
    const char *member;  /* the member whose entries are being written, NULL: none */
    struct buf now;      /* its value */
    struct json_write w; /* that writes it */
    size_t bytes;
    unsigned entries;
};

/* Adds one entry (or, key NULL, a whole member). value: JSON text, copied. member must stay. */
void puts_add(struct puts *puts, const char *member, const char *key, const char *value,
              size_t len);
/* Closes the last message. */
void puts_end(struct puts *puts);
/* Appends message i, the input of the method put for that transaction. */
void puts_message(const struct puts *puts, unsigned i, int64_t tx, struct buf *to);
void puts_fini(struct puts *puts);

#endif
