/* host@1 logs and log-runs, which look into files on a thread. */
#ifndef CORE_HOST_LOGS_INTERFACE_H
#define CORE_HOST_LOGS_INTERFACE_H

#include <stdbool.h>
#include <stddef.h>

struct host_caller;
struct host_req;
struct loop_scope;
struct orbitald;

/* false: it is another method; else req will be answered. */
bool logs_interface_request(struct orbitald *host, struct host_req *req,
                            const struct host_caller *caller, const char *method, const char *input,
                            size_t len);
/* Makes the timer log_pause; the handle belongs to scope. */
void logs_interface_watch(struct orbitald *host, struct loop_scope *scope);
/* Ends a pause between two answers. */
void logs_interface_hurry(struct orbitald *host);

#endif
