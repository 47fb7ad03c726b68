/* The 24-byte frame header of docs/ipc.md, both directions. */
#ifndef CORE_IPC_FRAME_H
#define CORE_IPC_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "orbital/error.h"

#define IPC_ABI 1 /* sent in HELLO and WELCOME */
#define FRAME_HEADER 24u
#define FRAME_MAX 262144u /* envelope + payload */
#define FRAME_MAX_ENVELOPE 4096u

enum frame_type {
    FRAME_HELLO = 1,
    FRAME_WELCOME,
    FRAME_OPEN,
    FRAME_OPENED,
    FRAME_REQ,
    FRAME_REP,
    FRAME_ERR,
    FRAME_CANCEL,
    FRAME_SUB,
    FRAME_UNSUB,
    FRAME_PUB,
    FRAME_EVENT,
    FRAME_GAP,
    FRAME_PING,
    FRAME_PONG,
    FRAME_READY,
    FRAME_LOG,
    FRAME_METRIC,
    FRAME_STOP,
    FRAME_FAIL,
    FRAME_PEER,
    FRAME_GONE,
    FRAME_PROBLEMS,
    FRAME_PROGRESS,
    FRAME_APPLIED,
    FRAME_TYPES
};

struct frame {
    uint32_t len;
    uint16_t envlen;
    uint8_t type;
    uint8_t flags;
    uint32_t handle;
    uint32_t corr;
    uint32_t src;
    uint32_t deadline_ms;
};

#define FRAME_MORE 1

/* Encodes a header; frame is in bounds. */
void frame_put(unsigned char to[FRAME_HEADER], const struct frame *frame);
/* Whether one frame can carry an envelope and a payload of these sizes. 0, or ORB_E_LIMIT naming
 * the one that is too long. */
int frame_fits(size_t envlen, size_t len, struct orb_err *err);
/* Encodes a whole frame that fits: FRAME_HEADER + envlen + len bytes at `to`. len and envlen of
 * head are not looked at. env and payload may be NULL when they have no bytes. */
void frame_write(unsigned char *to, const struct frame *head, const char *env, size_t envlen,
                 const char *payload, size_t len);
/* Decodes and checks the header at data. 0: ret_frame is filled and the whole frame is at data;
 * FRAME_MORE: more bytes are needed (ret_frame is filled once the header is complete, else len =
 * 0); ORB_E_PROTOCOL: length, flags or type out of bounds, err has value and limit. */
int frame_get(const unsigned char *data, size_t len, struct frame *ret_frame, struct orb_err *err);
/* Name of a type for texts, "unknown" for a wrong one. */
const char *frame_type_name(unsigned type);

#endif
