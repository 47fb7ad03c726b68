/* The configured /routing: static routes of the main and of other tables, and the policy rules that
 * choose a table; parsed and checked without the kernel. An invalid route or rule does not affect
 * others: it is a misfit with its path, and the caller decides (a commit refuses its own misfits, a
 * start ignores them). */
#ifndef PLUGINS_ROUTING_MODEL_H
#define PLUGINS_ROUTING_MODEL_H

#include <cjson/cJSON.h>

#include "orbital/read.h"
#include "plugins/lib/rtnl.h"

/* The metric of the fallback after the next hops (blackhole, unreachable, reject): worse than any
 * configured one; the one routing daemons use for it as well. */
#define LAST_METRIC 4278198272u

struct table_want {
    char name[32]; /* "": the main table */
    uint32_t id;
};

struct hop_want {
    struct address gateway; /* family 0: none, everything is a neighbour on the interface */
    char key[64];           /* as configured: ADDRESS or ADDRESS%INTERFACE; "" is the route's own
                             * interface */
    char interface[16];     /* "": by address */
    uint32_t table;
    uint8_t family; /* of the destination */
    unsigned weight;
    uint32_t metric;       /* as the kernel will report it */
    bool onlink;           /* a neighbour on the interface although no address there covers it */
    bool own_source;       /* else source is the route's */
    struct address source; /* preferred source; family 0: none */
    bool held;             /* added to the kernel since it was configured */
    bool behind; /* another program's route decides before this one; of the first hop of a metric */
    bool met;    /* while looking for such: another program's was met; likewise */
    char *why;   /* why the kernel has it not, NULL: it has, or it was not looked at yet */
    const char *todo;
    char *no_source; /* why it is used without its preferred source; NULL: with it, or has none */
};

struct route_want {
    char key[64]; /* as configured */
    const struct table_want *table;
    struct prefix destination;
    uint32_t metric; /* of hops that name none, as the kernel will report it */
    uint8_t last;    /* RTN_BLACKHOLE, RTN_UNREACHABLE, RTN_PROHIBIT; 0: none */
    struct address source;
    bool changed;   /* not as in the configuration before */
    bool last_held; /* as hop_want.held, of the fallback; likewise behind and met */
    bool last_behind;
    bool last_met;
    char *why; /* why the last one is not in the kernel */
    struct hop_want *hops;
    unsigned hop_count;
};

/* One policy rule; in the kernel one or, when it names no address, one for each family. */
struct rule_want {
    unsigned number;        /* the kernel's priority */
    struct prefix from, to; /* family 0: any */
    char interface[16];     /* "": any */
    uint32_t mark, mask;    /* mask 0: any */
    uint32_t table;         /* unless last */
    bool ignore_default;
    uint8_t last; /* RTN_BLACKHOLE, RTN_UNREACHABLE, RTN_PROHIBIT; 0: the table decides */
    bool changed; /* not as in the configuration before */
    char *why;    /* why the kernel has it not */
};

struct route_misfit {
    char path[ORB_ERR_PATH];
    char text[ORB_ERR_TEXT];
};

struct routes_want {
    struct table_want *tables; /* the main one first */
    unsigned table_count;
    struct route_want **sorted; /* by table and destination, none twice */
    unsigned count;
    struct route_want *items; /* their memory */
    unsigned item_count;
    struct rule_want *rules; /* by number */
    unsigned rule_count;
    struct route_misfit *misfits;
    unsigned misfit_count;
};

/* Parses one member of a map of routes into *route (all zero; what it allocated stays in it also
 * after a failure). table: kept by reference. Error: ORB_E_VETO with path, or no memory. */
int model_read_route(const cJSON *item, const struct table_want *table, struct route_want *route,
                     struct orb_err *err);

#endif
