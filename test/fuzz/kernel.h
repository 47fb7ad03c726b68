/* A kernel that answers netlink requests with the bytes of an input: between kernel_begin() and
 * kernel_end() this program's send, recv and poll are its own (kernel.c).
 *
 * Datagrams of messages: {datagram's flags, messages in it}, then for each {which of the types,
 * flags, size, size bytes}. The bytes are the fixed part the type has, then attributes {type, size,
 * data}; 0x80 in a type: its data are attributes again, 0x40: its length is not what it has. */
#ifndef TEST_FUZZ_KERNEL_H
#define TEST_FUZZ_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"

struct kernel_type {
    uint16_t type;
    uint8_t fixed; /* bytes before the attributes */
};

enum kernel_flag {
    KERNEL_INTERRUPTED = 1, /* NLM_F_DUMP_INTR */
    KERNEL_OTHER = 2,       /* an answer to something else */
    KERNEL_SHORT = 4,       /* the message ends within its stated length */
    KERNEL_RAW = 8,         /* no attributes are made of the bytes */
    KERNEL_END = 16,        /* the dump ends with it, as it should: NLMSG_DONE follows */
};

struct kernel {
    const struct kernel_type *types;
    unsigned type_count;
    const uint8_t *data;
    size_t left;
    uint8_t rest;      /* the reader's memory behind a datagram */
    uint32_t seq, pid; /* of the last request */
    unsigned messages; /* sent since the last request */
    bool interrupted;  /* one of them had the flag that the dump changed meanwhile */
    bool ended;        /* further messages are no part of the answer */
    bool passed_over;  /* then another request was sent, not the same again */
    uint16_t asked;    /* type of the last request */
    struct buf sent;   /* every request */
};

/* From now on it answers, until kernel_end(). */
void kernel_begin(struct kernel *kernel);
void kernel_end(struct kernel *kernel);
/* The next datagram; empty when there is none. */
void kernel_next(struct kernel *kernel, struct buf *ret_datagram);

#endif
