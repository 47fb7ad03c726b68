/* The text of the ruleset is loaded by the real nft, in a network namespace that ends with the
 * test. */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "bpf/abi.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/nft.h"
#include "dataplane/nft_same.h"
#include "test/lib/harness.h"
#include "test/unit/dataplane/nft_run.h"
#include "test/unit/dataplane/policies.h"

static const char rich[] =
    "{\"zones\":{\"lan\":{\"interfaces\":[\"lan0\"],\"mss-clamp\":1400},"
    "\"wan\":{\"interfaces\":[\"wan0\",\"wan1\"],\"mss-clamp\":\"pmtu\"},\"empty\":{}},"
    "\"default\":{\"forward\":\"reject\",\"input\":\"drop\",\"output\":\"accept\","
    "\"log\":[\"forward\",\"input\"],\"log-limit\":{\"rate\":10,\"burst\":20}},"
    "\"rules\":{\"10\":{\"from\":\"lan\",\"to\":\"wan\",\"protocol\":\"tcp\","
    "\"source\":[\"10.1.0.0/24\",\"10.1.1.0/24\",\"10.3.0.1-10.3.0.77\",\"2001:db8::/32\"],"
    "\"source-ports\":[\"1024-65535\"],\"destination-ports\":[\"80\",\"443\",\"444-450\"],"
    "\"action\":\"accept\"},"
    "\"11\":{\"from\":\"lan\",\"to\":\"wan\",\"protocol\":\"icmp\",\"icmp-type\":\"echo-request\","
    "\"action\":\"accept\",\"log\":true,\"limit\":{\"rate\":10,\"per\":\"minute\",\"burst\":20}},"
    "\"12\":{\"from\":\"lan\",\"to\":\"wan\",\"protocol\":\"icmpv6\",\"icmp-type\":\"1/4\","
    "\"action\":\"reject\"},\"13\":{\"action\":\"reject\",\"limit\":{\"rate\":3}},"
    "\"14\":{\"from\":\"local\",\"to\":\"wan\",\"action\":\"accept\"},"
    "\"15\":{\"from\":\"wan\",\"to\":\"local\",\"protocol\":\"udp\","
    "\"destination-ports\":[\"53\"],\"action\":\"reject\"},"
    "\"16\":{\"from\":\"empty\",\"action\":\"drop\"},"
    "\"17\":{\"protocol\":\"47\",\"source\":[\"0.0.0.0/0\"],"
    "\"destination\":[\"1.2.3.4\",\"1.2.3.9\"],\"action\":\"accept\"},"
    "\"18\":{\"protocol\":\"tcp\",\"destination-ports\":[\"0\",\"65535\"],\"action\":\"drop\"},"
    "\"19\":{\"protocol\":\"tcp\",\"destination-ports\":[\"0-65535\"],\"source\":[\"::/0\"],"
    "\"action\":\"drop\"},"
    "\"20\":{\"protocol\":\"tcp_udp\",\"destination-ports\":[\"53\",\"80-90\"],\"source\":"
    "[\"!10.0.0.0/8\",\"!fd00::/8\"],\"action\":\"reject\"},"
    "\"21\":{\"from\":\"!wan\",\"to\":\"!lan\",\"source-mac\":[\"02:00:00:00:00:01\"],"
    "\"action\":\"drop\"},"
    "\"22\":{\"source-mac\":[\"!02:00:00:00:00:01\",\"!02:00:00:00:00:02\"],\"action\":\"accept\"},"
    "\"23\":{\"protocol\":\"tcp\",\"tcp-flags\":[\"syn\",\"!ack\"],\"state\":[\"new\",\"invalid\"],"
    "\"log\":true,\"log-prefix\":\"odd ones\",\"log-limit\":{\"rate\":2,\"per\":\"hour\"},"
    "\"limit\":{\"rate\":4,\"per\":\"minute\",\"per-source\":true},\"action\":\"accept\"},"
    "\"24\":{\"state\":[\"established\",\"related\"],\"log\":true,\"action\":\"accept\"},"
    "\"25\":{\"state\":[\"established\",\"untracked\"],\"limit\":{\"rate\":4},\"action\":"
    "\"reject\"},"
    "\"26\":{\"action\":\"reject\",\"reject-with\":\"port-unreachable\"},"
    "\"27\":{\"action\":\"reject\",\"reject-with\":\"host-unreachable\",\"log\":true,"
    "\"log-limit\":{\"rate\":1}},"
    "\"28\":{\"action\":\"reject\",\"reject-with\":\"net-unreachable\"},"
    "\"29\":{\"protocol\":\"tcp\",\"action\":\"reject\",\"reject-with\":\"tcp-reset\"},"
    "\"30\":{\"from\":\"!local\",\"protocol\":\"icmp\",\"icmp-type\":\"fragmentation-needed\","
    "\"action\":\"reject\",\"reject-with\":\"admin-prohibited\"}},"
    "\"notrack\":{\"5\":{\"from\":\"lan\",\"source\":[\"10.1.0.9\"],\"action\":\"none\"},"
    "\"10\":{\"from\":\"!wan\",\"protocol\":\"tcp_udp\",\"destination-ports\":[\"53\",\"123\"]},"
    "\"20\":{\"from\":\"local\",\"protocol\":\"udp\",\"source-ports\":[\"53\"]},"
    "\"30\":{\"destination\":[\"10.9.0.0/16\",\"fd09::/16\"]},"
    "\"40\":{\"from\":\"empty\",\"protocol\":\"47\"}},"
    "\"source-nat\":{\"10\":{\"to\":\"wan\",\"source\":[\"10.1.0.0/24\",\"::/0\"],"
    "\"action\":\"masquerade\"},\"11\":{\"to\":\"wan\",\"action\":\"masquerade\"},"
    "\"12\":{\"to\":\"wan\",\"source\":[\"fd00::/8\"],\"translate-to\":\"2001:db8::9\"},"
    "\"13\":{\"to\":\"wan\",\"destination\":[\"10.2.0.0/16\",\"fd01::/"
    "16\"],\"protocol\":\"tcp_udp\","
    "\"source-ports\":[\"1-99\"],\"destination-ports\":[\"443\",\"80\"],\"action\":\"none\"}},"
    "\"destination-nat\":{\"10\":{\"from\":\"wan\",\"protocol\":\"tcp\",\"port\":\"8080\","
    "\"destination\":[\"192.0.2.2/32\"],\"translate-to\":\"10.1.0.2:80\"},"
    "\"11\":{\"from\":\"wan\",\"protocol\":\"udp\",\"port\":\"5000-5010\","
    "\"translate-to\":\"[fd00::2]:7000-7010\"},"
    "\"12\":{\"translate-to\":\"10.9.9.9\",\"destination\":[\"192.0.2.7\"]},"
    "\"13\":{\"from\":\"wan\",\"protocol\":\"tcp_udp\",\"port\":[\"53\",\"!80\",\"8000-8100\"],"
    "\"source\":[\"!10.0.0.0/8\"],\"source-ports\":[\"1024-65535\"],\"translate-to\":\"10.1.0.3\"},"
    "\"14\":{\"from\":\"wan\",\"protocol\":\"tcp_udp\",\"port\":\"200-300\","
    "\"translate-to\":\"10.1.0.3:300-400\"},"
    "\"15\":{\"from\":\"wan\",\"protocol\":\"tcp\",\"port\":\"200-300\",\"fold\":true,"
    "\"translate-to\":\"10.1.0.3:30\"},"
    "\"16\":{\"from\":\"wan\",\"protocol\":\"udp\",\"action\":\"none\"}}}";

static void put(struct policy *policy, const char *text)
{
    struct orb_err err = {0};

    ck_assert_msg(policy_put(policy, text, strlen(text), &err) == 0, "%s: %s", err.path, err.text);
    ck_assert_msg(policy_check(policy, &err) == 0, "%s: %s", err.path, err.text);
}

static void own_namespace(void)
{
    ck_assert_msg(unshare(CLONE_NEWNET) == 0, "no network namespace: %m");
}

static void load(const struct policy *policy, const struct policy *previous, uint32_t generation)
{
    AUTO(buf) struct buf text = {0}, output = {0};

    nft_change_policy(policy, previous, generation, &text);
    ck_assert_msg(nft_run("-f", buf_str(&text), &output) == 0, "%s", buf_str(&output));
}

TEST(nft_takes_everything_a_policy_can_say)
{
    AUTO(policy) struct policy policy;
    AUTO(buf) struct buf text = {0}, output = {0};

    own_namespace();
    policy_init(&policy);
    put(&policy, rich);
    nft_change_policy(&policy, NULL, 7, &text);
    ck_assert_msg(nft_run("-c -f", buf_str(&text), &output) == 0, "%s", buf_str(&output));
    load(&policy, NULL, 7);
    load(&policy, &policy, 8);
    nft_run("list table inet orbital", NULL, &output);
    ck_assert_ptr_nonnull(strstr(buf_str(&output), "generation 8"));
    ck_assert_ptr_null(strstr(buf_str(&output), "generation 7"));
}

TEST(counters_of_rules_that_stay_keep_their_values)
{
    AUTO(policy) struct policy first, second;
    AUTO(buf) struct buf output = {0};

    own_namespace();
    policy_init(&first);
    put(&first, rich);
    load(&first, NULL, 1);
    ck_assert_int_eq(nft_run("-f",
                             "delete element inet orbital tally { 10, 16 }\n"
                             "add element inet orbital tally { 10 counter packets 77 bytes 7700, "
                             "16 counter packets 66 bytes 6600 }\n",
                             &output),
                     0);
    ck_assert_int_eq(policy_copy(&first, &second), 0);
    put(&second, "{\"rules\":{\"16\":null,\"200\":{\"action\":\"drop\"},"
                 "\"11\":{\"action\":\"accept\",\"limit\":{\"rate\":5,\"burst\":9}},"
                 "\"13\":{\"action\":\"accept\"}},\"default\":{\"forward\":\"accept\"}}");
    load(&second, &first, 2);
    nft_run("list table inet orbital", NULL, &output);
    ck_assert_ptr_nonnull(strstr(buf_str(&output), "packets 77 bytes 7700"));
    ck_assert_ptr_null(strstr(buf_str(&output), "packets 66"));
    ck_assert_ptr_nonnull(strstr(buf_str(&output), "rate 5/second burst 9 packets"));
    ck_assert_ptr_null(strstr(buf_str(&output), "10/minute"));
    ck_assert_ptr_null(strstr(buf_str(&output), "limit_13"));
    ck_assert_ptr_nonnull(strstr(buf_str(&output), "hook forward priority filter; policy accept"));
    load(&first, &second, 3);
    load(&first, NULL, 4);
    buf_clear(&output);
    nft_run("list set inet orbital tally", NULL, &output);
    ck_assert_ptr_nonnull(strstr(buf_str(&output), "0x0000000a counter packets 0 bytes 0"));
    ck_assert_ptr_null(strstr(buf_str(&output), "packets 77"));
}

TEST(a_table_made_anew_begins_with_what_was_carried)
{
    struct tally items[] = {{10, 77, 7700}, {500, 5, 50}, {ABI_MARK_INPUT, 3, 30}};
    const struct tally_list carried = {.items = items, .count = ARRAY_LEN(items)};
    AUTO(tally_list) struct tally_list list = {0};
    AUTO(nft_text) struct nft_text chains = {0};
    AUTO(policy) struct policy policy;
    AUTO(buf) struct buf text = {0}, output = {0};
    const struct tally *found;

    own_namespace();
    ck_assert_int_eq(tally_read(&list, NULL), 0);
    ck_assert_uint_eq(list.count, 0);
    policy_init(&policy);
    put(&policy, rich);
    nft_chains(&policy, NULL, NULL, &chains);
    nft_change_text(&chains, NULL, 1, &carried, NULL, &text);
    ck_assert_msg(nft_run("-f", buf_str(&text), &output) == 0, "%s", buf_str(&output));
    ck_assert_int_eq(tally_read(&list, NULL), 0);
    ck_assert_uint_eq(list.count, policy.rule_count + 3);
    found = tally_find(&list, 10);
    ck_assert_ptr_nonnull(found);
    ck_assert_uint_eq(found->packets, 77);
    ck_assert_uint_eq(found->bytes, 7700);
    ck_assert_uint_eq(tally_find(&list, 11)->packets, 0);
    ck_assert_uint_eq(tally_find(&list, ABI_MARK_INPUT)->bytes, 30);
    ck_assert_ptr_null(tally_find(&list, 500));
}

/* The text of a rule with more expressions, in its hook. */
TEST(each_expression_is_in_the_text)
{
    static const char *const lines[] = {
        "iifname != { \"wan0\", \"wan1\" } oifname != \"lan0\" ether saddr { 02:00:00:00:00:01 } ",
        "ether saddr != { 02:00:00:00:00:01, 02:00:00:00:00:02 } ",
        "tcp flags & 0x12 == 0x2 update @sources4_23_4_60_5 { ip saddr limit rate 4/minute burst 5 "
        "packets } goto then_23\n",
        "update @sources6_23_4_60_5 { ip6 saddr & ffff:ffff:ffff:ffff:: limit rate 4/minute ",
        "set sources4_23_4_60_5 {\ntype ipv4_addr; size 65536; flags dynamic,timeout; timeout "
        "135s;",
        "chain then_23 {\nlimit rate 2/hour burst 5 packets log prefix \"orbital rule 23: odd "
        "ones: \" \n"
        "ct mark set 23 add @tally { meta mark & 0 ^ 23 } accept\n}",
        "chain known_24 {\nlog prefix \"orbital rule 24: \" \nct mark @tally accept\naccept\n}",
        "ct state established,related goto known_24\n",
        "ct state established meta l4proto tcp limit name \"limit_25_4_1_5\" add @tally",
        "ct state new,invalid ",
        "add @tally { meta mark & 0 ^ 26 } reject with icmpx type port-unreachable\n",
        "add @tally { meta mark & 0 ^ 27 } reject with icmpx type host-unreachable\n",
        "reject with icmpx type no-route\n",
        "icmp type 3 icmp code 4 ",
        "limit rate 10/second burst 20 packets log prefix \"orbital default forward: \"\n",
        "log prefix \"orbital default input: \"\n",
        "oifname { \"wan0\", \"wan1\" } tcp flags & (syn | rst) == syn tcp option maxseg size set "
        "rt mtu\n",
        "iifname \"lan0\" tcp flags & (syn | rst) == syn tcp option maxseg size set 1400\n",
        "chain track_prerouting {\ntype filter hook prerouting priority raw; policy accept;\n"
        "iifname \"lan0\" meta nfproto ipv4 ip saddr 10.1.0.9 accept\n"
        "iifname != { \"wan0\", \"wan1\" } meta l4proto { 6, 17 } th dport { 53, 123 } notrack "
        "accept\n"
        "meta nfproto ipv4 ip daddr 10.9.0.0/16 notrack accept\n"
        "meta nfproto ipv6 ip6 daddr fd09::/16 notrack accept\n}",
        "chain track_output {\ntype filter hook output priority raw; policy accept;\n"
        "meta l4proto 17 udp sport 53 notrack accept\nmeta nfproto ipv4 ip daddr 10.9.0.0/16 ",
    };
    AUTO(policy) struct policy policy;
    AUTO(buf) struct buf text = {0};
    const char *output;

    policy_init(&policy);
    put(&policy, rich);
    nft_change_policy(&policy, NULL, 1, &text);
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        ck_assert_msg(strstr(buf_str(&text), lines[i]) != NULL, "no %s", lines[i]);
    /* Packets of the machine itself have no sender's address and come from no other zone. */
    output = strstr(buf_str(&text), "chain output {");
    ck_assert_ptr_nonnull(output);
    ck_assert_ptr_null(strstr(output, "ether saddr"));
    ck_assert_ptr_null(strstr(output, "orbital default"));
}

TEST(a_limit_per_source_that_changes_takes_another_set)
{
    AUTO(policy) struct policy first, second;
    AUTO(buf) struct buf output = {0};

    own_namespace();
    policy_init(&first);
    put(&first, rich);
    load(&first, NULL, 1);
    ck_assert_int_eq(policy_copy(&first, &second), 0);
    put(&second,
        "{\"rules\":{\"23\":{\"action\":\"accept\",\"limit\":{\"rate\":9,\"per-source\":true}},"
        "\"24\":{\"action\":\"drop\"}},\"default\":{\"input\":\"drop\"},"
        "\"zones\":{\"lan\":{\"interfaces\":[\"lan0\"]},\"wan\":{\"interfaces\":[\"wan0\"]}}}");
    load(&second, &first, 2);
    nft_run("list table inet orbital", NULL, &output);
    ck_assert_ptr_nonnull(strstr(buf_str(&output), "set sources4_23_9_1_5"));
    ck_assert_ptr_null(strstr(buf_str(&output), "sources6_23_4_60_5"));
    ck_assert_ptr_null(strstr(buf_str(&output), "chain then_23"));
    ck_assert_ptr_null(strstr(buf_str(&output), "chain known_24"));
    ck_assert_ptr_null(strstr(buf_str(&output), "chain mss"));
    ck_assert_ptr_null(strstr(buf_str(&output), "orbital default"));
    load(&first, &second, 3);
    load(&first, &first, 4);
}

TEST(nft_can_read_its_own_listing_again)
{
    AUTO(policy) struct policy policy;
    AUTO(buf) struct buf first = {0}, second = {0}, output = {0};

    own_namespace();
    policy_init(&policy);
    put(&policy, rich);
    load(&policy, NULL, 1);
    nft_run("list table inet orbital", NULL, &first);
    nft_run("delete table inet orbital", NULL, &output);
    ck_assert_msg(nft_run("-f", buf_str(&first), &output) == 0, "%s", buf_str(&output));
    nft_run("list table inet orbital", NULL, &second);
    ck_assert_str_eq(buf_str(&first), buf_str(&second));
}

TEST(nft_takes_random_policies)
{
    own_namespace();
    for (unsigned round = 0; round < 8; round++) { /* each shape once */
        struct random random = {round + 1};
        struct policies_shape shape = {
            .rules = 1 + round * 20, .zones = round & 1, .six = round & 2, .more = round & 4};
        AUTO(policy) struct policy policy;

        policies_random(&policy, &shape, &random);
        load(&policy, NULL, round);
    }
}

/* 600 rules of one zone pair, and 300 mixed ones behind. */
static void put_many(struct policy *policy)
{
    AUTO(buf) struct buf text = {0};

    policy_init(policy);
    buf_adds(&text, "{\"zones\":{\"a\":{\"interfaces\":[\"a0\",\"a1\"]},\"b\":{\"interfaces\":"
                    "[\"b0\"]}},\"rules\":{\"1\":{\"action\":\"drop\",\"limit\":{\"rate\":1}}");
    for (int i = 2; i <= 600; i++)
        buf_addf(&text, ",\"%d\":{\"from\":\"a\",\"to\":\"b\",\"action\":\"reject\"}", i);
    for (int i = 601; i <= 900; i++)
        buf_addf(&text, ",\"%d\":{%s\"protocol\":\"tcp\",\"action\":\"accept\"}", i,
                 i & 1 ? "\"from\":\"a\"," : "");
    buf_adds(&text, "}}");
    put(policy, buf_str(&text));
}

/* A chain's body in the text of a policy. */
static char *chain_of(const char *text, const char *name)
{
    AUTO_FREE char *head = buf_format("\nchain %s {\n", name);
    const char *start = strstr(text, head);

    ck_assert_msg(start != NULL, "no chain %s", name);
    start += strlen(head);
    return buf_format("%.*s", (int)(strstr(start, "\n}\n") + 1 - start), start);
}

static void expect_chain(const char *text, const char *name, const char *body)
{
    AUTO_FREE char *is = chain_of(text, name);

    ck_assert_str_eq(is, body);
}

TEST(rules_are_divided_by_the_zones_they_name)
{
    AUTO(policy) struct policy policy;
    AUTO(buf) struct buf text = {0};
    AUTO_FREE char *forward = NULL, *from = NULL, *pair = NULL;

    own_namespace();
    put_many(&policy);
    load(&policy, NULL, 1);
    nft_change_policy(&policy, NULL, 1, &text);
    forward = chain_of(buf_str(&text), "forward");
    from = chain_of(buf_str(&text), "forward/a/-");
    pair = chain_of(buf_str(&text), "forward/a/b");
    ck_assert_ptr_nonnull(strstr(
        forward, "iifname vmap { \"a0\" : goto forward/a/-, \"a1\" : goto forward/a/- }\njump "));
    ck_assert_ptr_nonnull(strstr(from, "oifname vmap { \"b0\" : goto forward/a/b }\n"));
    ck_assert_ptr_null(strstr(buf_str(&text), "iifname { "));
    ck_assert_ptr_null(strstr(forward, "oifname"));
    ck_assert_ptr_nonnull(strstr(pair, "jump forward/a/b/"));
    ck_assert_ptr_nonnull(strstr(pair, "goto forward/rest\n"));
    expect_chain(buf_str(&text), "forward/rest", "add @tally { meta mark & 0 ^ 100000001 } drop\n");
}

/* Whether a rule's decision is in a chain, or in one it jumps to. */
static bool has_rule(const char *text, const char *chain, unsigned id)
{
    AUTO_FREE char *body = chain_of(text, chain), *mark = buf_format("ct mark set %u ", id);
    char *rest = NULL;

    if (strstr(body, mark))
        return true;
    for (char *line = strtok_r(body, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        if (!strncmp(line, "jump ", 5) && has_rule(text, line + 5, id))
            return true;
    return false;
}

TEST(a_rule_is_in_the_chains_of_its_zones_and_in_no_other)
{
    static const char *const chains[] = {"forward",     "forward/a/-", "forward/b/-",
                                         "forward/-/b", "forward/a/b", "input",
                                         "input/a/-",   "output",      "output/-/b"};
    static const struct {
        const char *zones;
        const char *there; /* of chains, in order */
    } rules[] = {
        {"\"from\":\"a\",\"to\":\"b\",", "000010000"},
        {"\"from\":\"a\",", "010010100"},
        {"\"to\":\"b\",", "000110001"},
        {"", "111111111"},
        {"\"from\":\"!a\",", "101101000"},
        {"\"from\":\"b\",\"to\":\"!b\",", "001000000"},
        {"\"from\":\"a\",\"to\":\"local\",", "000000100"},
        {"\"from\":\"local\",\"to\":\"b\",", "000000001"},
        {"\"from\":\"!local\",", "111111100"},
    };
    AUTO(policy) struct policy policy;
    AUTO(buf) struct buf json = {0}, text = {0};

    policy_init(&policy);
    buf_adds(&json, "{\"zones\":{\"a\":{\"interfaces\":[\"a0\"]},\"b\":{\"interfaces\":[\"b0\"]}},"
                    "\"rules\":{");
    for (unsigned i = 0; i < 40 * ARRAY_LEN(rules); i++)
        buf_addf(&json, "%s\"%u\":{%s\"action\":\"accept\"}", i ? "," : "", i + 1,
                 rules[i % ARRAY_LEN(rules)].zones);
    buf_adds(&json, "}}");
    put(&policy, buf_str(&json));
    nft_change_policy(&policy, NULL, 1, &text);
    for (unsigned i = 0; i < policy.rule_count; i++)
        for (size_t k = 0; k < ARRAY_LEN(chains); k++) {
            bool want = rules[i % ARRAY_LEN(rules)].there[k] == '1';

            ck_assert_msg(has_rule(buf_str(&text), chains[k], i + 1) == want, "rule %u in %s",
                          i + 1, chains[k]);
        }
}

/* Sixty zones, each with 15 rules to another one, and so many for everything before them. */
static void put_zones(struct policy *policy, int any)
{
    AUTO(buf) struct buf json = {0};

    policy_init(policy);
    buf_adds(&json, "{\"zones\":{");
    for (int i = 0; i < 60; i++)
        buf_addf(&json, "%s\"z%d\":{\"interfaces\":[\"z%d\"]}", i ? "," : "", i, i);
    buf_adds(&json, "},\"rules\":{\"1\":{\"action\":\"drop\"}");
    for (int i = 1; i < any; i++)
        buf_addf(&json, ",\"%d\":{\"action\":\"accept\"}", i + 1);
    for (int i = 0; i < 900; i++)
        buf_addf(&json, ",\"%d\":{\"from\":\"z%d\",\"to\":\"z%d\",\"action\":\"drop\"}", i + 2000,
                 i % 60, 59 - i % 60);
    buf_adds(&json, "}}");
    put(policy, buf_str(&json));
}

/* Else the kernel would walk over each rule for everything in each of 3721 pairs. */
TEST(rules_that_would_be_repeated_too_often_are_not_divided)
{
    AUTO(policy) struct policy few, many;
    AUTO(buf) struct buf text = {0};

    own_namespace();
    put_zones(&few, 5);
    nft_change_policy(&few, NULL, 1, &text);
    ck_assert_ptr_nonnull(strstr(buf_str(&text), "iifname vmap"));
    load(&few, NULL, 1);
    put_zones(&many, 500);
    buf_clear(&text);
    nft_change_policy(&many, NULL, 1, &text);
    ck_assert_ptr_null(strstr(buf_str(&text), "iifname vmap"));
    ck_assert_ptr_nonnull(strstr(buf_str(&text), "iifname \"z3\" oifname \"z56\""));
    load(&many, &few, 2);
    load(&few, &many, 3);
}

TEST(packets_pass_by_chains_that_have_no_rule_for_their_addresses)
{
    AUTO(policy) struct policy policy;
    AUTO(buf) struct buf json = {0}, text = {0};
    unsigned guards = 0, chains = 0;

    policy_init(&policy);
    buf_adds(&json, "{\"rules\":{");
    for (int i = 0; i < 400; i++)
        buf_addf(&json,
                 "%s\"%d\":{\"source\":[\"10.%d.0.0/16\"],\"destination\":[\"0.0.0.0/0\"],"
                 "\"action\":\"accept\"}",
                 i ? "," : "", i + 1, i % 250);
    buf_adds(&json, "}}");
    put(&policy, buf_str(&json));
    nft_change_policy(&policy, NULL, 1, &text);
    for (const char *at = buf_str(&text); (at = strstr(at, "chain forward_")); at++)
        chains++;
    for (const char *at = buf_str(&text); (at = strstr(at, "ip saddr != ")); at++)
        guards++;
    ck_assert_uint_gt(chains, 2);
    ck_assert_uint_gt(guards, 2);
    ck_assert_ptr_null(strstr(buf_str(&text), "ip daddr"));
    /* One rule for all addresses, and its chain is for all packets. */
    put(&policy, "{\"rules\":{\"200\":{\"action\":\"drop\"}}}");
    buf_clear(&text);
    nft_change_policy(&policy, NULL, 1, &text);
    chains = 0;
    for (const char *at = buf_str(&text); (at = strstr(at, "ip saddr != ")); at++)
        chains++;
    ck_assert_uint_lt(chains, guards);
}

static int by_line(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static unsigned sort_lines(char *text, char **lines, unsigned max)
{
    unsigned count = 0;
    char *rest = NULL;

    for (char *line = strtok_r(text, "\n", &rest); line && count < max;
         line = strtok_r(NULL, "\n", &rest))
        lines[count++] = line;
    qsort(lines, count, sizeof(*lines), by_line);
    return count;
}

/* Chains and elements may come in another order; within a chain it is the generator's. */
static void expect_same_lines(struct buf *a, struct buf *b)
{
    enum { MAX = 20000 };
    AUTO_FREE char **x = xcalloc(MAX, sizeof(*x)), **y = xcalloc(MAX, sizeof(*y));
    unsigned count = sort_lines(a->data, x, MAX);

    ck_assert_uint_eq(count, sort_lines(b->data, y, MAX));
    for (unsigned i = 0; i < count; i++)
        ck_assert_str_eq(x[i], y[i]);
}

/* What the kernel has after a change is what it would have, made anew. */
static void expect_same(const struct policy *policy, const struct policy *previous)
{
    AUTO(buf) struct buf changed = {0}, anew = {0};

    load(policy, previous, 7);
    nft_run("-s list table inet orbital", NULL, &changed);
    load(policy, NULL, 7);
    nft_run("-s list table inet orbital", NULL, &anew);
    ck_assert_uint_gt(anew.len, 1000);
    expect_same_lines(&changed, &anew);
}

TEST(a_change_sends_what_differs_and_leads_to_the_same_table)
{
    static const char *const changes[] = {
        "{\"rules\":{\"800\":{\"action\":\"drop\"}}}",
        "{\"rules\":{\"800\":null,\"1\":null,\"500\":{\"action\":\"accept\",\"limit\":{\"rate\":5}"
        "}}}",
        "{\"zones\":{\"b\":{\"interfaces\":[\"b7\"]}}}",
        "{\"default\":{\"forward\":\"accept\",\"input\":\"reject\"},\"source-nat\":{\"1\":{\"to\":"
        "\"b\","
        "\"action\":\"masquerade\"}}}",
        "{\"rules\":{\"901\":{\"from\":\"local\",\"to\":\"b\",\"action\":\"drop\"}}}"};
    AUTO(policy) struct policy policy;

    own_namespace();
    put_many(&policy);
    load(&policy, NULL, 1);
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        AUTO(policy) struct policy before;
        AUTO(buf) struct buf text = {0}, whole = {0};

        ck_assert_int_eq(policy_copy(&policy, &before), 0);
        put(&policy, changes[i]);
        nft_change_policy(&policy, &before, 2, &text);
        nft_change_policy(&policy, NULL, 2, &whole);
        if (i < 2)
            ck_assert_msg(text.len < whole.len / 2, "%zu bytes for %s", text.len, changes[i]);
        expect_same(&policy, &before);
    }
}

/* The text of a policy after another, some of whose chains are taken over, is that of the policy
 * alone. */
static void expect_same_text(const struct policy *policy, const struct policy *previous)
{
    AUTO(nft_text) struct nft_text old = {0}, now = {0}, alone = {0};

    nft_chains(previous, NULL, NULL, &old);
    nft_chains(policy, &old, NULL, &now);
    nft_chains(policy, NULL, NULL, &alone);
    ck_assert_uint_eq(now.count, alone.count);
    for (unsigned i = 0; i < now.count; i++) {
        ck_assert_str_eq(now.items[i].name, alone.items[i].name);
        ck_assert_str_eq(buf_str(&now.items[i].body), buf_str(&alone.items[i].body));
    }
}

TEST(a_chain_is_taken_over_only_if_each_of_its_rules_is_the_same)
{
    static const char *const changes[] = {
        "\"action\":\"drop\"",
        "\"action\":\"reject\"",
        "\"action\":\"reject\",\"reject-with\":\"port-unreachable\"",
        "\"action\":\"accept\",\"protocol\":\"tcp\"",
        "\"action\":\"accept\",\"protocol\":\"icmp\",\"icmp-type\":\"3\"",
        "\"action\":\"accept\",\"protocol\":\"icmp\",\"icmp-type\":\"3/4\"",
        "\"action\":\"accept\",\"source\":[\"10.0.0.1\"]",
        "\"action\":\"accept\",\"destination\":[\"10.0.0.1\"]",
        "\"action\":\"accept\",\"destination\":[\"10.0.0.2\"]",
        "\"action\":\"accept\",\"protocol\":\"udp\",\"source-ports\":[\"7\"]",
        "\"action\":\"accept\",\"protocol\":\"udp\",\"destination-ports\":[\"7\"]",
        "\"action\":\"accept\",\"log\":true",
        "\"action\":\"accept\",\"log\":true,\"log-prefix\":\"a\"",
        "\"action\":\"accept\",\"log\":true,\"log-prefix\":\"b\"",
        "\"action\":\"accept\",\"log\":true,\"log-limit\":{\"rate\":5}",
        "\"action\":\"accept\",\"limit\":{\"rate\":5}",
        "\"action\":\"accept\",\"limit\":{\"rate\":6}",
        "\"action\":\"accept\",\"limit\":{\"rate\":6,\"per\":\"minute\"}",
        "\"action\":\"accept\",\"limit\":{\"rate\":6,\"burst\":9}",
        "\"action\":\"accept\",\"limit\":{\"rate\":6,\"per-source\":true}",
        "\"action\":\"accept\",\"source-mac\":[\"02:00:00:00:00:01\"]",
        "\"action\":\"accept\",\"source-mac\":[\"02:00:00:00:00:02\"]",
        "\"action\":\"accept\",\"source-mac\":[\"!02:00:00:00:00:02\"]",
        "\"action\":\"accept\",\"protocol\":\"tcp\",\"tcp-flags\":[\"syn\"]",
        "\"action\":\"accept\",\"protocol\":\"tcp\",\"tcp-flags\":[\"!syn\"]",
        "\"action\":\"accept\",\"state\":[\"new\"]",
        "\"action\":\"accept\",\"state\":[\"untracked\"]"};
    AUTO(policy) struct policy policy;

    put_many(&policy);
    expect_same_text(&policy, &policy);
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        AUTO(policy) struct policy before;
        AUTO_FREE char *change =
            buf_format("{\"rules\":{\"300\":{\"from\":\"a\",\"to\":\"b\",%s}}}", changes[i]);
        AUTO(nft_text) struct nft_text old = {0}, now = {0};
        unsigned same = 0;

        ck_assert_int_eq(policy_copy(&policy, &before), 0);
        put(&policy, change);
        expect_same_text(&policy, &before);
        nft_chains(&before, NULL, NULL, &old);
        nft_chains(&policy, NULL, NULL, &now);
        for (unsigned k = 0; k < now.count; k++) {
            AUTO(buf) struct buf body = {0};

            now.old = &old;
            same += now.items[k].content &&
                    nft_same_take(&now, now.items[k].name, now.items[k].content, &body);
        }
        ck_assert_msg(same > 3, "after %s", changes[i]);
    }
}

TEST(random_policies_change_into_each_other)
{
    AUTO(policy) struct policy before;

    own_namespace();
    policy_init(&before);
    load(&before, NULL, 0);
    for (unsigned round = 0; round < 6; round++) {
        struct random random = {round / 2 + 1};
        struct policies_shape shape = {
            .rules = 40 + round * 40, .zones = round & 1, .six = round & 2, .more = round > 1};
        struct policy policy;

        policies_random(&policy, &shape, &random);
        expect_same(&policy, &before);
        policy_fini(&before);
        before = policy;
    }
}
