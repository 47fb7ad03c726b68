/* A received frame: its header, and the position of envelope and payload in the received bytes. */
#ifndef CORE_IPC_INFRAME_H
#define CORE_IPC_INFRAME_H

#include "core/ipc/frame.h"

struct checked;

struct inframe {
    struct frame h;
    unsigned char *data; /* header, envelope, payload as received; its reader may rewrite them */
    const char *env;     /* h.envlen bytes */
    const char *payload; /* never empty: "{}" when none was sent */
    size_t len;
    const struct checked *checked; /* result of a check on the thread (offload.h); NULL: none yet */
};

/* Sets env, payload and len from h and data; data must outlive them. */
static inline void inframe_locate(struct inframe *in)
{
    in->env = (const char *)in->data + FRAME_HEADER;
    in->len = in->h.len - in->h.envlen;
    in->payload = in->env + in->h.envlen;
    if (in->len == 0) {
        in->payload = "{}";
        in->len = 2;
    }
}

/* The frame at data, of which len bytes are there: as frame_get(), with ret_frame located when it
 * is whole (0). */
static inline int inframe_get(unsigned char *data, size_t len, struct inframe *ret_frame,
                              struct orb_err *err)
{
    int r = frame_get(data, len, &ret_frame->h, err);

    ret_frame->data = data;
    if (r == 0)
        inframe_locate(ret_frame);
    return r;
}

/* Whether envelope and payload are strict JSON (core/json/scan.h). 0, or the scanner's error,
 * naming which of them is invalid. */
int inframe_scan(const struct inframe *in, struct orb_err *err);

/* Copies the string `key` of a scanned envelope to `to`, which has `size` bytes; a missing one is
 * "". ORB_E_INVALID: it is no string, or longer than size - 1 bytes. */
int inframe_string(const struct inframe *in, const char *key, char *to, size_t size,
                   struct orb_err *err);

#endif
