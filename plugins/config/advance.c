/* How far a commit is: see advance.h. */
#include "plugins/config/advance.h"

#include <string.h>

#include "core/base/own.h"
#include "plugins/config/job.h"
#include "plugins/config/words.h"

#define WHOLE 100u /* percent */

/* The commit continues, and so does what waits behind it. */
static void go_on(const struct tx *tx)
{
    const struct engine_host *host = &tx->engine->host;

    if (host->progress)
        host->progress(host->arg);
}

/* Of p's present step, in percent. */
static unsigned done_by(const struct participant *p, bool applying)
{
    if (p->state == PART_ASKED || (applying && p->state == PART_READY))
        return p->applying == applying ? p->percent : 0;
    return WHOLE;
}

static int percent_of(const struct tx *tx)
{
    bool applying = tx->live_at != 0;
    size_t sum = 0;

    if (!tx->count)
        return 0;
    for (size_t i = 0; i < tx->count; i++)
        sum += done_by(&tx->parts[i], applying);
    return (int)((applying ? WHOLE / 2 : 0) + sum / tx->count / 2);
}

static void tell(const struct tx *tx, const char *phase)
{
    const struct engine_host *host = &tx->engine->host;

    go_on(tx);
    if (host->tell && tx->job->req)
        host->tell(host->arg, tx->job->req, phase, tx->abort_at ? -1 : percent_of(tx));
}

void advance_reported(struct participant *p, const char *phase, int percent)
{
    AUTO(words) struct words *words = words_of(p->tx, p->name);
    AUTO(buf) struct buf text = {0};

    if (!*phase && percent < 0) {
        go_on(p->tx);
        return;
    }
    buf_addf(&text, "%s: ", p->name);
    words_show(words, phase, &text);
    if (percent >= 0 && (unsigned)percent <= WHOLE)
        p->percent = (unsigned)percent;
    tell(p->tx, p->tx->abort_at ? "undoing the change" : buf_str(&text));
}

/* The first that has not answered. */
static const struct participant *awaited(const struct tx *tx)
{
    for (size_t i = 0; i < tx->count; i++)
        if (done_by(&tx->parts[i], tx->live_at != 0) < WHOLE)
            return &tx->parts[i];
    return NULL;
}

void advance_answered(const struct tx *tx)
{
    const struct participant *p = awaited(tx);
    AUTO_FREE char *text = NULL;

    if (tx->abort_at)
        text = buf_format("undoing the change");
    else if (p)
        text = buf_format("%s: %s", p->name, tx->live_at ? "apply" : "prepare");
    else
        text = buf_format("writing the revision");
    tell(tx, text);
}
