/* Entries for the data plane, cut into `put` messages that fit a frame. */
#ifndef PLUGINS_FIREWALL_BATCH_H
#define PLUGINS_FIREWALL_BATCH_H

#include "core/base/json_write.h"

#define BATCH_MAX_BYTES (150 * 1024) /* of one message */
#define BATCH_MAX_ENTRIES 1000       /* of one message: JSON_MAX_KEYS is 1024 */

/* One member of a message: "rules", and its value as JSON. */
struct put_member {
    const char *name;
    struct buf value;
};

struct put {
    struct put_member *members;
    unsigned count;
};

struct batches {
    struct put *items; /* whole messages; the last one is being filled until batch_end() */
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
void batch_add(struct batches *batches, const char *member, const char *key, const char *value,
               size_t len);
/* Closes the last message. */
void batch_end(struct batches *batches);
/* Appends message i, the input of the method put for that transaction. */
void batch_message(const struct batches *batches, unsigned i, int64_t tx, struct buf *to);
void batch_fini(struct batches *batches);

#endif
