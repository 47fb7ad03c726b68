/* Requests that the firewall passes on to the data plane: few of each caller and few together, so
 * that the calls of a commit, and the requests of others, have room. */
#ifndef FIREWALL_RELAY_H
#define FIREWALL_RELAY_H

#include "orbital/orbital.h"

#define RELAY_OF_ONE 8 /* as many as the API has of one user at once */
#define RELAY_ALL 48   /* of 64 that the host takes of a service */

struct relay {
    struct relay *next;
    struct orb_req *req;
};

/* Counts one more for the caller of req until relay_end(); it is the caller's memory. ORB_E_BUSY:
 * too many are under way, nothing is counted. */
int relay_begin(struct relay **list, struct relay *relay, struct orb_req *req, struct orb_err *err);
/* It is answered, or was not sent. */
void relay_end(struct relay **list, struct relay *relay);

#endif
