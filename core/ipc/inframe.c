/* Access to received frames. */
#include "core/ipc/inframe.h"

#include "core/json/scan.h"

int inframe_scan(const struct inframe *in, struct orb_err *err)
{
    int r = 0;

    if (in->h.envlen) {
        r = scan_json(in->env, in->h.envlen, NULL, err);
        if (r < 0)
            return orb_wrap(err, "envelope of %s", frame_type_name(in->h.type));
    }
    if (in->h.len > in->h.envlen)
        r = scan_json(in->payload, in->len, NULL, err);
    if (r < 0)
        return orb_wrap(err, "payload of %s", frame_type_name(in->h.type));
    return 0;
}

int inframe_string(const struct inframe *in, const char *key, char *to, size_t size,
                   struct orb_err *err)
{
    struct json_slice value;

    to[0] = '\0';
    if (!in->h.envlen || !json_member(in->env, in->h.envlen, key, &value))
        return 0;
    if (json_text(&value, to, size) < 0) {
        to[0] = '\0';
        return orb_fail(err, ORB_E_INVALID,
                        "\"%s\" of the envelope is not a string of at most %zu bytes", key,
                        size - 1);
    }
    return 0;
}
