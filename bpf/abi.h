/* Shared by the programs of the fast path and the loader (dataplane/): the maps' values and sizes.
 * The maps are pinned and outlive the daemon, so any change of a layout here must change
 * ABI_VERSION: a daemon that finds another version makes new maps and keeps only the links.
 *
 * Note: the flow cache and the counters are plain arrays with a part for each CPU (index = cpu *
 * size + i), not per-CPU maps: array lookups are inlined by the verifier and cost nothing. */
#ifndef BPF_ABI_H
#define BPF_ABI_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define ABI_VERSION 0x4f524206u

#define ABI_WAYS 4
#define ABI_FLOW4_BUCKETS 16384 /* each CPU; powers of two */
#define ABI_FLOW6_BUCKETS 8192
/* Each CPU: entries of flows that are sent, then of those that are not, the last one for a packet
 * whose flow is not kept. */
#define ABI_FLOW4_SENT 32768
#define ABI_FLOW4_ENTRIES 40960
#define ABI_FLOW6_SENT 16384
#define ABI_FLOW6_ENTRIES 20480
#define ABI_PORTS 256
#define ABI_NO_PORT 0xffff
#define ABI_COUNTERS 65536             /* slot 0: the default of forward */
#define ABI_NOWHERE (ABI_COUNTERS - 1) /* a slot that is never read */
#define ABI_PROBES 32                  /* a rule's slot is among so many after its own */
#define ABI_IFACES 2048
#define ABI_SUSPECTS 1024 /* a power of two */
#define ABI_ALIVE_MS 500  /* the fast path is used this long after the daemon's last heartbeat */

/* One element, read by the programs for every packet. */
struct fast_control {
    __u32 version;
    __u32 epoch;          /* an entry of another epoch is stale; never 0 */
    __u16 enabled;        /* 0: everything passes */
    __u16 unsettled;      /* 1: connections may run by rules that are not in force any more */
    __u32 policy;         /* 0 or 1: the slot of `policies` in force, and the tag of its `ifaces` */
    __u64 seed;           /* of the hash, random for each creation of the maps */
    __u32 udp_timeout_ms; /* conntrack's own time-outs of an assured stream … */
    __u32 tcp_timeout_ms; /* … and of an established connection */
    __u32 generation;     /* of the policy in force; kept here for the next daemon */
    __u32 previous;       /* the generation in the other slot, 0: none */
    __u64 rules_digest;   /* of nftables' half (dataplane/base.c); 0: unknown */
    __u64 object_digest;  /* of the programs that are pinned; 0: none are */
    __u32 foreign;        /* FOREIGN_*: foreign state (dataplane/foreign.h) */
    __u32 until;          /* jiffies; later everything passes: events are not read any more */
};

/* After setting one of these, a new epoch is begun. READING: something changed and was not read
 * yet, so everything is the kernel's. IP4, IP6: another table decides about forwarded packets, all
 * are the kernel's. NEW4, NEW6: something decides about first packets, none is refused here.
 * KEEP_PRIORITY: forwarding does not set a packet's priority by its TOS. LABELS: the flow label of
 * IPv6 decides about the way, so each packet asks. TOLD4, TOLD6: whatever makes an entry wrong
 * comes with an event, or is looked at. */
#define FOREIGN_READING 1u
#define FOREIGN_IP4 2u
#define FOREIGN_IP6 4u
#define FOREIGN_NEW4 8u
#define FOREIGN_NEW6 16u
#define FOREIGN_KEEP_PRIORITY 32u
#define FOREIGN_LABELS 64u
#define FOREIGN_TOLD4 128u
#define FOREIGN_TOLD6 256u

/* conntrack's mark belongs to Orbital: the number of the rule that accepted the connection, or one
 * of these; 0: it was there before any rule. */
#define ABI_MARK_FORWARD 100000001u /* the default of forward … */
#define ABI_MARK_INPUT 100000002u
#define ABI_MARK_OUTPUT 100000003u
/* Bits of the mark beside it: a commit ended this TCP connection. Its packets are dropped, or
 * rejected by a reset. */
#define ABI_MARK_HELD 0x40000000u
#define ABI_MARK_RESET 0x20000000u
#define ABI_MARK_ENDED (ABI_MARK_HELD | ABI_MARK_RESET)

/* What the classifier found for a first packet that is left to the kernel, for nftables, which
 * decides (dataplane/nft_hint.c): bits of the packet mark, given together with a priority that
 * names the zone the packet came from. nftables takes both off the packet before it is routed. */
#define ABI_HINT_PRIORITY 0xffff0000u /* and the zone; a handle no queueing discipline has */
#define ABI_HINT 0x90000000u
#define ABI_HINT_GENERATION(generation) (((generation)&15) << 24)
#define ABI_HINT_ZONE(zone) ((zone) << 18) /* that it is sent to */
#define ABI_HINT_ACCEPT 0u                 /* a rule that only accepts, and so on */
#define ABI_HINT_DROP 0x10000u
#define ABI_HINT_OTHER 0x20000u
#define ABI_HINT_DEFAULT 0x30000u /* no rule */
/* The lower half: the rule's counter slot. */

/* In front of a frame that XDP passes, for the program at tcx: the same. */
struct fast_hint {
    __u32 seal; /* another network namespace may put something else there */
    __u32 hint;
    __u32 from; /* zone */
};

/* The slot where the search for a rule's slot begins; ABI_NOWHERE - 1 is followed by 1. */
#define ABI_FIRST_SLOT(id) ((id) % (ABI_NOWHERE - 1) + 1)
#define ABI_NEXT_SLOT(slot) ((slot) % (ABI_NOWHERE - 1) + 1)

struct fast_iface_key {
    __u32 ifindex;
    __u32 policy; /* slot this description belongs to: zones change together with the rules */
};

struct fast_iface {
    __u8 zone; /* as in bpf/classify.h */
    __u8 mac[6];
    __u8 pad;
    __u16 port;     /* index of statistics and of the device map, ABI_NO_PORT: none */
    __u16 redirect; /* the same index if XDP may send through it, else ABI_NO_PORT */
    __u32 flags;    /* IFACE_* */
};

/* IN, OUT: foreign state applies to packets received, sent here: all are left to the kernel. XDP:
 * the program at XDP runs before the one at tcx. */
#define IFACE_IN 1u
#define IFACE_OUT 2u
#define IFACE_XDP 4u
/* The upper half: the smallest unlocked MTU of the routes over this interface; 0: none. Route
 * lookups from BPF do not return it. */
#define IFACE_MTU_SHIFT 16

#define FLOW_PASS 1 /* left to the kernel: local, or forwarded in an unsupported way */
#define FLOW_DROP 2 /* refused by a plain drop; holds while conntrack has no such flow */
#define FLOW_NAT 4
#define FLOW_XDP 8        /* sent by XDP; packets that XDP passes are meant for the kernel */
#define FLOW_LABEL 16     /* each packet of it takes the slow program: its label may change */
#define FLOW_PRIORITY 255 /* the packet's priority stays as it is */

/* What an entry of both families begins with: what a hit needs is in the first line of the
 * processor's cache. Ports in network byte order, as they leave. */
struct flow_head {
    __u32 epoch;
    __u32 refresh; /* jiffies: valid until */
    __u32 punt;    /* jiffies: after that, one packet takes the kernel's path */
    __u32 oif;
    __u16 flags;
    __u8 tos; /* without ECN: another one may take another way */
    __u8 priority;
    __u16 mtu;
    __u16 redirect;
    __u16 source_port, destination_port; /* together one word */
    __u16 address_delta, l4_delta;       /* one's complement; l4_delta includes address_delta */
    __u8 mac[12];                        /* destination and source, as in the frame */
    __u8 own[6];                         /* the frame must be for this address */
    __u16 port;
    __u32 counter;
    __u64 hits;  /* ABI_HIT, not yet in `counters` and `stats` */
    __u32 since; /* the epoch the entry was made in */
    __u32 way;   /* the element of ways4, ways6 and, in it, the way that leads here */
};

/* A packet of so many bytes, in flow_head.hits: an entry is valid for a second, so neither half is
 * ever full. */
#define ABI_HIT(bytes) (1ull << 36 | (bytes))
#define ABI_HIT_PACKETS(hits) ((hits) >> 36)
#define ABI_HIT_BYTES(hits) ((hits) & ((1ull << 36) - 1))

/* key4: source << 32 | destination, ports << 32 | protocol << 24 | ifindex. The whole tuple is
 * compared. Addresses in network byte order, as they leave. */
struct flow4 {
    struct flow_head head;
    __u64 key[2];
    __u32 source[1], destination[1];
    __u64 reserved[4];
};

struct flow6 {
    struct flow_head head;
    __u64 key[5];
    __u32 source[4], destination[4];
    __u64 reserved[6];
};

/* Where the entries of the flows are whose hash is that of the element: 16 bits of the hash, 16
 * bits of the entry's place. An entry whose place another one took is recognized by its key. */
struct flow_ways {
    __u32 way[ABI_WAYS];
};

/* The place of each CPU's entry taken last, of flows that are sent and that are not; how often hits
 * went from entries to the counters; and how many first packets in a row were classified, none of
 * which was dropped. */
struct flow_next {
    __u32 sent4, other4, sent6, other6;
    __u32 folds, vain;
};

/* rule_ids: a rule's number plus 1, and the epoch since which its slot counts for it. Hits of
 * entries older than that were another rule's. */
#define ABI_OWNER(id, epoch) ((__u64)(epoch) << 32 | ((__u64)(id) + 1))
#define ABI_OWNER_IS(owner, id) ((__u32)(owner) == (__u32)(id) + 1)
#define ABI_OWNER_COUNTS(owner, since) ((__s32)((since) - (__u32)((owner) >> 32)) >= 0)

/* A neighbour not confirmed by the kernel recently: the next packet to it is left to the kernel,
 * which then probes it as it would without a fast path. At the slot of its hash. */
struct suspect {
    __u64 who;     /* ABI_WHO */
    __u32 waiting; /* 0: that packet went there */
    __u32 reserved;
};

/* Interface and MAC address; low: the last four bytes of the address, as in memory. */
#define ABI_WHO(oif, mac_low) ((__u64)(oif) << 32 | (mac_low))
#define ABI_SUSPECT_SLOT(who)                                                                      \
    ((__u32)(((who) ^ (who) >> 32) * 2654435761u >> 20) & (ABI_SUSPECTS - 1))

struct fast_counter {
    __u64 packets, bytes; /* bytes of IP, as nftables counts */
};

struct fast_stats {
    __u64 hits;    /* forwarded out of the cache */
    __u64 misses;  /* looked up in conntrack */
    __u64 passed;  /* left to the kernel */
    __u64 dropped; /* refused here */
};

/* Which port has which index, for the next daemon. */
struct fast_port {
    char name[16]; /* "": free */
    __u32 ifindex;
    __u32 reserved[3];
};

_Static_assert(sizeof(struct fast_control) == 64, "one line");
_Static_assert(sizeof(struct fast_iface_key) == 8, "no hidden padding");
_Static_assert(sizeof(struct fast_iface) == 16, "no hidden padding");
_Static_assert(sizeof(struct flow_head) == 72, "no hidden padding");
_Static_assert(sizeof(struct flow4) == 128, "two lines");
_Static_assert(sizeof(struct flow6) == 192, "three lines");
_Static_assert(sizeof(struct flow_ways) == 16 && sizeof(struct flow_next) == 24, "array values");
_Static_assert(sizeof(struct fast_counter) == 16 && sizeof(struct fast_stats) == 32,
               "array values");
_Static_assert(sizeof(struct fast_port) == 32 && sizeof(struct suspect) == 16, "array values");

#endif
