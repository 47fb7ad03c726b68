/* Services after a commit was undone: see undone.h. */
#include "core/base/own.h"
#include "plugins/config/job.h"
#include "plugins/config/service.h"
#include "plugins/config/subscriber.h"
#include "plugins/config/undone.h"

void undone_committed(struct tx *tx)
{
    struct engine *engine = tx->engine;

    for (size_t i = 0; i < tx->count && tx->job->undoes; i++) {
        const struct participant *p = &tx->parts[i];
        const struct subscriber *s = subscriber_find(engine, p->name);

        if (p->restart)
            service_restart(engine, p->name, "it did not follow an undone commit");
        else if (p->state == PART_OUT && s && s->tried)
            service_needed(engine, p->name, "a commit that it applied was undone");
    }
}

void undone_tick(struct engine *engine)
{
    if (!engine->undone || engine->host.now_ms(engine->host.arg) < engine->grace_until)
        return;
    for (struct subscriber *s = engine->subscribers; s; s = s->next) {
        AUTO(json_t) json_t *mine = subscriber_patch(engine, s, engine->undone);

        if (mine && s->presence != SUB_ATTACHED)
            service_needed(engine, s->name, "a commit that it may have applied was undone");
    }
    json_decref(engine->undone);
    engine->undone = NULL;
}
