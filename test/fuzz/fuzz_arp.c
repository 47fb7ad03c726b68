/* ARP packets about the appliance's addresses, from a packet socket that returns anything: the
 * filter in the kernel is not relied on. Datagrams: {length, number of the link,
 * bytes}; a length of 255 is an error of the socket.
 *
 * Reading ends in time. A claim comes from a complete packet for Ethernet and IPv4, in order, on
 * its link; no packet makes two, and none that makes one is skipped. */
#include <errno.h>
#include <linux/if_packet.h>
#include <netinet/if_ether.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "core/host/arp_packet.h"
#include "test/fuzz/bounds.h"

#define MOST_MS 20.0
#define ERROR 255
#define FD 1000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is left of the input for the socket, and for the second reading. */
struct input {
    const uint8_t *p;
    size_t left;
};

static struct input socket_input;

/* false: there is no more. */
static bool next(struct input *in, const uint8_t **ret_packet, size_t *ret_len, int *ret_link)
{
    if (in->left < 2)
        return false;
    *ret_len = in->p[0];
    *ret_link = in->p[1];
    *ret_packet = in->p + 2;
    in->p += 2;
    in->left -= 2;
    if (*ret_len == ERROR)
        return true;
    if (*ret_len > in->left)
        *ret_len = in->left;
    in->p += *ret_len;
    in->left -= *ret_len;
    return true;
}

ssize_t recvfrom(int fd, void *to, size_t room, int flags, struct sockaddr *from,
                 socklen_t *from_len)
{
    struct sockaddr_ll link = {.sll_family = AF_PACKET};
    const uint8_t *packet;
    size_t len;

    must(fd == FD && *from_len >= sizeof(link), "another socket, or no room for the sender");
    if (!next(&socket_input, &packet, &len, &link.sll_ifindex)) {
        errno = EAGAIN;
        return -1;
    }
    if (len == ERROR) {
        errno = ENETDOWN;
        return -1;
    }
    len = len < room ? len : room;
    memcpy(to, packet, len);
    memcpy(from, &link, sizeof(link));
    *from_len = sizeof(link);
    return (ssize_t)len;
}

/* The second reading, by the layout of RFC 826: lengths at 4 and 5, sender's MAC at 8, address at
 * 14. 1: the next claim, 0: none is left, below 0: an error comes first. */
static int expected(struct input *in, struct arp_claim *ret_claim)
{
    const uint8_t *p;
    size_t len;
    int link;

    while (next(in, &p, &len, &link)) {
        if (len == ERROR)
            return -ENETDOWN;
        if (len < 28 || p[4] != 6 || p[5] != 4)
            continue;
        ret_claim->index = link;
        memcpy(ret_claim->mac, p + 8, 6);
        memcpy(&ret_claim->address, p + 14, 4);
        return 1;
    }
    return 0;
}

static bool same(const struct arp_claim *a, const struct arp_claim *b)
{
    return a->index == b->index && a->address.s_addr == b->address.s_addr &&
           memcmp(a->mac, b->mac, 6) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input second = {data, size};
    double before = cpu_ms();
    size_t claims = 0;

    socket_input = second;
    for (;;) {
        struct arp_claim claim = {0}, want = {0};
        size_t left = socket_input.left;
        int r = arp_packet_read(FD, &claim), w;

        if (r == 0 && left != socket_input.left && socket_input.left >= 2)
            continue; /* it passed over many, and looks again in its next turn */
        w = expected(&second, &want);
        must(r == w, "a claim, or an error, that was not made or that was passed over");
        if (r == 0)
            break;
        must(r < 0 || same(&claim, &want), "a claim that was not made");
        claims += r > 0;
    }
    must_fit(claims, 0, 1, size / 30);
    must_end(before, MOST_MS, size);
    return 0;
}
