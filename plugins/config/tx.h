/* A transaction from begin to end. */
#ifndef CONFIG_TX_H
#define CONFIG_TX_H

#include "plugins/config/participant.h"

/* NULL: nothing. Its job as well; answers that still come are ignored. */
void tx_free(struct tx *tx);

#endif
