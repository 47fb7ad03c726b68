/* Boot phases upwards, stopping downwards: what starts when, and what may end before what. Called
 * from supervisor_settle, and for reports. */
#ifndef CORE_SUP_BOOT_H
#define CORE_SUP_BOOT_H

#include <stdbool.h>
#include <stdint.h>

struct service;
struct supervisor;

/* Starts the services that can start; enters the next phase when the present one is complete, or
 * has taken too long. */
void boot_settle(struct supervisor *sup);
/* Stops every service that no running service depends on. True: no service runs any more. */
bool boot_settle_stop(struct supervisor *sup);
/* When boot_settle or boot_settle_stop has something to do that no event announces, monotonic ms,
 * 0: never. */
uint64_t boot_due(const struct supervisor *sup);
/* Must it run before the appliance is operational, and does it not? */
bool boot_held_by(const struct service *service);

#endif
