/* Which hook a port gets. */
#ifndef DATAPLANE_PORT_H
#define DATAPLANE_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/dataplane_internal.h"

struct dataplane;
struct orb_err;
struct policy;
struct port;
struct port_list;

/* Decides and attaches for every port of policy, describes all interfaces for policy slot `slot`.
 */
int port_apply(struct dataplane *dp, const struct policy *policy, uint32_t slot,
               struct port_list *ret_ports, struct orb_err *err);
/* Loads the programs the ports of policy may need; the reason of a failure is in dp->reason. */
void port_prepare(struct dataplane *dp, const struct policy *policy);
/* Decides about the ports again, for the policy in force. */
int port_refresh(struct dataplane *dp, struct orb_err *err);
/* Those there are from now on; NULL: none. */
void port_set(struct dataplane *dp, const struct port_list *ports);
/* Whether its programs are attached as recorded in dp->ports. */
bool port_alive(const struct dataplane *dp, const struct port *port);
/* A port without XDP because of another program, which is gone now. */
bool port_xdp_free(const struct port *port);
/* The name of a mode, as reports have it. */
const char *port_mode_name(enum port_mode mode);

#endif
