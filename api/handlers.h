/* What each route does: begins its work with one request, which has a session unless the route is
 * open, and a checked body where there is one. The response is set at once, or by the answer to the
 * call that was made. */
#ifndef API_HANDLERS_H
#define API_HANDLERS_H

#include "api/request.h"

/* open.c: without a token; answered with what the host said last, or says next. */
void open_health(struct request *q);
void open_ready(struct request *q);

/* plain.c: one call to the host each (metrics: one a page). */
void plain_metrics(struct request *q);
void plain_index(struct request *q);
void plain_whoami(struct request *q);
void plain_services(struct request *q);
void plain_service(struct request *q);
void plain_service_start(struct request *q);
void plain_service_stop(struct request *q);
void plain_service_restart(struct request *q);
void plain_operation(struct request *q);
void plain_logs(struct request *q);
void plain_counters(struct request *q);

/* config.c: running and candidate datastore. get serves both, set and merge also large bodies. */
void config_get(struct request *q);
void config_set(struct request *q);
void config_merge(struct request *q);
void config_delete(struct request *q);
void config_diff(struct request *q);
void config_commit(struct request *q);
void config_confirm(struct request *q);
void config_discard(struct request *q);
void config_rollback(struct request *q);
void config_history(struct request *q);
void config_schema(struct request *q);

#endif
