/* Methods `counters` (the data plane's numbers joined with the configuration) and `status`. */
#include <stdlib.h>
#include <string.h>

#include "plugins/firewall/counters.h"
#include "plugins/firewall/health.h"
#include "plugins/firewall/plugin.h"
#include "plugins/firewall/rows.h"

#define DATAPLANE "dataplane@1"
#define PAGE_MAX 500 /* rules in one answer; dataplane@1 has the same limit */

/* A request waiting for the data plane. */
struct wait {
    struct relay relay;
    struct firewall *self;
    struct orb_req *req;
    uint32_t after;
    unsigned limit;
};

static void copy_number(const cJSON *from, cJSON *to, const char *name)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(from, name);

    cJSON_AddNumberToObject(to, name, cJSON_IsNumber(value) ? value->valuedouble : 0);
}

static cJSON *row_json(const struct row *row, const cJSON *counters)
{
    cJSON *to = cJSON_CreateObject();

    cJSON_AddNumberToObject(to, "rule", row->number);
    if (row->description)
        cJSON_AddStringToObject(to, "description", row->description);
    cJSON_AddStringToObject(to, "action", row->action);
    cJSON_AddStringToObject(to, "from", *row->from ? row->from : "any");
    cJSON_AddStringToObject(to, "to", *row->to ? row->to : "any");
    copy_number(counters, to, "packets");
    copy_number(counters, to, "bytes");
    copy_number(counters, to, "fast-packets");
    copy_number(counters, to, "fast-bytes");
    return to;
}

/* The counters of each row in [first, last), found in one walk over the answer: a lookup by name is
 * a walk of its own in cJSON. */
static const cJSON **join(const struct rows *rows, unsigned first, unsigned last,
                          const cJSON *counters)
{
    const cJSON **found = calloc(last - first + 1, sizeof(cJSON *)), *item;

    if (!found)
        return NULL;
    cJSON_ArrayForEach (item, counters) {
        uint32_t number = (uint32_t)strtoul(item->string, NULL, 10);
        unsigned at = rows_after(rows, number);

        if (at-- && at >= first && at < last && rows->items[at].number == number)
            found[at - first] = item;
    }
    return found;
}

/* A deadline was the caller's, and may be as short as it likes. */
static void note(struct orb_ctx *ctx, struct wait *wait, const struct orb_err *err)
{
    relay_end(&wait->self->relays, &wait->relay);
    if (!err || err->code != ORB_E_DEADLINE)
        health_note(ctx, &wait->self->health, err);
}

static void on_numbers(struct orb_ctx *ctx, void *arg, const cJSON *in, const struct orb_err *err)
{
    struct wait *wait = arg;
    const struct rows *rows = &wait->self->rows;
    unsigned first = rows_after(rows, wait->after), last = rows->count;
    const cJSON *rest = cJSON_GetObjectItemCaseSensitive(in, "default"), **found;
    const cJSON *next = cJSON_GetObjectItemCaseSensitive(in, "next");
    cJSON *out, *list;

    note(ctx, wait, err);
    if (err) {
        orb_reply_error(wait->req, err);
        free(wait);
        return;
    }
    if (cJSON_IsNumber(next)) /* no further than the numbers reach */
        last = rows_after(rows, (uint32_t)next->valuedouble);
    if (last < first)
        last = first;
    if (last - first > wait->limit)
        last = first + wait->limit;
    found = join(rows, first, last, cJSON_GetObjectItemCaseSensitive(in, "rules"));
    out = cJSON_CreateObject();
    copy_number(in, out, "generation");
    list = cJSON_AddArrayToObject(out, "rules");
    for (unsigned i = first; found && i < last; i++)
        cJSON_AddItemToArray(list, row_json(&rows->items[i], found[i - first]));
    if (cJSON_IsObject(rest))
        cJSON_AddItemToObject(out, "default", cJSON_Duplicate(rest, true));
    if (last < rows->count)
        cJSON_AddNumberToObject(out, "next",
                                last > first ? rows->items[last - 1].number : next->valuedouble);
    free(found);
    orb_reply(wait->req, out);
    free(wait);
}

static void on_text(struct orb_ctx *ctx, void *arg, const char *text, size_t len,
                    const struct orb_err *err)
{
    struct wait *wait = arg;

    note(ctx, wait, err);
    if (err)
        orb_reply_error(wait->req, err);
    else
        orb_reply_text(wait->req, text, len);
    free(wait);
}

static struct wait *wait_new(struct orb_ctx *ctx, struct orb_req *req, struct orb_err *err)
{
    struct wait *wait = calloc(1, sizeof(*wait));

    if (!wait) {
        orb_fail(err, ORB_E_NOMEM, "no memory for the request");
        return NULL;
    }
    wait->self = orb_user(ctx);
    wait->req = req;
    if (relay_begin(&wait->self->relays, &wait->relay, req, err) < 0) {
        free(wait);
        return NULL;
    }
    return wait;
}

/* Of wait_new(), when its request was not sent. */
static void wait_drop(struct wait *wait)
{
    relay_end(&wait->self->relays, &wait->relay);
    free(wait);
}

int counters_answer(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    const cJSON *after = cJSON_GetObjectItemCaseSensitive(in, "after");
    const cJSON *limit = cJSON_GetObjectItemCaseSensitive(in, "limit");
    struct wait *wait = wait_new(ctx, req, err);
    cJSON *ask;
    int r;

    if (!wait)
        return err->code;
    wait->after = cJSON_IsNumber(after) ? (uint32_t)after->valuedouble : 0;
    wait->limit = cJSON_IsNumber(limit) ? (unsigned)limit->valueint : PAGE_MAX;
    if (wait->limit < 1 || wait->limit > PAGE_MAX)
        wait->limit = PAGE_MAX;
    ask = cJSON_CreateObject();
    cJSON_AddNumberToObject(ask, "after", wait->after);
    cJSON_AddNumberToObject(ask, "limit", wait->limit);
    r = orb_call(ctx, DATAPLANE, "counters", ask, orb_req_left_ms(req), on_numbers, wait, err);
    if (r < 0)
        wait_drop(wait);
    return r;
}

int counters_answer_status(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in,
                           struct orb_err *err)
{
    struct wait *wait = wait_new(ctx, req, err);
    int r;

    if (!wait)
        return err->code;
    r = orb_call_text(ctx, DATAPLANE, "status", "{}", 2, orb_req_left_ms(req), on_text, wait, err);
    if (r < 0)
        wait_drop(wait);
    return r;
}
