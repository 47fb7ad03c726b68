/* The same look-up in the kernel: every verdict of the BPF half over a trace equals the linear
 * search. Also prints what it costs (BPF_PROG_TEST_RUN, so no claim about whole packets). */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <endian.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "bpf/classify.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "test/lib/harness.h"
#include "test/unit/dataplane/classify_test.skel.h"
#include "test/unit/dataplane/policies.h"

#define TRACE 16384

__attribute__((constructor)) static void skip_without_root(void)
{
    if (geteuid() == 0)
        return;
    puts("1..0 # SKIP not root: BPF programs cannot be loaded");
    exit(0);
}

struct lab {
    struct classify_test *skeleton;
    void *blob;
    struct classify_key6 *trace;
    uint64_t *results;
};

static void *map_memory(struct bpf_map *map, size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

    ck_assert_msg(memory != MAP_FAILED, "mmap of a map: %m");
    return memory;
}

static void lab_init(struct lab *lab)
{
    libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
    lab->skeleton = classify_test__open_and_load();
    ck_assert_msg(lab->skeleton, "the programs do not load: %m");
    lab->blob = map_memory(lab->skeleton->maps.blob, CLASSIFY_BLOB_BYTES);
    lab->trace = map_memory(lab->skeleton->maps.trace, TRACE * sizeof(*lab->trace));
    lab->results = map_memory(lab->skeleton->maps.results, TRACE * sizeof(*lab->results));
}

static void lab_fini(struct lab *lab)
{
    munmap(lab->blob, CLASSIFY_BLOB_BYTES);
    munmap(lab->trace, TRACE * sizeof(*lab->trace));
    munmap(lab->results, TRACE * sizeof(*lab->results));
    classify_test__destroy(lab->skeleton);
}

static unsigned run(struct lab *lab, struct bpf_program *program, unsigned repeat)
{
    unsigned char packet[64] = {0};
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet, .data_size_in = sizeof(packet),
                .repeat = (int)repeat);

    lab->skeleton->bss->next = 0;
    ck_assert_msg(bpf_prog_test_run_opts(bpf_program__fd(program), &options) == 0, "run: %m");
    ck_assert_uint_eq(options.retval, 2);
    return options.duration;
}

static void set_key(struct classify_key6 *key, const struct classify_header *header)
{
    uint64_t halves[4] = {0};
    uint32_t four;

    *key = (struct classify_key6){.source_port = header->source_port,
                                  .destination_port = header->destination_port,
                                  .protocol = header->protocol,
                                  .zone_from = header->zone_from,
                                  .zone_to = header->zone_to};
    if (header->family == AF_INET) {
        memcpy(&four, header->source, 4);
        key->source_lo = ntohl(four);
        memcpy(&four, header->destination, 4);
        key->destination_lo = ntohl(four);
        return;
    }
    memcpy(halves, header->source, 16);
    memcpy(halves + 2, header->destination, 16);
    key->source_hi = be64toh(halves[0]);
    key->source_lo = be64toh(halves[1]);
    key->destination_hi = be64toh(halves[2]);
    key->destination_lo = be64toh(halves[3]);
}

static uint64_t wanted(const struct policy *policy, const struct classify_header *header)
{
    int index = classify_linear(policy, header);
    const struct policy_rule *rule;

    if (index < 0)
        return UINT64_MAX;
    rule = &policy->rules[index];
    return (uint64_t)rule->id << 8 | (unsigned)rule->action << 4 |
           (policy_rule_unsure(rule) ? CLASSIFY_UNSURE : 0) | (rule->log ? CLASSIFY_LOG : 0);
}

static void compare(struct lab *lab, const struct policy *policy, int family, unsigned points,
                    struct random *random)
{
    struct classify_test *s = lab->skeleton;
    struct bpf_program *program = family == AF_INET ? s->progs.four : s->progs.six;
    AUTO_FREE uint64_t *expected = xcalloc(points, sizeof(*expected));
    unsigned hits = 0, cost, nothing;

    for (unsigned i = 0; i < points;) {
        struct classify_header header;

        policies_header(policy, random, &header);
        if (header.family != family)
            continue;
        set_key(&lab->trace[i], &header);
        expected[i] = wanted(policy, &header);
        hits += expected[i] != UINT64_MAX;
        lab->results[i++] = 12345;
    }
    s->data->mask = points - 1;
    run(lab, program, points);
    for (unsigned i = 0; i < points; i++)
        ck_assert_msg(lab->results[i] == expected[i], "point %u: %#llx, the policy specifies %#llx",
                      i, (unsigned long long)lab->results[i], (unsigned long long)expected[i]);
    nothing = run(lab, s->progs.nothing, 20000);
    cost = run(lab, program, 20000);
    printf("# IPv%d, %u rules, %u points, %u hits: %u ns a look-up\n", family == AF_INET ? 4 : 6,
           policy->rule_count, points, hits, cost > nothing ? cost - nothing : 0);
}

static void policies(unsigned rules, unsigned points)
{
    struct lab lab;

    lab_init(&lab);
    for (unsigned round = 0; round < 4; round++) {
        struct random random = {rules + round * 7 + 1};
        struct policies_shape shape = {.rules = rules, .zones = round & 1, .six = round & 2};
        AUTO(policy) struct policy policy;
        struct orb_err err = {0};

        policies_random(&policy, &shape, &random);
        for (unsigned i = 0; i < rules; i += 7)
            policy.rules[i].log = true;
        for (unsigned i = 0; i < rules; i += 11)
            policy.rules[i].limited = true;
        ck_assert_msg(classify_build(&policy, lab.blob, CLASSIFY_BLOB_BYTES, NULL, &err) == 0, "%s",
                      err.text);
        compare(&lab, &policy, AF_INET, points, &random);
        if (shape.six)
            compare(&lab, &policy, AF_INET6, points, &random);
    }
    lab_fini(&lab);
}

TEST(the_kernel_finds_what_a_hundred_rules_say)
{
    policies(100, TRACE);
}

TEST(the_kernel_finds_what_a_thousand_rules_say)
{
    policies(1000, 4096);
}

TEST(the_kernel_finds_what_ten_thousand_rules_say)
{
    policies(10000, 1024);
}
