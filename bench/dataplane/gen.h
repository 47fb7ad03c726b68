/* What the programs of gen.bpf.c and their driver gen.c share. */
#ifndef BENCH_DATAPLANE_GEN_H
#define BENCH_DATAPLANE_GEN_H

#define GEN_FRAME 60        /* bytes; the least an Ethernet frame has */
#define GEN_FRAME6 72       /* of IPv6 */
#define GEN_MARK 0x6f726262 /* in the payload: frames without it are not counted */
#define GEN_PORT 1024       /* source port of flow 0 */
#define GEN_CHECK_EVERY 64  /* the sink verifies the whole UDP checksum of every n-th frame */
#define GEN_DEVICES 64      /* interface indexes below it can be sent to */

/* Payload, at byte 42 of the frame (IPv6: 62), network byte order. */
struct gen_payload {
    __u16 balance; /* what makes the sum of addresses, ports and this word the same in every flow */
    __u16 high, low; /* GEN_MARK */
    __u16 rest[2];
};

struct gen_counts {
    __u64 good;  /* forwarded as they should be */
    __u64 wrong; /* hop count, addresses or checksum are not what they should be */
    __u64 bytes;
};

struct gen_expect {
    __u32 source; /* network byte order; 0: any */
    __u32 hops;   /* what TTL should be left */
};

#endif
