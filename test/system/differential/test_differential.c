/* nftables as the oracle: random policies are loaded with the generated ruleset, the headers given
 * to the classifier are also sent through the kernel as packets, and the whole
 * vector of per-rule counters must match the policy.
 *
 * Everything happens in a network namespace of this process alone. Each zone has a veth port;
 * packets enter at its peer and leave by the default route, which moves from zone to zone. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "bpf/abi.h"
#include "bpf/classify.h"
#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/tally.h"
#include "test/lib/harness.h"
#include "test/unit/dataplane/policies.h"

#define ZONES 5 /* by zone number */
#define WAIT_MS 10000
#define MAX_PACKETS 14000
#define HIT_LEAST 100 /* counters of all policies; some 300 are */

static const char *const interfaces[ZONES] = {"none0", "dmz0", "guest0", "lan0", "wan0"};

struct lab {
    int socket;
    int peer[ZONES];             /* ifindex where packets enter */
    unsigned char mac[ZONES][6]; /* of the router's side */
    uint64_t *expected;          /* by rule, then the default */
    uint64_t sent, failures;
    struct classify_header *earlier; /* all that was ever sent: conntrack has entries for it */
    unsigned earlier_count;
    unsigned hit; /* counters, of all policies */
};

static void stop(const char *what)
{
    printf("not ok - %s: %s\n", what, strerror(errno));
    exit(1);
}

__attribute__((format(printf, 1, 2))) static void command(const char *format, ...)
{
    AUTO(buf) struct buf line = {0};
    va_list args;

    va_start(args, format);
    buf_addv(&line, format, args);
    va_end(args);
    if (system(buf_str(&line)) != 0)
        stop(buf_str(&line));
}

static void set_sysctl(const char *name, const char *value)
{
    AUTO_FREE char *path = buf_format("/proc/sys/net/%s", name);
    AUTO_FD int fd = open(path, O_WRONLY);

    if (fd < 0 || write(fd, value, strlen(value)) < 0)
        stop(path);
}

static void lab_init(struct lab *lab)
{
    set_sysctl("ipv4/ip_forward", "1");
    set_sysctl("ipv6/conf/all/forwarding", "1");
    for (int i = 0; i < 2; i++) {
        set_sysctl(i ? "ipv4/conf/all/rp_filter" : "ipv4/conf/default/rp_filter", "0");
        set_sysctl(i ? "ipv4/conf/all/send_redirects" : "ipv4/conf/default/send_redirects", "0");
    }
    command("ip link set lo up");
    lab->socket = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (lab->socket < 0)
        stop("packet socket");
    for (int zone = 0; zone < ZONES; zone++) {
        AUTO_FREE char *peer = buf_format("%sp", interfaces[zone]);
        struct ifreq request = {0};

        command("ip link add %s type veth peer name %s", interfaces[zone], peer);
        for (int end = 0; end < 2; end++)
            command("ip link set %s addrgenmode none && ip link set %s arp off up",
                    end ? peer : interfaces[zone], end ? peer : interfaces[zone]);
        /* The peer's end is another host: it must not route what arrives there. */
        AUTO_FREE char *off = buf_format("ipv4/conf/%s/forwarding", peer);

        set_sysctl(off, "0");
        snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interfaces[zone]);
        if (ioctl(lab->socket, SIOCGIFHWADDR, &request) < 0)
            stop("address of a port");
        memcpy(lab->mac[zone], request.ifr_hwaddr.sa_data, 6);
        lab->peer[zone] = (int)if_nametoindex(peer);
    }
    /* The test is about rules: headers are right, checksums of the payload are left out. */
    command("echo 'add table inet t; add chain inet t c { type filter hook forward priority 0; }; "
            "add rule inet t c ct state new counter' | nft -f - && nft delete table inet t");
    set_sysctl("netfilter/nf_conntrack_checksum", "0");
}

static uint16_t checksum(const void *data, size_t len)
{
    const uint8_t *bytes = data;
    uint32_t sum = 0;

    for (size_t i = 0; i + 1 < len; i += 2)
        sum += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return htons((uint16_t)~sum);
}

/* The transport header; returns its length. */
static size_t make_transport(const struct classify_header *header, unsigned char *at)
{
    memset(at, 0, 20);
    if (header->protocol == IPPROTO_TCP) {
        struct tcphdr tcp = {.source = htons(header->source_port),
                             .dest = htons(header->destination_port),
                             .doff = 5,
                             .syn = 1,
                             .window = htons(1024)};

        memcpy(at, &tcp, sizeof(tcp));
        return sizeof(tcp);
    }
    if (header->protocol == IPPROTO_UDP) {
        struct udphdr udp = {.source = htons(header->source_port),
                             .dest = htons(header->destination_port),
                             .len = htons(sizeof(udp))};

        memcpy(at, &udp, sizeof(udp));
        return sizeof(udp);
    }
    at[0] = (unsigned char)(header->destination_port >> 8);
    at[1] = (unsigned char)header->destination_port;
    return 8;
}

static size_t make_packet(const struct lab *lab, const struct classify_header *header,
                          unsigned char packet[128])
{
    bool four = header->family == AF_INET;
    size_t l3 = four ? sizeof(struct iphdr) : sizeof(struct ip6_hdr);
    size_t l4 = make_transport(header, packet + 14 + l3);

    memcpy(packet, lab->mac[header->zone_from], 6);
    memset(packet + 6, 2, 6);
    packet[12] = four ? 0x08 : 0x86;
    packet[13] = four ? 0x00 : 0xdd;
    if (four) {
        struct iphdr ip = {.version = 4,
                           .ihl = 5,
                           .ttl = 64,
                           .protocol = header->protocol,
                           .tot_len = htons((uint16_t)(l3 + l4))};

        memcpy(&ip.saddr, header->source, 4);
        memcpy(&ip.daddr, header->destination, 4);
        ip.check = checksum(&ip, sizeof(ip));
        memcpy(packet + 14, &ip, l3);
    } else {
        struct ip6_hdr ip = {.ip6_flow = htonl(6u << 28),
                             .ip6_plen = htons((uint16_t)l4),
                             .ip6_nxt = header->protocol,
                             .ip6_hlim = 64};

        memcpy(&ip.ip6_src, header->source, 16);
        memcpy(&ip.ip6_dst, header->destination, 16);
        memcpy(packet + 14, &ip, l3);
    }
    return 14 + l3 + l4;
}

/* Whether the kernel forwards such a packet at all and conntrack calls it new. */
static bool can_travel(const struct classify_header *header)
{
    const uint8_t *source = header->source, *destination = header->destination;
    bool four = header->family == AF_INET;
    bool unicast = four ? source[0] > 0 && source[0] < 224 && source[0] != 127 &&
                              destination[0] > 0 && destination[0] < 224 && destination[0] != 127
                        : (source[0] & 0xe0) == 0x20 && (destination[0] & 0xe0) == 0x20;

    if (header->protocol == (four ? IPPROTO_ICMP : IPPROTO_ICMPV6))
        return unicast && header->destination_port == (four ? 8 << 8 : 128 << 8);
    return unicast && (header->protocol == IPPROTO_TCP || header->protocol == IPPROTO_UDP);
}

/* A reply to an earlier packet would be established, not new. */
static bool answers(const struct classify_header *a, const struct classify_header *b)
{
    return a->family == b->family && a->protocol == b->protocol &&
           !memcmp(a->source, b->destination, 16) && !memcmp(a->destination, b->source, 16);
}

static bool choose(const struct lab *lab, const struct policy *policy, struct random *random,
                   uint8_t zone_to, struct classify_header *header)
{
    for (unsigned attempt = 0; attempt < 200; attempt++) {
        bool answer = false;

        policies_header(policy, random, header);
        if (header->zone_from >= ZONES)
            header->zone_from = 0;
        header->zone_to = zone_to;
        for (unsigned i = 0; i < lab->earlier_count && !answer; i++)
            answer = answers(header, &lab->earlier[i]);
        if (can_travel(header) && !answer)
            return true;
    }
    return false;
}

/* Reads all counters; returns their sum, by rule index in values. */
static uint64_t read_counters(const struct policy *policy, uint64_t *values)
{
    AUTO(tally_list) struct tally_list list = {0};
    const struct tally *rest;
    struct orb_err err = {0};
    uint64_t sum;

    if (tally_read(&list, &err) < 0) {
        printf("not ok - %s\n", err.text);
        exit(1);
    }
    rest = tally_find(&list, ABI_MARK_FORWARD);
    sum = values[policy->rule_count] = rest ? rest->packets : 0;
    for (unsigned i = 0; i < policy->rule_count; i++) {
        const struct tally *found = tally_find(&list, policy->rules[i].id);

        values[i] = found ? found->packets : 0;
        sum += values[i];
    }
    return sum;
}

/* The rule that decides about a packet, where first is what the classifier finds: that one, unless
 * it matches what is not looked up. Then the fast path leaves the packet to the kernel. */
static int decides(struct lab *lab, const struct policy *policy,
                   const struct classify_header *header, int first)
{
    int rule = 0;

    while (rule < (int)policy->rule_count &&
           !(classify_linear_matches(policy, &policy->rules[rule], header) &&
             policies_asks(&policy->rules[rule], header)))
        rule++;
    if (rule == (int)policy->rule_count)
        rule = -1;
    if (first != rule && (first < 0 || !policy_rule_unsure(&policy->rules[first]))) {
        printf("# the fast path would be sure of rule index %d, not %d\n", first, rule);
        lab->failures++;
    }
    return rule;
}

static void send_packets(struct lab *lab, const struct policy *policy, struct random *random,
                         uint8_t zone_to, const void *blob, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct classify_header *header = &lab->earlier[lab->earlier_count];
        struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_halen = 6};
        unsigned char packet[128];
        size_t len;
        int rule;

        if (lab->earlier_count == MAX_PACKETS || !choose(lab, policy, random, zone_to, header))
            return;
        lab->earlier_count++;
        rule = classify_linear(policy, header);
        if (classify_lookup(blob, CLASSIFY_BLOB_BYTES, header) != rule) {
            printf("# look-up and policy differ\n");
            lab->failures++;
        }
        rule = decides(lab, policy, header, rule);
        len = make_packet(lab, header, packet);
        to.sll_ifindex = lab->peer[header->zone_from];
        if (sendto(lab->socket, packet, len, 0, (struct sockaddr *)&to, sizeof(to)) != (ssize_t)len)
            stop("send");
        lab->expected[rule < 0 ? (int)policy->rule_count : rule]++;
        lab->sent++;
    }
}

/* Packets are in the kernel's backlog for an instant after send. */
static void compare(struct lab *lab, const struct policy *policy, unsigned number)
{
    AUTO_FREE uint64_t *counted = xcalloc(policy->rule_count + 1, sizeof(*counted));
    uint64_t deadline = now_ms() + WAIT_MS, sum;
    unsigned hit = 0;

    do
        sum = read_counters(policy, counted);
    while (sum < lab->sent && now_ms() < deadline);
    for (unsigned i = 0; i <= policy->rule_count; i++) {
        hit += counted[i] != 0;
        if (counted[i] == lab->expected[i])
            continue;
        lab->failures++;
        printf("# policy %u, rule %u: nft counted %llu, the policy specifies %llu\n", number,
               i < policy->rule_count ? policy->rules[i].id : 0, (unsigned long long)counted[i],
               (unsigned long long)lab->expected[i]);
    }
    printf("# policy %u: %u rules, %llu packets, %u counters hit\n", number, policy->rule_count,
           (unsigned long long)lab->sent, hit);
    lab->hit += hit;
}

static void load(const struct policy *policy)
{
    AUTO(buf) struct buf text = {0};
    FILE *pipe = popen("nft -f -", "w");

    nft_change_policy(policy, NULL, 1, &text);
    if (!pipe || fwrite(text.data, 1, text.len, pipe) != text.len || pclose(pipe) != 0)
        stop("nft -f");
}

/* number: of the policy, which has its shape; seed: of its random numbers. */
static void try_policy(struct lab *lab, unsigned number, uint64_t seed, unsigned rules, void *blob)
{
    struct policies_shape shape = {
        .rules = rules, .zones = number % 3, .six = number % 2, .more = number > 8};
    struct random random = {seed + number};
    AUTO(policy) struct policy policy;
    struct orb_err err = {0};

    policies_random(&policy, &shape, &random);
    /* Long runs of one zone pair are printed as a chain of their own. */
    for (unsigned i = 0; shape.zones && rules >= 400 && i < rules; i++) {
        memcpy(policy.rules[i].from, policy.rules[i - i % 80].from, POLICY_NAME);
        memcpy(policy.rules[i].to, policy.rules[i - i % 80].to, POLICY_NAME);
    }
    policy.defaults.forward = number % 4 ? POLICY_DROP : POLICY_ACCEPT;
    if (classify_build(&policy, blob, CLASSIFY_BLOB_BYTES, NULL, &err) < 0) {
        printf("not ok - %s\n", err.text);
        exit(1);
    }
    load(&policy);
    lab->expected = xcalloc(rules + 1, sizeof(*lab->expected));
    lab->sent = 0;
    for (uint8_t zone = 0; zone < ZONES; zone++) {
        command("ip route replace default dev %s && ip -6 route replace default dev %s",
                interfaces[zone], interfaces[zone]);
        send_packets(lab, &policy, &random, zone, blob, 100);
    }
    compare(lab, &policy, number);
    free(take_ptr(lab->expected));
}

int main(void)
{
    AUTO_FREE void *blob = xcalloc(1, CLASSIFY_BLOB_BYTES);
    struct lab lab = {0};
    uint64_t seed;

    if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0) {
        printf("# SKIP: no root, no network namespace\n");
        return 77;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    lab.earlier = xcalloc(MAX_PACKETS, sizeof(*lab.earlier));
    lab_init(&lab);
    seed = harness_seed();
    for (unsigned i = 1; i <= 8; i++)
        try_policy(&lab, i, seed, i <= 3 ? 8 : i <= 6 ? 60 : 400, blob);
    for (unsigned i = 9; i <= 14; i++) /* rules that ask for more */
        try_policy(&lab, i, seed, i <= 10 ? 20 : i <= 12 ? 80 : 300, blob);
    close(lab.socket);
    free(lab.earlier);
    if (lab.hit < HIT_LEAST) {
        printf("# %u counters were hit, too few for this to mean anything\n", lab.hit);
        lab.failures++;
    }
    printf(lab.failures ? "not ok - %llu differences\n" : "ok - no differences\n",
           (unsigned long long)lab.failures);
    return lab.failures != 0;
}
