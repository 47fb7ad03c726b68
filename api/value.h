/* Memory for values that are read in slices: while they are put together, and while a client takes
 * them. */
#ifndef API_VALUE_H
#define API_VALUE_H

#include "api/request.h"

/* May the request read one, beside those that its user reads already? 0, or ORB_E_BUSY. */
int value_begin(struct request *q, struct orb_err *err);
/* Memory for a value of so many bytes in q->value, until the request is freed. A client that takes
 * its answer slowly gives way to one that has less. 0, ORB_E_LIMIT it is too large, or ORB_E_BUSY.
 */
int value_take(struct request *q, size_t bytes, struct orb_err *err);

#endif
