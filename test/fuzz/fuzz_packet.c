/* The parser of the fast path on arbitrary frames, compiled for user space. A packet that it
 * accepts must have what the programs assume: headers within the frame, lengths that fit. The
 * frame's end is the end of its allocation, so that the sanitizer detects every byte beyond it;
 * its start is 2 past a word, as cards place it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/parse.bpf.h"
#include "test/fuzz/bounds.h"

#define MOST_MS 50.0

#define FRAME_MAX 65550

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

static int one(const uint8_t *data, size_t size)
{
    struct packet p;
    uint8_t *memory, *frame;
    size_t ip, l4;
    enum parse_result result;

    if (size > FRAME_MAX)
        return 0;
    memory = malloc(size + 2);
    require(memory != NULL);
    frame = memory + 2;
    memcpy(frame, data, size);
    result = parse_packet(&p, frame, frame + size, (uint32_t)size);
    if (result != PARSE_OTHER) {
        ip = result == PARSE_IP4 ? 20 : 40;
        l4 = p.protocol == PARSE_TCP ? 20 : 8;
        require((uint8_t *)p.l4 == frame + 14 + ip);
        require(14 + ip + l4 <= size && (size_t)p.length + 14 <= size);
        require(p.length >= ip + l4);
        must_fit(p.length, 0, 1, size);
        require(p.segment_head >= ip + l4 && p.segment_head <= p.length);
        require(result == PARSE_IP4 ? p.ip4->ttl > 1 && !p.ip6 : p.ip6->hop_limit > 1 && !p.ip4);
    }
    free(memory);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    double before = cpu_ms();

    one(data, size);
    must_end(before, MOST_MS, size);
    return 0;
}
