/* Layout of the classifier's data, shared by kernel (bpf/classify.bpf.h reads it) and user space
 * (dataplane/classify.c writes it). It is the one value of an inner array map; every offset counts
 * bytes from its beginning. Native byte order: the data never leaves the machine.
 *
 * Note: the rows of the bit vectors hold no bits but references to lines of 8 words. Most lines of
 * most rows are equal (of rules that are wide in this dimension), and sharing them makes 10 000
 * rules about eight times smaller; a word whose summary bit is 0 is never read. */
#ifndef BPF_CLASSIFY_H
#define BPF_CLASSIFY_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

/* The value size. Inner maps of one outer map must have equal value sizes, the memory is zeroed and
 * charged whole, and running, previous and next rules exist at the same time during a swap: so no
 * more than needed. 10 000 rules of ClassBench's kind take 5 MiB; 16 384 rules in each family,
 * every one with addresses of its own, 13 MiB. Must be a power of two: offsets are masked. */
#define CLASSIFY_BLOB_BYTES (16u << 20)
#define CLASSIFY_MAGIC 0x4f52430bu /* changes with the layout */

#define CLASSIFY_NONE (~0u)
#define CLASSIFY_MAX_RULES 16384 /* per family: 4 summary words */
#define CLASSIFY_LINE_WORDS 8
#define CLASSIFY_ZONES 64
#define CLASSIFY_ZONE_LOCAL 63
#define CLASSIFY_SEARCH_STEPS 19 /* < 2^19 IPv6 intervals */

/* Three lists of rules, each with a table for IPv4 followed by one for IPv6. */
#define CLASSIFY_NEW 0   /* packets unknown to conntrack */
#define CLASSIFY_KNOWN 2 /* those of connections it does: rules that name the state established */
#define CLASSIFY_TRACK 4 /* before conntrack: what it does not see; zone_to is 0 */
#define CLASSIFY_TABLES 6

/* Values of action and default_forward; the same as enum policy_action. */
#define CLASSIFY_ACCEPT 0
#define CLASSIFY_DROP 1
#define CLASSIFY_REJECT 2
#define CLASSIFY_UNDECIDED 3 /* default_forward only: nftables records it */
#define CLASSIFY_NOTRACK 3   /* of CLASSIFY_TRACK: conntrack does not see it */

/* Flags of a rule. */
#define CLASSIFY_UNSURE                                                                            \
    1 /* asks for what is not looked up here, too (a rate, a MAC address, TCP flags): whether it   \
         decides is not known */
#define CLASSIFY_LOG 2

/* Host byte order throughout. Zones: index + 1 in the policy (sorted by name), 0 none. ICMP:
 * source_port 0, destination_port type << 8 | code. Protocols without ports: both 0. */
struct classify_key4 {
    __u32 source, destination;
    __u16 source_port, destination_port;
    __u8 protocol;
    __u8 zone_from, zone_to;
    __u8 pad;
};

struct classify_key6 {
    __u64 source_hi, source_lo;
    __u64 destination_hi, destination_lo;
    __u16 source_port, destination_port;
    __u8 protocol;
    __u8 zone_from, zone_to;
    __u8 pad;
};

struct classify_rule {
    __u32 id; /* the rule's number */
    __u8 action;
    __u8 flags;
    __u16 pad;
    __u32 index;   /* into policy->rules, or policy->notracks */
    __u32 counter; /* free for the loader: where it counts this rule; 0 after classify_build */
};

/* A sorted list of 64-bit keys, the first 0, padded with ~0 to a power of two; steps is half of it.
 * Value i belongs to [key i, key i + 1). */
struct classify_search {
    __u32 keys;   /* u64[2 * steps] */
    __u32 values; /* u32[2 * steps]: a row, or CLASSIFY_DEEPER | offset / 8 of a second list: u32
                     count, u32 steps, u64 keys[count] (low half), u32 values[count] */
    __u32 steps;
    __u32 pad;
};

/* References: a row is its offset / 8, a line its offset / 64. A row is summary_words u64 (bit w:
 * word w is not 0), then one u32 reference a line. */
struct classify_table {
    __u32 rules; /* 0: nothing else is set */
    __u32 summary_bytes;
    __u32 first_slot;
    __u32 zones;        /* u32[64 * 64]: [from << 6 | to] → first entry in the context table */
    __u32 protocols;    /* u16[256]: added to it */
    __u32 context;      /* u32[]: row of zone pair and protocol */
    __u32 source_ports; /* u32[65536]: row */
    __u32 destination_ports;
    /* IPv4: u32[65536] by the upper 16 bits; a row, CLASSIFY_NODE | offset / 64 of u32[256] by the
     * next 8 bits (and again by the last 8), or CLASSIFY_FEW | offset / 64 of one cache line: u16
     * keys[8], u32 values[8], searched by the lower 16 bits. */
    __u32 source4, destination4;
    struct classify_search source6, destination6;
};

#define CLASSIFY_DEEPER 0x80000000u
#define CLASSIFY_NODE 0x80000000u
#define CLASSIFY_FEW 0xc0000000u
#define CLASSIFY_KIND 0xc0000000u

#define CLASSIFY_DNAT_ANY 1 /* a destination NAT rule without a port: every packet may match */

struct classify_head {
    __u32 magic;
    __u32 bytes;           /* used */
    __u32 default_forward; /* action */
    __u32 dnat_flags[2];   /* IPv4, IPv6 */
    __u32 dnat_ports[2];   /* u64[1024]: ports of destination NAT rules for TCP; then for UDP */
    __u32 rules;           /* of all tables: slots are below this */
    __u32 rule_table;      /* struct classify_rule[rules]: the slots of table after table */
    __u32
        asks_invalid; /* 1: a rule accepts, answers or records invalid packets: a first packet that
                         the programs would refuse may be one (its checksum is not looked at) */
    __u32 hints;      /* 0: nftables takes none; else ABI_HINT and the generation */
    __u32 coarse;     /* 1: rules with large groups are here for all addresses, and unsure */
    struct classify_table table[CLASSIFY_TABLES];
};

_Static_assert(sizeof(struct classify_key4) == 16, "no hidden padding");
_Static_assert(sizeof(struct classify_key6) == 40, "no hidden padding");
_Static_assert(sizeof(struct classify_rule) == 16, "a slot is shifted, not multiplied");
_Static_assert(sizeof(struct classify_table) % 8 == 0 && sizeof(struct classify_head) % 8 == 0,
               "what follows is 8-byte aligned");

#endif
