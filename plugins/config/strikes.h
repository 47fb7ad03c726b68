/* Services that spoil transactions: what a service costs those who commit, and when it is left out.
 * One that is left out is a problem of the appliance until it has followed again. */
#ifndef CONFIG_STRIKES_H
#define CONFIG_STRIKES_H

#include "plugins/config/engine_internal.h"
#include "plugins/config/subscriber.h"

/* It hung or died in a transaction: after some of these in a row it is left out. */
void strikes_spoilt(struct engine *engine, const char *name);
/* It refused to apply what it had agreed to. Of a third party that counts as much. */
void strikes_broke_word(struct engine *engine, const char *name);
/* It refused a commit of a user. After some in a row it is tested with the running configuration
 * (aside.h), and after many it is left out; third parties only. */
void strikes_refused(struct engine *engine, const char *name);
/* It refused what runs, too. */
void strikes_refuses_all(struct engine *engine, const char *name);
/* It answered after so long. */
void strikes_waited(struct engine *engine, const char *name, uint64_t ms);
/* For how many ms from now a transaction may wait for its answer: limits.commit-ms, or the host's
 * ceiling for third parties, less what the last ones waited. UINT64_MAX: as long as it takes. */
uint64_t strikes_patience(const struct engine *engine, const struct subscriber *s);
/* It has used that up. */
void strikes_slow(struct engine *engine, const char *name);
/* It followed a transaction. */
void strikes_followed(struct engine *engine, const char *name);
/* The administrator has looked at it: it takes part, with nothing held against it. */
void strikes_forgive(struct engine *engine, struct subscriber *s);

#endif
