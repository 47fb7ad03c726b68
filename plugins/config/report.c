/* Reports of the store to the host: see report.h. */
#include <string.h>

#include "core/base/own.h"
#include "plugins/config/history.h"
#include "plugins/config/report.h"

void report_step(const struct engine *engine, const char *name)
{
    if (engine->host.step)
        engine->host.step(engine->host.arg, name);
}

static void report(struct engine *engine, const char *key, bool failed, bool is, const char *what,
                   const char *todo)
{
    if (engine->host.problem)
        engine->host.problem(engine->host.arg, key, failed, is ? what : NULL, todo);
}

void report_store(struct engine *engine)
{
    const struct store *s = &engine->store;
    AUTO_FREE char *cannot =
        buf_format("commits are refused, as the configuration cannot be written: %s",
                   s->renew ? s->renew : "");
    AUTO_FREE char *behind = buf_format("the second copy of the journal cannot be written: %s",
                                        strerror(-s->journal.copy_error));
    bool lost = s->damage.lost || s->held;

    report(engine, "datastore", true, s->damage.text[0], s->damage.text,
           lost ? "look with `orbctl config salvage`; put the files back and restart the service, "
                  "or take what is left with `orbctl config salvage --accept`"
                : "look with `orbctl config salvage`; `--accept`, or the next commit, makes the "
                  "datastore whole again");
    report(engine, "datastore:write", false, s->unwritable && !lost, cannot,
           "make room, or the file system writable (/state is services/config in the daemon's "
           "state directory); it is tried again by itself");
    report(engine, "datastore:copy", false, s->journal.path && s->journal.copy_error, behind,
           "make room, or the file system writable; it is tried again by itself");
}

void report_enforced(struct engine *engine)
{
    const struct store *s = &engine->store;

    if (engine->host.enforced && !s->held && (s->written || s->void_tx))
        engine->host.enforced(engine->host.arg, s->written, history_id(s, s->written), s->void_tx);
}
