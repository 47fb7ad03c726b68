/* Looking the classifier's data up in user space, with the very text the BPF programs compile. */
#include <arpa/inet.h>
#include <endian.h>
#include <string.h>

#include "bpf/classify.bpf.h"
#include "dataplane/classify.h"

static int look(const void *memory, size_t size, uint32_t list,
                const struct classify_header *header)
{
    struct classify_rule rule;
    uint32_t slot;

    if (size < sizeof(struct classify_head))
        return -1;
    if (header->family == AF_INET) {
        struct classify_key4 key = {.source_port = header->source_port,
                                    .destination_port = header->destination_port,
                                    .protocol = header->protocol,
                                    .zone_from = header->zone_from,
                                    .zone_to = header->zone_to};

        memcpy(&key.source, header->source, 4);
        memcpy(&key.destination, header->destination, 4);
        key.source = ntohl(key.source);
        key.destination = ntohl(key.destination);
        slot = classify4(memory, list, &key);
    } else {
        struct classify_key6 key = {.source_port = header->source_port,
                                    .destination_port = header->destination_port,
                                    .protocol = header->protocol,
                                    .zone_from = header->zone_from,
                                    .zone_to = header->zone_to};
        uint64_t halves[4];

        memcpy(halves, header->source, 16);
        memcpy(halves + 2, header->destination, 16);
        key.source_hi = be64toh(halves[0]);
        key.source_lo = be64toh(halves[1]);
        key.destination_hi = be64toh(halves[2]);
        key.destination_lo = be64toh(halves[3]);
        slot = classify6(memory, list, &key);
    }
    return classify_rule(memory, slot, &rule) ? (int)rule.index : -1;
}

int classify_lookup(const void *memory, size_t size, const struct classify_header *header)
{
    return look(memory, size, CLASSIFY_NEW, header);
}

int classify_lookup_known(const void *memory, size_t size, const struct classify_header *header)
{
    return look(memory, size, CLASSIFY_KNOWN, header);
}

int classify_lookup_track(const void *memory, size_t size, const struct classify_header *header)
{
    return look(memory, size, CLASSIFY_TRACK, header);
}
