/* policy_put on arbitrary text. What it takes must survive everything that is done with a policy:
 * copying, checking, printing as nftables text, compiling; and what is compiled must mean the same
 * as the policy read rule by rule. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/classify.h"
#include "core/base/own.h"
#include "dataplane/classify.h"
#include "test/fuzz/bounds.h"

#define MOST_MS 4000.0

static size_t made; /* bytes of output */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BLOB (8u << 20)

/* The i-th boundary of the rule: its first or last addresses and ports. */
static void aim(const struct policy_rule *rule, unsigned i, struct classify_header *header)
{
    *header =
        (struct classify_header){.family = i & 1 ? AF_INET : AF_INET6,
                                 .protocol = (uint8_t)(rule->protocol < 0 ? 6 : rule->protocol),
                                 .zone_from = 1,
                                 .zone_to = (uint8_t)(i & 2)};
    if (rule->source_count)
        memcpy(header->source, i & 4 ? rule->sources[0].lo : rule->sources[0].hi, 16);
    if (rule->destination_count)
        memcpy(header->destination, i & 8 ? rule->destinations[0].lo : rule->destinations[0].hi,
               16);
    if (rule->destination_port_count)
        header->destination_port = rule->destination_ports[0].hi;
    if (rule->icmp_type >= 0)
        header->destination_port = (uint16_t)(rule->icmp_type << 8);
}

static void compile(const struct policy *policy)
{
    AUTO_FREE void *blob = malloc(BLOB); /* not zeroed: nothing may depend on that */

    if (!blob || classify_build(policy, blob, BLOB, NULL, NULL) < 0)
        return;
    for (unsigned k = 0; k < policy->rule_count && k < 20; k++)
        for (unsigned i = 0; i < 16; i++) {
            struct classify_header header;

            aim(&policy->rules[k], i, &header);
            if (classify_lookup(blob, BLOB, &header) != classify_linear(policy, &header))
                abort();
        }
}

static int one(const uint8_t *data, size_t size)
{
    static const char first[] =
        "{\"zones\":{\"lan\":{\"interfaces\":[\"l0\"]},\"wan\":{\"interfaces\":[\"w0\",\"w1\"]}},"
        "\"rules\":{\"10\":{\"from\":\"lan\",\"action\":\"accept\"}}}";
    AUTO(policy) struct policy policy, copy;
    AUTO(buf) struct buf text = {0};
    struct orb_err err = {0};

    policy_init(&policy);
    policy_init(&copy);
    if (policy_put(&policy, first, strlen(first), &err) < 0 || policy_copy(&policy, &copy) < 0)
        abort();
    if (policy_put(&policy, (const char *)data, size, &err) < 0) {
        if (!err.code || !*err.text)
            abort();
        return 0;
    }
    if (policy_check(&policy, &err) < 0)
        return 0;
    nft_change_policy(&policy, NULL, 1, &text);
    nft_change_policy(&policy, &copy, 2, &text);
    made = text.len;
    if (policy.rule_count)
        compile(&policy);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    double before = cpu_ms();

    made = 0;
    one(data, size);
    must_fit(made, 65536, 512, size);
    must_end(before, MOST_MS, size);
    return 0;
}
