/* What a transaction holds: see participant.h. */
#include <stdlib.h>

#include "core/base/buf.h"
#include "plugins/config/call.h"
#include "plugins/config/job.h"
#include "plugins/config/tx.h"

void tx_free(struct tx *tx)
{
    if (!tx)
        return;
    for (size_t i = 0; i < tx->count; i++) {
        call_forget(&tx->parts[i]);
        free(tx->parts[i].name);
        buf_fini(&tx->parts[i].text);
        json_decref(tx->parts[i].plan);
        json_decref(tx->parts[i].answer);
    }
    for (size_t i = 0; i < tx->outlook_count; i++) {
        free(tx->outlooks[i].name);
        buf_fini(&tx->outlooks[i].text);
    }
    free(tx->outlooks);
    free(tx->parts);
    json_decref(tx->services);
    json_decref(tx->patch);
    job_free(tx->job);
    free(tx);
}
