/* Compiles a policy offline: the classifier's data, compared with the rules themselves, and a check
 * of the text by nftables. Nothing is in force yet. */
#include "dataplane/dataplane_compile.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include <bpf/bpf.h>

#include "bpf/classify.h"
#include "core/base/json_write.h"
#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/dataplane_internal.h"
#include "dataplane/doing.h"
#include "dataplane/hint.h"
#include "dataplane/nft.h"
#include "dataplane/port.h"
#include "dataplane/rules.h"
#include "dataplane/slots.h"

#define SELF_CHECKS_MIN 64
#define SELF_CHECKS_MAX 512
#define SELF_CHECK_WORK 1000000 /* rules compared in all: some ten milliseconds */
#define SELF_CHECKS_LESS 16     /* where the conditions are those of the policy before, which was */
#define SELF_CHECK_LESS 100000  /* checked then */

void dataplane_compile_free(struct dataplane_compiled *compiled)
{
    if (!compiled)
        return;
    if (compiled->memory)
        munmap(compiled->memory, CLASSIFY_BLOB_BYTES);
    if (compiled->inner >= 0)
        close(compiled->inner);
    nft_text_fini(&compiled->chains);
    policy_fini(&compiled->policy);
    free(compiled);
}

void dataplane_compile_spare(struct dataplane *dp, struct dataplane_compiled *compiled)
{
    if (!compiled || !compiled->memory || (compiled->inner >= 0) != (dp->programs != NULL)) {
        dataplane_compile_free(compiled);
        return;
    }
    nft_text_fini(&compiled->chains);
    policy_fini(&compiled->policy);
    dataplane_compile_free(dp->spare);
    dp->spare = compiled;
}

static bool take_spare(struct dataplane *dp, struct dataplane_compiled *compiled)
{
    AUTO(dataplane_compiled) struct dataplane_compiled *spare = take_ptr(dp->spare);

    if (!spare || (spare->inner >= 0) != (dp->programs != NULL))
        return false;
    compiled->inner = spare->inner;
    compiled->memory = spare->memory;
    spare->inner = -1;
    spare->memory = NULL;
    return true;
}

/* Without fast path the data is still wanted, for flows_purge. */
static int make_memory(struct dataplane *dp, struct dataplane_compiled *compiled,
                       struct orb_err *err)
{
    LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;

    if (take_spare(dp, compiled))
        return 0;
    if (dp->programs) {
        compiled->inner =
            bpf_map_create(BPF_MAP_TYPE_ARRAY, "policy", 4, CLASSIFY_BLOB_BYTES, 1, &options);
        if (compiled->inner < 0)
            return orb_fail(err, compiled->inner, "making a map of %u bytes for the rules",
                            CLASSIFY_BLOB_BYTES);
        flags = MAP_SHARED;
    }
    compiled->memory =
        mmap(NULL, CLASSIFY_BLOB_BYTES, PROT_READ | PROT_WRITE, flags, compiled->inner, 0);
    if (compiled->memory == MAP_FAILED) {
        compiled->memory = NULL;
        return orb_fail(err, -errno, "memory for the rules");
    }
    return 0;
}

/* One header: near a rule half of the time, else anywhere. */
static void random_header(const struct policy *policy, const uint32_t random[12],
                          struct classify_header *header)
{
    bool track = policy->notrack_count && (random[0] & 16);
    unsigned count = track ? policy->notrack_count : policy->rule_count;
    const struct policy_rule *rule = NULL;

    memset(header, 0, sizeof(*header));
    header->family = random[0] & 1 ? AF_INET : AF_INET6;
    memcpy(header->source, &random[1], header->family == AF_INET ? 4 : 16);
    memcpy(header->destination, &random[5], header->family == AF_INET ? 4 : 16);
    header->protocol = random[0] & 2 ? IPPROTO_TCP : random[0] & 4 ? IPPROTO_UDP : random[9] & 255;
    header->source_port = (uint16_t)random[10];
    header->destination_port = (uint16_t)(random[10] >> 16);
    header->zone_from = (uint8_t)(random[11] % (policy->zone_count + 1));
    header->zone_to = (uint8_t)((random[11] >> 16) % (policy->zone_count + 1));
    if ((random[0] & 8) || !count)
        return;
    rule = (track ? policy->notracks : policy->rules) + random[9] % count;
    if (rule->source_count && rule->sources[0].family == header->family)
        memcpy(header->source, rule->sources[0].lo, 16);
    if (rule->destination_count && rule->destinations[0].family == header->family)
        memcpy(header->destination, rule->destinations[0].hi, 16);
    if (rule->protocol == POLICY_TCP_UDP)
        header->protocol = random[0] & 4 ? IPPROTO_TCP : IPPROTO_UDP;
    else if (rule->protocol >= 0)
        header->protocol = (uint8_t)rule->protocol;
    if (rule->destination_port_count)
        header->destination_port = rule->destination_ports[0].lo;
}

/* Where there is no room for large groups, their rules are found for other addresses, too. */
static bool is_coarse(const struct dataplane_compiled *compiled, bool track, int found)
{
    const struct classify_head *head = compiled->memory;
    const struct policy *policy = &compiled->policy;
    const struct policy_rule *rule = found < 0 ? NULL
                                     : track   ? &policy->notracks[found]
                                               : &policy->rules[found];

    return head->coarse && rule && (rule->source_group || rule->destination_group);
}

/* The data is used only if it gives the same results as the rules. */
static int self_check(const struct dataplane_compiled *compiled, struct orb_err *err)
{
    unsigned checks =
        (compiled->derived ? SELF_CHECK_LESS : SELF_CHECK_WORK) / (compiled->policy.rule_count + 1);
    const struct classify_head *head = compiled->memory;
    bool known = head->table[CLASSIFY_KNOWN].rules || head->table[CLASSIFY_KNOWN + 1].rules;

    if (checks < SELF_CHECKS_MIN)
        checks = compiled->derived ? SELF_CHECKS_LESS : SELF_CHECKS_MIN;
    for (unsigned i = 0; i < checks && i < SELF_CHECKS_MAX; i++) {
        struct classify_header header;
        uint32_t random[12];
        int is[3], should[3];

        if (getrandom(random, sizeof(random), 0) != sizeof(random))
            return orb_fail(err, -errno, "no random numbers");
        random_header(&compiled->policy, random, &header);
        is[0] = classify_lookup(compiled->memory, CLASSIFY_BLOB_BYTES, &header);
        should[0] = classify_linear(&compiled->policy, &header);
        is[1] = classify_lookup_known(compiled->memory, CLASSIFY_BLOB_BYTES, &header);
        should[1] = known ? classify_linear_known(&compiled->policy, &header) : -1;
        is[2] = classify_lookup_track(compiled->memory, CLASSIFY_BLOB_BYTES, &header);
        should[2] = classify_linear_track(&compiled->policy, &header);
        for (int k = 0; k < 3; k++)
            if (is[k] != should[k] && !is_coarse(compiled, k == 2, is[k]))
                return orb_fail(err, ORB_E_INTERNAL,
                                "the compiled rules disagree with the rules (entry %d instead of "
                                "%d)",
                                is[k], should[k]);
    }
    return 0;
}

/* before: the policy in force, NULL: unknown. */
static int build(const struct dataplane_compiled *before, struct dataplane_compiled *compiled,
                 struct orb_err *err)
{
    if (before && before->memory) {
        compiled->stats = before->stats;
        compiled->derived = classify_again(&compiled->policy, compiled->memory, &before->policy,
                                           before->memory, &compiled->stats);
    }
    return compiled->derived ? 0
                             : classify_build(&compiled->policy, compiled->memory,
                                              CLASSIFY_BLOB_BYTES, &compiled->stats, err);
}

uint32_t dataplane_compile_lap(uint64_t *start)
{
    uint64_t now = now_ms(), took = now - *start;

    *start = now;
    return (uint32_t)took;
}

int dataplane_compile(struct dataplane *dataplane, const struct policy *policy,
                      struct dataplane_compiled **ret_compiled, struct orb_err *err)
{
    AUTO(dataplane_compiled) struct dataplane_compiled *compiled = xcalloc(1, sizeof(*compiled));
    AUTO(tally_list) struct tally_list carried = {0};
    uint64_t start = now_ms();
    int r;

    compiled->inner = -1;
    policy_init(&compiled->policy);
    doing_set(dataplane, "building the classifier", 0);
    r = policy_check(policy, err);
    if (!r)
        r = policy_copy(policy, &compiled->policy);
    if (!r)
        r = make_memory(dataplane, compiled, err);
    if (!r)
        r = build(dataplane->current, compiled, err);
    if (!r)
        doing_set(dataplane, "comparing the classifier with the rules", 20);
    if (!r)
        r = self_check(compiled, err);
    if (r < 0)
        return r;
    shadow_find(&compiled->policy, compiled->memory,
                dataplane->current ? &dataplane->current->policy : NULL, &compiled->shadows);
    doing_set(dataplane, "checking the rules with nftables", 30);
    slot_number(dataplane, compiled);
    port_prepare(dataplane, &compiled->policy);
    compiled->times.build_ms = dataplane_compile_lap(&start);
    nft_chains(&compiled->policy, dataplane->current ? &dataplane->current->chains : NULL,
               hint_slots(dataplane, compiled), &compiled->chains);
    rules_number(&compiled->chains);
    r = rules_change(dataplane, &compiled->chains, dataplane->generation + 1, &carried,
                     &compiled->nft_bytes, true, err);
    if (r < 0)
        return r;
    compiled->times.trial_ms = dataplane_compile_lap(&start);
    *ret_compiled = take_ptr(compiled);
    return 0;
}

static void write_shadows(struct json_write *w, const struct shadow_list *list)
{
    json_write_array(w, "shadowed");
    for (unsigned i = 0; i < list->count; i++) {
        json_write_object(w, NULL);
        json_write_integer(w, "rule", list->items[i].rule);
        json_write_integer(w, "by", list->items[i].by);
        json_write_end(w);
    }
    json_write_end(w);
    if (list->more)
        json_write_integer(w, "shadowed-more", list->more);
}

void dataplane_compile_describe(const struct dataplane_compiled *compiled, struct buf *ret_json)
{
    struct json_write w = json_write_to(ret_json);

    json_write_object(&w, NULL);
    json_write_integer(&w, "rules", compiled->policy.rule_count);
    json_write_integer(&w, "nft-bytes", (int64_t)compiled->nft_bytes);
    json_write_integer(&w, "classes", compiled->stats.classes);
    if (compiled->shadows.count)
        write_shadows(&w, &compiled->shadows);
    json_write_end(&w);
}
