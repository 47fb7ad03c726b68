/* Which request is meant: one table of patterns, methods and query names. Pure: no library, no
 * state; the fuzzer and the unit tests drive it directly. */
#ifndef API_ROUTE_H
#define API_ROUTE_H

#include "api/url.h"
#include "core/base/buf.h"

enum route_id {
    ROUTE_HEALTH,
    ROUTE_READY,
    ROUTE_METRICS,
    ROUTE_INDEX,
    ROUTE_WHOAMI,
    ROUTE_SERVICES,
    ROUTE_SERVICE,
    ROUTE_SERVICE_START,
    ROUTE_SERVICE_STOP,
    ROUTE_SERVICE_RESTART,
    ROUTE_RUNNING,
    ROUTE_CANDIDATE,
    ROUTE_PUT,
    ROUTE_MERGE,
    ROUTE_DELETE,
    ROUTE_DIFF,
    ROUTE_COMMIT,
    ROUTE_CONFIRM,
    ROUTE_DISCARD,
    ROUTE_ROLLBACK,
    ROUTE_HISTORY,
    ROUTE_SCHEMA,
    ROUTE_OPERATION,
    ROUTE_LOGS,
    ROUTE_COUNTERS,
    ROUTE_COUNT
};

enum route_flags {
    ROUTE_OPEN = 1,     /* answers without a token */
    ROUTE_BODY = 2,     /* needs a JSON body */
    ROUTE_MAY_BODY = 4, /* takes one */
    ROUTE_QUIET = 8,    /* polled by clients: a debug record */
};

struct route {
    const char *method;
    const char *pattern; /* segments; {x} one of any name, {x*} the rest, none included */
    enum route_id id;
    unsigned flags;
    const char *queries; /* names the query may have, with a space between */
};

/* The table, ends with a row without pattern. */
const struct route *route_table(void);

enum route_outcome {
    ROUTE_UNKNOWN = 1,     /* err names the nearest route */
    ROUTE_WRONG_METHOD = 2 /* ret_allow holds what is allowed: "GET, PUT" */
};

/* Finds the row for a method and a parsed URL. ret_first: the segment that matched the pattern's
 * first {…}, or the number of segments. HEAD is answered by rows of GET. Returns 0, an outcome, or
 * ORB_E_INVALID for a query name the row does not have. */
int route_find(const struct url *url, const char *method, const struct route **ret_route,
               unsigned *ret_first, char ret_allow[64], struct orb_err *err);

/* JSON pointer of the segments from first on; "" for none. */
void route_pointer(const struct url *url, unsigned first, struct buf *ret_pointer);

#endif
