/* One handler for each route. The table of patterns (route.c) does not name them, so that tests and
 * the fuzz target search it without the server. */
#include "api/routes.h"

#include "api/config.h"
#include "api/config_get.h"
#include "api/open.h"
#include "api/plain.h"
#include "core/base/own.h"

typedef void handler_fn(struct request *q);

void routes_start(struct request *q)
{
    /* clang-format off */
    static handler_fn *const handlers[] = {
        [ROUTE_HEALTH] = open_health,                   [ROUTE_READY] = open_ready,
        [ROUTE_METRICS] = plain_metrics,                [ROUTE_INDEX] = plain_index,
        [ROUTE_WHOAMI] = plain_whoami,                  [ROUTE_SERVICES] = plain_services,
        [ROUTE_SERVICE] = plain_service,                [ROUTE_SERVICE_START] = plain_service_start,
        [ROUTE_SERVICE_STOP] = plain_service_stop,      [ROUTE_SERVICE_RESTART] = plain_service_restart,
        [ROUTE_RUNNING] = config_get,                   [ROUTE_CANDIDATE] = config_get,
        [ROUTE_PUT] = config_set,                       [ROUTE_MERGE] = config_merge,
        [ROUTE_DELETE] = config_delete,                 [ROUTE_DIFF] = plain_diff,
        [ROUTE_COMMIT] = config_commit,                 [ROUTE_CONFIRM] = config_confirm,
        [ROUTE_DISCARD] = config_discard,               [ROUTE_ROLLBACK] = config_rollback,
        [ROUTE_HISTORY] = plain_history,               [ROUTE_SCHEMA] = config_schema,
        [ROUTE_OPERATION] = plain_operation,            [ROUTE_LOGS] = plain_logs,
        [ROUTE_COUNTERS] = plain_counters,
    };
    /* clang-format on */
    _Static_assert(ARRAY_LEN(handlers) == ROUTE_COUNT, "each route has a handler");

    handlers[q->route->id](q);
}
