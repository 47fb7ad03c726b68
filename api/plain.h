/* Routes of one call to the host each (metrics: one a page). Every handler is given a request with
 * a session and a checked body where its route has one; it sets the response at once (a fault of
 * the request) or by the answer to its call. */
#ifndef API_PLAIN_H
#define API_PLAIN_H

#include "api/request.h"

/* All metrics of the host as OpenMetrics text, collected page by page; internal when there are more
 * than API_VALUE_MAX bytes. */
void plain_metrics(struct request *q);
/* The list of all routes, without a call. */
void plain_index(struct request *q);
/* The user and role of the token. */
void plain_whoami(struct request *q);
/* All services with their states. */
void plain_services(struct request *q);
/* One service, named in the path. */
void plain_service(struct request *q);
/* Starts the service named in the path; answered as the host answers service-start. */
void plain_service_start(struct request *q);
/* Stops the service named in the path, as plain_service_start. */
void plain_service_stop(struct request *q);
/* Restarts the service named in the path, as plain_service_start. */
void plain_service_restart(struct request *q);
/* The changes of the user's candidate, or between the revisions from and to of the query; invalid
 * when one is no number. */
void plain_diff(struct request *q);
/* The last revisions, as many as limit of the query specifies; invalid when that is no number. */
void plain_history(struct request *q);
/* Calls the method named in the path of the interface named in the path, with the body as its
 * input; invalid when one of both is no name. */
void plain_operation(struct request *q);
/* Log records of the page that service, level, after and limit of the query select; invalid when a
 * number is none. */
void plain_logs(struct request *q);
/* The firewall's counters of rules, the page that after and limit of the query select. */
void plain_counters(struct request *q);

#endif
