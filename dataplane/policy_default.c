/* The part of a `put` payload for packets without a rule. */
#include "core/base/own.h"
#include "dataplane/policy_internal.h"

static int read_forward(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    return policy_read_action(value, &((struct policy_defaults *)to)->forward, at, err);
}

static int read_input(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    return policy_read_action(value, &((struct policy_defaults *)to)->input, at, err);
}

static int read_output(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    return policy_read_action(value, &((struct policy_defaults *)to)->output, at, err);
}

static int read_log(void *to, const json_t *value, const struct place *at, struct orb_err *err)
{
    static const char *const words[] = {"forward", "input", "output"};
    struct policy_defaults *defaults = to;
    size_t i;
    json_t *item;

    if (!json_is_array(value))
        return policy_read_expected(at, "an array of forward, input, output", value, err);
    json_array_foreach ((json_t *)value, i, item) {
        struct place here = {at, NULL, i};
        int index = 0, r = policy_read_word(item, words, ARRAY_LEN(words), &index, &here, err);

        if (r < 0)
            return r;
        defaults->log |= 1u << index;
    }
    return 0;
}

static int read_log_limit(void *to, const json_t *value, const struct place *at,
                          struct orb_err *err)
{
    return policy_more_read_limit(value, &((struct policy_defaults *)to)->log_limit, NULL, at, err);
}

int policy_default_read(struct policy_defaults *to, const json_t *value, const struct place *at,
                        struct orb_err *err)
{
    static const struct member members[] = {{"forward", read_forward},
                                            {"input", read_input},
                                            {"output", read_output},
                                            {"log", read_log},
                                            {"log-limit", read_log_limit}};

    to->log = 0;
    to->log_limit = (struct policy_limit){0};
    return policy_read_members(to, value, members, ARRAY_LEN(members), at, err);
}
