/* What a compiled contract looks like inside core/ipc. */
#ifndef CORE_IPC_CONTRACT_INTERNAL_H
#define CORE_IPC_CONTRACT_INTERNAL_H

#include <stdint.h>

#include "core/ipc/contract.h"
#include "core/json/schema.h"

#define CONTRACT_TIMEOUT_MS 5000u /* of a method that names none */
#define CONTRACT_TIMEOUT_MAX_MS 600000u
#define CONTRACT_MAX_METHODS 256
#define CONTRACT_MAX_EVENTS 64

/* Minimum rank to call a method or subscribe to an event; ordered: a role includes the ranks below
 * its own. */
enum contract_rank { RANK_METRICS = 1, RANK_OBSERVE, RANK_OPERATE, RANK_CONFIGURE, RANK_INTERNAL };

/* What happens to an event whose subscriber is slow. state: dropped, the last value follows the
 * gap; stream: dropped and reported; strict: the subscription ends, which is reported. */
enum contract_class { CLASS_STREAM, CLASS_STATE, CLASS_STRICT };

struct contract_method {
    char *name;
    char *description;
    char *input_text; /* NULL: takes none */
    char *output_text;
    enum contract_rank rank;
    bool idempotent;
    bool progress; /* each PROGRESS of the provider restarts timeout_ms */
    uint32_t timeout_ms;
    struct schema *input;
    struct schema *output;
};

struct contract_event {
    char *name;
    char *description;
    char *payload_text;
    enum contract_rank rank;
    enum contract_class class;
    struct schema *payload;
    char *within; /* member that is a list of paths, cut down for each service; NULL: none */
    const char *within_capability; /* by what it was granted of this kind, such as "config.read" */
};

struct contract {
    unsigned refs; /* contract_free() by its maker may come before the broker's last use */
    char *interface;
    char *description;
    char version[16];
    unsigned major;
    unsigned minor;
    bool config;
    char *text;
    size_t len;
    struct unit *unit;               /* all schemas of the file, except defaults */
    char *defs_text;                 /* "$defs" of the file, NULL: none */
    struct contract_method *methods; /* sorted by name */
    size_t method_count;
    struct contract_event *events; /* sorted by name */
    size_t event_count;
};

/* NULL when there is none of that name. */
const struct contract_method *contract_method(const struct contract *contract, const char *name);
/* The event of that name, NULL: there is none. */
const struct contract_event *contract_event(const struct contract *contract, const char *name);
/* As in schema.json; NULL: there is no such one. */
const char *contract_rank_name(enum contract_rank rank);
/* The name of a class of events, as contract_rank_name(). */
const char *contract_class_name(enum contract_class class);
/* "MAJOR" or "MAJOR.MINOR", digits only and within 9999. 0, or -1. has_minor may be NULL: then the
 * minor must be there. */
int contract_version_parse(const char *text, unsigned *ret_major, unsigned *ret_minor,
                           bool *ret_has_minor);

#endif
