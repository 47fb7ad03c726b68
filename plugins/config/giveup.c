/* Participants that are not waited for any more: see giveup.h. */
#include "core/base/own.h"
#include "plugins/config/advance.h"
#include "plugins/config/call.h"
#include "plugins/config/giveup.h"
#include "plugins/config/participant_internal.h"
#include "plugins/config/service.h"
#include "plugins/config/strikes.h"
#include "plugins/config/turn.h"

void giveup(struct participant *p, const char *why)
{
    struct tx *tx = p->tx;
    AUTO_FREE char *text = buf_format("%s during %s", why,
                                      p->state == PART_ASKED   ? "prepare"
                                      : p->state == PART_READY ? "apply"
                                                               : "abort");

    call_forget(p);
    service_late(tx->engine, p->name, text);
    advance_answered(tx);
    if (p->state == PART_ASKED)
        participant_given_up(p);
    else
        turn_given_up(p);
}

void giveup_tick(struct engine *engine)
{
    struct participant *p;

    while (engine->tx && (p = call_over(engine->tx))) {
        strikes_waited(engine, p->name, engine->host.now_ms(engine->host.arg) - call_of(p)->at);
        strikes_slow(engine, p->name);
        giveup(p, "commits waited too long for it");
    }
}
