/* Kinds of arguments (cli/kinds.h) that are of the configuration. */
#ifndef CLI_KINDS_CONFIG_H
#define CLI_KINDS_CONFIG_H

#include "cli/offer.h"

/* Offers places: as one pointer, segment by segment, or the next word of a path in words. As the
 * last argument only places that there are. */
void kinds_config_path(struct offer *o);
/* Offers what the place that the words before name takes; when only what there is counts, the
 * values of the list there. */
void kinds_config_value(struct offer *o);

#endif
