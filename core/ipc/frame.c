/* Encoding and checking of the 24-byte frame header. Fields are little-endian and unaligned in the
 * stream; a header is refused as soon as its 24 bytes are there, before its body is waited for. */
#include "core/ipc/frame.h"

#include <endian.h>
#include <string.h>

static void put32(unsigned char *to, uint32_t value)
{
    value = htole32(value);
    memcpy(to, &value, sizeof(value));
}

static uint32_t get32(const unsigned char *from)
{
    uint32_t value;

    memcpy(&value, from, sizeof(value));
    return le32toh(value);
}

void frame_put(unsigned char to[FRAME_HEADER], const struct frame *frame)
{
    uint16_t envlen = htole16(frame->envlen);

    put32(to, frame->len);
    memcpy(to + 4, &envlen, sizeof(envlen));
    to[6] = frame->type;
    to[7] = frame->flags;
    put32(to + 8, frame->handle);
    put32(to + 12, frame->corr);
    put32(to + 16, frame->src);
    put32(to + 20, frame->deadline_ms);
}

int frame_fits(size_t envlen, size_t len, struct orb_err *err)
{
    if (envlen > FRAME_MAX_ENVELOPE)
        return orb_fail(err, ORB_E_LIMIT, "the envelope has %zu bytes, the limit is %u", envlen,
                        FRAME_MAX_ENVELOPE);
    if (len > FRAME_MAX - envlen)
        return orb_fail(err, ORB_E_LIMIT, "the message has %zu bytes, the limit is %u",
                        envlen + len, FRAME_MAX);
    return 0;
}

void frame_write(unsigned char *to, const struct frame *head, const char *env, size_t envlen,
                 const char *payload, size_t len)
{
    struct frame frame = *head;

    frame.len = (uint32_t)(envlen + len);
    frame.envlen = (uint16_t)envlen;
    frame_put(to, &frame);
    if (envlen)
        memcpy(to + FRAME_HEADER, env, envlen);
    if (len)
        memcpy(to + FRAME_HEADER + envlen, payload, len);
}

static int check(const struct frame *frame, struct orb_err *err)
{
    if (frame->type == 0 || frame->type >= FRAME_TYPES)
        return orb_fail(err, ORB_E_PROTOCOL, "frame type %u is not known; types are 1 to %d",
                        frame->type, FRAME_TYPES - 1);
    if (frame->flags)
        return orb_fail(err, ORB_E_PROTOCOL, "frame flags are 0x%02x; 0 is the only value allowed",
                        frame->flags);
    if (frame->len > FRAME_MAX)
        return orb_fail(err, ORB_E_PROTOCOL, "frame length %u is over the limit of %u bytes",
                        frame->len, FRAME_MAX);
    if (frame->envlen > FRAME_MAX_ENVELOPE)
        return orb_fail(err, ORB_E_PROTOCOL, "envelope length %u is over the limit of %u bytes",
                        frame->envlen, FRAME_MAX_ENVELOPE);
    if (frame->envlen > frame->len)
        return orb_fail(err, ORB_E_PROTOCOL, "envelope length %u is over the frame's length of %u",
                        frame->envlen, frame->len);
    return 0;
}

int frame_get(const unsigned char *data, size_t len, struct frame *ret_frame, struct orb_err *err)
{
    uint16_t envlen;
    int r;

    if (len < FRAME_HEADER) {
        *ret_frame = (struct frame){0};
        return FRAME_MORE;
    }
    memcpy(&envlen, data + 4, sizeof(envlen));
    *ret_frame = (struct frame){
        .len = get32(data),
        .envlen = le16toh(envlen),
        .type = data[6],
        .flags = data[7],
        .handle = get32(data + 8),
        .corr = get32(data + 12),
        .src = get32(data + 16),
        .deadline_ms = get32(data + 20),
    };
    r = check(ret_frame, err);
    if (r < 0)
        return r;
    return len - FRAME_HEADER < ret_frame->len ? FRAME_MORE : 0;
}

const char *frame_type_name(unsigned type)
{
    static const char *const names[FRAME_TYPES] = {
        "none", "HELLO",  "WELCOME",  "OPEN",     "OPENED",  "REQ",   "REP",
        "ERR",  "CANCEL", "SUB",      "UNSUB",    "PUB",     "EVENT", "GAP",
        "PING", "PONG",   "READY",    "LOG",      "METRIC",  "STOP",  "FAIL",
        "PEER", "GONE",   "PROBLEMS", "PROGRESS", "APPLIED",
    };

    return type && type < FRAME_TYPES ? names[type] : "unknown";
}
