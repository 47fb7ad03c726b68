/* Events whose paths are cut down to what a subscriber was granted (within.c). */
#ifndef CORE_IPC_WITHIN_H
#define CORE_IPC_WITHIN_H

#include "core/ipc/peer_internal.h"
#include "core/json/tree.h"

/* In one event: each is compared with each grant of each subscriber. */
#define WITHIN_MAX_PATHS 256

/* Reads "within" of an event of schema.json at path, when it is there: {MEMBER: CAPABILITY}. */
int within_read(json_t *event, const char *path, struct contract_event *e, struct orb_err *err);
/* A payload whose list of paths may be cut; it borrows the text. Freed with own_within. */
struct within {
    const char *text;
    size_t len;
    struct json_slice list; /* in the text */
    json_t *paths;          /* the same, strings; NULL: there is none */
};
static inline void own_within(struct within *within)
{
    json_decref(within->paths);
}

/* Of a checked payload of an event that has "within". ORB_E_SCHEMA: the member is no list of
 * strings; ORB_E_LIMIT: too many paths. */
int within_parse(const struct contract_event *event, const char *text, size_t len,
                 struct within *ret_within, struct orb_err *err);
/* Does peer receive the event cut down? event may be NULL. */
bool within_applies(const struct contract_event *event, const struct ipc_peer *peer);
/* Appends the payload as peer may see it: each path itself when it is below a granted one, or the
 * granted one when that is below it; without duplicates. */
void within_cut(const struct contract_event *event, const struct ipc_peer *peer,
                const struct within *within, struct buf *to);

#endif
