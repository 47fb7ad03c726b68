/* One entry of the data plane's policy being written from one entry of the configuration. */
#ifndef PLUGINS_FIREWALL_ENTRY_H
#define PLUGINS_FIREWALL_ENTRY_H

#include <stdbool.h>

#include "core/base/json_write.h"
#include "plugins/firewall/resolve.h"

struct entry {
    const struct view *view;
    const cJSON *item;
    char path[ORB_ERR_PATH];
    struct json_write w; /* of the entry's object */
    struct buf *out;
    size_t start;
};

struct protocol {
    const char *name, *wire;
    unsigned families; /* 0: both */
    bool ports;
};

/* Starts an entry below base; false when it is switched off ("null" was written). */
bool entry_begin(struct entry *e, const struct view *view, const cJSON *item, const char *base,
                 struct buf *out);
/* Ends it, result below 0: unfinished, and passes result on; ORB_E_LIMIT when it is too big for one
 * message. */
int entry_end(struct entry *e, int result, struct orb_err *err);

/* A member of the configured entry; NULL when it is absent. */
const cJSON *entry_member(const struct entry *e, const char *name);
/* A member that is text, NULL otherwise. */
const char *entry_text(const struct entry *e, const char *name);
/* Fails with the path of the member leaf (NULL: of the entry). */
int entry_refuse(const struct entry *e, const char *leaf, const char *text, struct orb_err *err);

/* Write members; what is absent in the configuration stays absent. */
void entry_put_text(struct entry *e, const char *name, const char *text);
/* A zone name; further values allowed. */
#define ZONE_LOCAL 1u /* "local" */
#define ZONE_NOT 2u   /* "!" before it */
int entry_put_zone(struct entry *e, const char *leaf, unsigned allowed, struct orb_err *err);
/* families: what is possible so far, narrowed by it. */
int entry_put_protocol(struct entry *e, const struct protocol **ret_protocol, unsigned *families,
                       struct orb_err *err);
/* source, destination, source-ports and, in the leaf ports, destination ports. families: what the
 * rest of the entry leaves possible. */
int entry_put_ends(struct entry *e, const struct protocol *protocol, unsigned families,
                   const char *ports, struct orb_err *err);

#endif
