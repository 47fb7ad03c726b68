/* The payload of PROGRESS, written and read: see progress_state.h. */
#include "core/ipc/progress_state.h"

#include "core/base/json_write.h"
#include "core/json/scan.h"

void progress_state_write(const struct progress_state *state, struct buf *to)
{
    struct json_write w = json_write_to(to);

    json_write_object(&w, NULL);
    if (state->phase[0])
        json_write_string(&w, "phase", state->phase);
    if (state->percent != PROGRESS_UNKNOWN)
        json_write_integer(&w, "percent", state->percent);
    json_write_end(&w);
}

int progress_state_read(const char *text, size_t len, struct progress_state *ret_state,
                        struct orb_err *err)
{
    struct progress_state state = {.percent = PROGRESS_UNKNOWN};
    struct json_slice value;
    int64_t percent;

    if (json_member(text, len, "phase", &value) &&
        json_text(&value, state.phase, sizeof(state.phase)) < 0)
        return orb_fail_at(err, ORB_E_SCHEMA, "/phase", "expected a text of at most %d bytes",
                           PROGRESS_PHASE - 1);
    if (json_member(text, len, "percent", &value)) {
        if (json_int64(&value, &percent) < 0 || percent < 0 || percent > 100)
            return orb_fail_at(err, ORB_E_SCHEMA, "/percent", "expected a number from 0 to 100");
        state.percent = (int)percent;
    }
    *ret_state = state;
    return 0;
}
