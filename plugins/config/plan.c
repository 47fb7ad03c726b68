/* The plan: see plan.h. Shipped services come first, as they apply first. */
#include "plugins/config/plan.h"

#include <string.h>

#include "core/base/json_write.h"
#include "core/base/own.h"
#include "plugins/config/member.h"
#include "plugins/config/tx.h"

#define BYTES (128u << 10)       /* of all steps, in an answer; a frame has twice as many */
#define BYTES_OF_ONE (32u << 10) /* of one service's */

/* NULL: it is longer than *left. */
static json_t *line_of(const char *service, const json_t *step, size_t *left)
{
    const char *kind = member_text(step, "kind", "live"), *text = member_text(step, "text", "");
    AUTO(buf) struct buf quoted = {0};
    struct json_write w = json_write_to(&quoted);

    if (strlen(kind) + strlen(text) > *left)
        return NULL;
    json_write_object(&w, NULL);
    json_write_string(&w, "service", service);
    json_write_string(&w, "kind", kind);
    json_write_string(&w, "text", text);
    json_write_end(&w);
    if (quoted.len + 1 > *left)
        return NULL;
    *left -= quoted.len + 1;
    return json_pack("{s:s,s:s,s:s}", "service", service, "kind", kind, "text", text);
}

json_t *plan_of(const struct tx *tx)
{
    json_t *plan = json_array(), *step;
    size_t all = BYTES, omitted = 0, k;

    for (size_t i = 0; i < tx->count; i++) {
        size_t given = all < BYTES_OF_ONE ? all : BYTES_OF_ONE, left = given;

        json_array_foreach (tx->parts[i].plan, k, step) {
            json_t *line = line_of(tx->parts[i].name, step, &left);

            if (line)
                json_array_append_new(plan, line);
            else
                omitted++;
        }
        all -= given - left;
    }
    if (omitted) {
        AUTO_FREE char *text =
            buf_format("%zu step%s left out of this answer, which would be too long", omitted,
                       omitted == 1 ? " is" : "s are");

        json_array_append_new(
            plan, json_pack("{s:s,s:s,s:s}", "service", "config", "kind", "more", "text", text));
    }
    return plan;
}
