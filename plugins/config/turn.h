/* Turns of a transaction: after prepare the services apply one after the other in the order of
 * attaching, those of third parties last and all at once, as each takes time that is its own; or
 * they go back in reverse. */
#ifndef CONFIG_TURN_H
#define CONFIG_TURN_H

#include "plugins/config/participant.h"

/* Ends in tx_events.applied, or, when one fails, as turn_abort(). */
void turn_apply(struct tx *tx);
/* All have answered. Ends in tx_events.aborted. */
void turn_abort(struct tx *tx);
/* For giveup(): p, which was applying or reverting, is not waited for. */
void turn_given_up(struct participant *p);
/* For engine_tick(): calls all remaining at once when tx->turn_at has passed. */
void turn_tick(struct tx *tx);

#endif
