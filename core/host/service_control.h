/* host@1 service-start, service-stop and service-restart: requests of users to the supervisor. */
#ifndef CORE_HOST_SERVICE_CONTROL_H
#define CORE_HOST_SERVICE_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

struct host_caller;
struct host_req;
struct orbitald;

/* Answers req when method is one of the three, now or later; false: it is another one, and req is
 * still the caller's. A request that comes while /services is being read waits for it: the commit
 * before it has been answered, and the request follows what was committed. */
bool service_control_request(struct orbitald *host, struct host_req *req,
                             const struct host_caller *caller, const char *method,
                             const char *input, size_t len);
/* /services was read, or could not be: requests that waited are done, in their order. */
void service_control_resume(struct orbitald *host);
/* The host ends: requests that waited are refused. The broker may be closed already. */
void service_control_end(struct orbitald *host);

#endif
