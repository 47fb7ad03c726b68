/* policy_put and policy_check: what is accepted, and the text of each refusal. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/nft_match.h"
#include "dataplane/policy.h"
#include "test/lib/harness.h"

static int put(struct policy *policy, const char *text, struct orb_err *err)
{
    *err = (struct orb_err){0};
    return policy_put(policy, text, strlen(text), err);
}

static void must(struct policy *policy, const char *text)
{
    struct orb_err err;

    ck_assert_msg(put(policy, text, &err) == 0, "%s: %s: %s", text, err.path, err.text);
    ck_assert_msg(policy_check(policy, &err) == 0, "%s: %s: %s", text, err.path, err.text);
}

#define RULE(members) "{\"rules\":{\"10\":{" members "}}}"
#define NOTRACK(members) "{\"notrack\":{\"10\":{" members "}}}"
#define SNAT(members) "{\"source-nat\":{\"10\":{" members "}}}"
#define DNAT(members) "{\"destination-nat\":{\"10\":{" members "}}}"

/* words: parts of the text, separated by |. */
static const struct bad {
    const char *text, *path, *words;
} bad_puts[] = {
    {"{", "", "expected"},
    {"[]", "", "an object|an array"},
    {"{\"rule\":{}}", "/rule", "\"rule\"|did you mean rules?"},
    {"{\"tx\":\"7\"}", "/tx", "integer|\"7\""},
    {"{\"rules\":[]}", "/rules", "an object"},
    {"{\"rules\":{\"ten\":{}}}", "/rules/ten", "\"ten\"|1 to 99999999"},
    {"{\"rules\":{\"010\":null}}", "/rules/010", "\"010\""},
    {"{\"rules\":{\"0\":null}}", "/rules/0", "\"0\""},
    {"{\"rules\":{\"100000000\":null}}", "/rules/100000000", "99999999"},
    {"{\"rules\":{\"10\":7}}", "/rules/10", "an object|7"},
    {"{\"rules\":{\"10\":{}}}", "/rules/10", "no action|accept, drop or reject"},
    {RULE("\"action\":\"acept\""), "/rules/10/action", "\"acept\"|did you mean accept?"},
    {RULE("\"action\":true"), "/rules/10/action", "a word|true"},
    {RULE("\"aktion\":\"drop\""), "/rules/10/aktion", "did you mean action?"},
    {RULE("\"action\":\"drop\",\"protocol\":\"tpc\""), "/rules/10/protocol",
     "\"tpc\"|did you mean tcp?"},
    {RULE("\"action\":\"drop\",\"protocol\":\"256\""), "/rules/10/protocol", "0 to 255|256"},
    {RULE("\"action\":\"drop\",\"protocol\":6"), "/rules/10/protocol", "in quotes|6"},
    {RULE("\"action\":\"drop\",\"source\":\"10.0.0.0/8\""), "/rules/10/source", "an array"},
    {RULE("\"action\":\"drop\",\"source\":[\"10.0.0.0/8\",\"10.0.0.256\"]"), "/rules/10/source/1",
     "10.0.0.256|expected an address"},
    {RULE("\"action\":\"drop\",\"source\":[\"10.0.0.1/24\"]"), "/rules/10/source/0",
     "10.0.0.1/24|behind the prefix"},
    {RULE("\"action\":\"drop\",\"source\":[\"10.0.0.0/33\"]"), "/rules/10/source/0", "0 to 32"},
    {RULE("\"action\":\"drop\",\"source\":[\"2001:db8::/129\"]"), "/rules/10/source/0", "0 to 128"},
    {RULE("\"action\":\"drop\",\"source\":[\"10.0.0.9-10.0.0.1\"]"), "/rules/10/source/0",
     "ends before it begins"},
    {RULE("\"action\":\"drop\",\"source\":[\"10.0.0.9-::1\"]"), "/rules/10/source/0",
     "same family"},
    {RULE("\"action\":\"drop\",\"destination\":[7]"), "/rules/10/destination/0", "as text|7"},
    {RULE("\"action\":\"drop\",\"destination-ports\":[\"80\"]"), "/rules/10", "tcp or udp"},
    {RULE("\"action\":\"drop\",\"protocol\":\"tcp\",\"destination-ports\":[80]"),
     "/rules/10/destination-ports/0", "as text|80"},
    {RULE("\"action\":\"drop\",\"protocol\":\"tcp\",\"destination-ports\":[\"65536\"]"),
     "/rules/10/destination-ports/0", "65536|0 to 65535"},
    {RULE("\"action\":\"drop\",\"protocol\":\"tcp\",\"source-ports\":[\"9-1\"]"),
     "/rules/10/source-ports/0", "ends before it begins"},
    {RULE("\"action\":\"drop\",\"icmp-type\":\"echo-request\""), "/rules/10/icmp-type",
     "needs protocol icmp"},
    {RULE("\"action\":\"drop\",\"protocol\":\"icmp\",\"icmp-type\":\"echo-reqest\""),
     "/rules/10/icmp-type", "did you mean echo-request?"},
    {RULE("\"action\":\"drop\",\"protocol\":\"icmp\",\"icmp-type\":\"packet-too-big\""),
     "/rules/10/icmp-type", "no ICMP type"},
    {RULE("\"action\":\"drop\",\"protocol\":\"icmp\",\"icmp-type\":\"3/256\""),
     "/rules/10/icmp-type", "3/256"},
    {RULE("\"action\":\"drop\",\"log\":\"yes\""), "/rules/10/log", "true or false|yes"},
    {RULE("\"action\":\"drop\",\"limit\":{\"rate\":0}"), "/rules/10/limit/rate", "1 to 1000000|0"},
    {RULE("\"action\":\"drop\",\"limit\":{\"burst\":1}"), "/rules/10/limit", "needs a rate"},
    {RULE("\"action\":\"drop\",\"limit\":{\"rate\":1,\"per\":\"minut\"}"), "/rules/10/limit/per",
     "did you mean minute?"},
    {RULE("\"action\":\"drop\",\"from\":\"a b\""), "/rules/10/from", "\"a b\"|letters"},
    {RULE("\"action\":\"drop\",\"from\":\"\""), "/rules/10/from", "letters"},
    {"{\"zones\":{\"local\":{}}}", "/zones/local", "not \"local\""},
    {"{\"zones\":{\"lan\":{\"interfaces\":[\"averylonginterface\"]}}}", "/zones/lan/interfaces/0",
     "1 to 15"},
    {"{\"zones\":{\"lan\":{\"interfaces\":[\"a\",\"a\"]}}}", "/zones/lan/interfaces/1",
     "a is listed twice"},
    {"{\"zones\":{\"lan\":{\"interface\":[]}}}", "/zones/lan/interface",
     "did you mean interfaces?"},
    {"{\"ports\":{\"lan/0\":{}}}", "/ports/lan~10", "lan/0"},
    {"{\"ports\":{\"lan0\":{\"fast-path\":\"xpd\"}}}", "/ports/lan0/fast-path",
     "did you mean xdp?"},
    {"{\"default\":{\"forward\":\"deny\"}}", "/default/forward", "accept, drop, reject|deny"},
    {NOTRACK("\"to\":\"wan\""), "/notrack/10/to", "unknown"},
    {NOTRACK("\"action\":\"notrak\""), "/notrack/10/action", "did you mean notrack?"},
    {NOTRACK("\"destination-ports\":[\"53\"]"), "/notrack/10", "tcp or udp"},
    {"{\"notrack\":{\"ten\":{}}}", "/notrack/ten", "no rule number"},
    {SNAT("\"action\":\"masquerade\""), "/source-nat/10", "needs \"to\""},
    {SNAT("\"to\":\"wan\""), "/source-nat/10", "masquerade"},
    {SNAT("\"to\":\"wan\",\"action\":\"masquerade\",\"translate-to\":\"1.2.3.4\""),
     "/source-nat/10", "leave translate-to out"},
    {SNAT("\"to\":\"wan\",\"translate-to\":\"1.2.3.4:80\""), "/source-nat/10/translate-to",
     "port of source NAT is chosen by the kernel"},
    {SNAT("\"to\":\"wan\",\"translate-to\":\"1.2.3.4\",\"source\":[\"::/0\"]"),
     "/source-nat/10/source", "family"},
    {DNAT("\"from\":\"wan\""), "/destination-nat/10", "needs translate-to"},
    {DNAT("\"translate-to\":\"10.0.0.1:99999\""), "/destination-nat/10/translate-to", "99999"},
    {DNAT("\"translate-to\":\"10.0.0.0/8\""), "/destination-nat/10/translate-to", "one address"},
    {DNAT("\"translate-to\":\"0.0.0.0\""), "/destination-nat/10/translate-to", "unspecified"},
    {DNAT("\"translate-to\":\"0.0.0.0:80\",\"protocol\":\"tcp\""),
     "/destination-nat/10/translate-to", "0.0.0.0:80 is an unspecified"},
    {DNAT("\"translate-to\":\"127.0.0.1:80\",\"protocol\":\"tcp\""),
     "/destination-nat/10/translate-to", "loopback"},
    {DNAT("\"translate-to\":\"224.0.0.1\""), "/destination-nat/10/translate-to", "multicast"},
    {DNAT("\"translate-to\":\"239.255.255.255\""), "/destination-nat/10/translate-to", "multicast"},
    {DNAT("\"translate-to\":\"255.255.255.255\""), "/destination-nat/10/translate-to", "broadcast"},
    {DNAT("\"translate-to\":\"::\""), "/destination-nat/10/translate-to", "unspecified"},
    {DNAT("\"translate-to\":\"[::1]:80\",\"protocol\":\"tcp\""), "/destination-nat/10/translate-to",
     "loopback"},
    {DNAT("\"translate-to\":\"ff02::1\""), "/destination-nat/10/translate-to", "multicast"},
    {SNAT("\"to\":\"wan\",\"translate-to\":\"127.0.0.1\""), "/source-nat/10/translate-to",
     "loopback"},
    {DNAT("\"translate-to\":\"10.0.0.1:80\""), "/destination-nat/10", "tcp or udp"},
    {DNAT("\"translate-to\":\"10.0.0.1\",\"protocol\":\"tcp\",\"port\":\"0\""),
     "/destination-nat/10/port", "1 to 65535"},
    {DNAT("\"translate-to\":\"10.0.0.1\",\"destination\":[\"::1\"]"),
     "/destination-nat/10/destination", "family"},
    {DNAT("\"translate-to\":\"10.0.0.1\",\"source\":[\"::1\"]"), "/destination-nat/10/source",
     "family"},
    {DNAT("\"translate-to\":\"10.0.0.1:80\",\"protocol\":\"tcp\""),
     "/destination-nat/10/translate-to", "65535 ports|port 80|fold to true"},
    {DNAT("\"translate-to\":\"10.0.0.1:9000\",\"protocol\":\"tcp\",\"port\":\"8000-8002\""),
     "/destination-nat/10/translate-to", "3 ports|port 9000|as long as theirs"},
    {DNAT("\"translate-to\":\"10.0.0.1:80\",\"protocol\":\"tcp\",\"port\":[\"80\",\"443\"]"),
     "/destination-nat/10/translate-to", "2 ports|keep each"},
    {DNAT("\"translate-to\":\"10.0.0.1:9000-9003\",\"protocol\":\"tcp\",\"port\":\"8000-8002\""),
     "/destination-nat/10/translate-to", "3 ports cannot go to 4"},
    {DNAT("\"translate-to\":\"10.0.0.1:9000-9001\",\"protocol\":\"tcp\",\"port\":\"8000\""),
     "/destination-nat/10/translate-to", "1 port cannot go to 2"},
    {DNAT("\"translate-to\":\"10.0.0.1:9000-9001\",\"protocol\":\"tcp\",\"port\":[\"80\",\"90\"],"
          "\"fold\":true"),
     "/destination-nat/10/translate-to", "list of ports|an entry for each"},
    {DNAT("\"translate-to\":\"10.0.0.1:9001-9000\",\"protocol\":\"tcp\",\"port\":\"80-81\""),
     "/destination-nat/10/translate-to", "10.1.0.2:8000-8009"},
    {DNAT("\"translate-to\":\"10.0.0.1\",\"action\":\"none\""), "/destination-nat/10",
     "exception|leave translate-to out"},
    {DNAT("\"action\":\"non\""), "/destination-nat/10/action", "did you mean none?"},
    {DNAT("\"translate-to\":\"10.0.0.1\",\"source-ports\":[\"1\"]"), "/destination-nat/10",
     "ports need"},
    {DNAT("\"translate-to\":\"10.0.0.1\",\"fold\":1"), "/destination-nat/10/fold", "true or false"},
    {SNAT("\"to\":\"wan\",\"translate-to\":\"192.0.2.2-192.0.2.9\""), "/source-nat/10/translate-to",
     "expected one address alone, like 192.0.2.1 or 2001:db8::1; got"},
    {SNAT("\"to\":\"wan\",\"action\":\"none\",\"translate-to\":\"1.2.3.4\""), "/source-nat/10",
     "exception"},
    {SNAT("\"to\":\"wan\",\"action\":\"none\",\"destination-ports\":[\"80\"]"), "/source-nat/10",
     "ports need"},
    {SNAT("\"to\":\"wan\",\"translate-to\":\"1.2.3.4\",\"destination\":[\"::/0\"]"),
     "/source-nat/10/destination", "family"},
    {RULE("\"action\":\"drop\",\"source\":[\"!10.0.0.0/33\"]"), "/rules/10/source/0",
     "!10.0.0.0/33|0 to 32"},
    {RULE("\"action\":\"drop\",\"source\":[\"!0.0.0.0/0\"]"), "/rules/10/source",
     "matches nothing|taken out"},
    {RULE("\"action\":\"drop\",\"source\":[\"10.0.0.0/8\",\"!10.0.0.0/7\"]"), "/rules/10/source",
     "matches nothing"},
    {RULE("\"action\":\"drop\",\"protocol\":\"tcp\",\"source-ports\":[\"!0-65535\"]"),
     "/rules/10/source-ports", "every port"},
    {RULE("\"action\":\"drop\",\"protocol\":\"tcpudp\""), "/rules/10/protocol",
     "did you mean tcp_udp?"},
    {RULE("\"action\":\"drop\",\"from\":\"!\""), "/rules/10/from", "letters"},
    {RULE("\"action\":\"drop\",\"source-mac\":[]"), "/rules/10/source-mac", "array of MAC"},
    {RULE("\"action\":\"drop\",\"source-mac\":[\"02:00:00:00:00:01\",\"2:0:0:0:0:1\"]"),
     "/rules/10/source-mac/1", "02:00:5e:10:00:01|2:0:0:0:0:1"},
    {RULE("\"action\":\"drop\",\"source-mac\":[\"02:00:00:00:00:01\",\"!02:00:00:00:00:02\"]"),
     "/rules/10/source-mac/1", "either all|or none"},
    {RULE("\"action\":\"drop\",\"source-mac\":[\"02:00:00:00:00:01:02\"]"),
     "/rules/10/source-mac/0", "02:00:00:00:00:01:02"},
    {RULE("\"action\":\"drop\",\"from\":\"local\",\"source-mac\":[\"02:00:00:00:00:01\"]"),
     "/rules/10/source-mac", "this machine itself"},
    {RULE("\"action\":\"drop\",\"tcp-flags\":[\"syn\"]"), "/rules/10/tcp-flags", "protocol tcp"},
    {RULE("\"action\":\"drop\",\"protocol\":\"tcp\",\"tcp-flags\":[\"sym\"]"),
     "/rules/10/tcp-flags/0", "did you mean syn?"},
    {RULE("\"action\":\"drop\",\"protocol\":\"tcp\",\"tcp-flags\":[\"syn\",\"ack\",\"!syn\"]"),
     "/rules/10/tcp-flags/2", "both set and not set"},
    {RULE("\"action\":\"drop\",\"state\":[\"new\",\"establised\"]"), "/rules/10/state/1",
     "did you mean established?"},
    {RULE("\"action\":\"drop\",\"state\":\"new\""), "/rules/10/state", "array of states"},
    {RULE("\"action\":\"drop\",\"reject-with\":\"port-unreachable\""), "/rules/10/reject-with",
     "only action reject"},
    {RULE("\"action\":\"reject\",\"reject-with\":\"port-unreachble\""), "/rules/10/reject-with",
     "did you mean port-unreachable?"},
    {RULE("\"action\":\"reject\",\"protocol\":\"tcp_udp\",\"reject-with\":\"tcp-reset\""),
     "/rules/10/reject-with", "tcp-reset needs"},
    {RULE("\"action\":\"drop\",\"log-prefix\":\"x\""), "/rules/10/log-prefix",
     "unless log is true"},
    {RULE("\"action\":\"drop\",\"log-limit\":{\"rate\":1}"), "/rules/10/log-limit",
     "unless log is true"},
    {RULE("\"action\":\"drop\",\"log\":true,\"log-prefix\":\"a\\\"b\""), "/rules/10/log-prefix",
     "1 to 63 letters"},
    {RULE("\"action\":\"drop\",\"log\":true,\"log-limit\":{\"rate\":1,\"per-source\":true}"),
     "/rules/10/log-limit/per-source", "unknown member"},
    {RULE("\"action\":\"drop\",\"limit\":{\"rate\":1,\"per-source\":1}"),
     "/rules/10/limit/per-source", "true or false"},
    {RULE("\"action\":\"drop\",\"protocol\":\"icmp\",\"icmp-type\":\"port-unreachble\""),
     "/rules/10/icmp-type", "did you mean port-unreachable?"},
    {"{\"default\":{\"log\":[\"foward\"]}}", "/default/log/0", "did you mean forward?"},
    {"{\"default\":{\"log-limit\":{\"rate\":0}}}", "/default/log-limit/rate", "1 to 1000000"},
    {"{\"zones\":{\"lan\":{\"mss-clamp\":\"mtu\"}}}", "/zones/lan/mss-clamp", "\"pmtu\"|536"},
    {"{\"zones\":{\"lan\":{\"mss-clamp\":100}}}", "/zones/lan/mss-clamp", "536 to 65495|100"},
};

static void has_words(const char *text, const char *words, const char *input)
{
    AUTO_FREE char *copy = xstrdup(words);
    char *rest = copy, *word;

    while ((word = strsep(&rest, "|")))
        ck_assert_msg(strstr(text, word), "%s\n  reports \"%s\"\n  without \"%s\"", input, text,
                      word);
}

TEST(every_refused_put_has_an_error_with_its_place_and_changes_nothing)
{
    for (size_t i = 0; i < ARRAY_LEN(bad_puts); i++) {
        const struct bad *bad = &bad_puts[i];
        AUTO(policy) struct policy policy;
        AUTO(buf) struct buf before = {0}, after = {0};
        struct orb_err err;

        policy_init(&policy);
        must(&policy, "{\"zones\":{\"lan\":{\"interfaces\":[\"lan0\"]}},"
                      "\"rules\":{\"10\":{\"from\":\"lan\",\"action\":\"accept\"}}}");
        nft_change_policy(&policy, NULL, 1, &before);
        ck_assert_msg(put(&policy, bad->text, &err) < 0, "taken: %s", bad->text);
        ck_assert_msg(!strcmp(err.path, bad->path), "%s\n  path \"%s\", not \"%s\" (%s)", bad->text,
                      err.path, bad->path, err.text);
        has_words(err.text, bad->words, bad->text);
        nft_change_policy(&policy, NULL, 1, &after);
        ck_assert_str_eq(buf_str(&before), buf_str(&after));
    }
}

static const struct bad bad_policies[] = {
    {RULE("\"from\":\"lna\",\"action\":\"drop\""), "/rules/10/from", "\"lna\"|did you mean lan?"},
    {RULE("\"to\":\"nowhere\",\"action\":\"drop\""), "/rules/10/to", "no zone \"nowhere\""},
    {RULE("\"from\":\"!lna\",\"action\":\"drop\""), "/rules/10/from", "\"lna\"|did you mean lan?"},
    {RULE("\"from\":\"local\",\"to\":\"local\",\"action\":\"drop\""), "/rules/10/to",
     "never matches"},
    {RULE("\"source\":[\"10.0.0.0/8\"],\"destination\":[\"::/0\"],\"action\":\"drop\""),
     "/rules/10", "never matches|family"},
    {RULE("\"source\":[\"10.0.0.0/8\"],\"protocol\":\"icmpv6\",\"action\":\"drop\""), "/rules/10",
     "never matches"},
    {"{\"zones\":{\"wan\":{\"interfaces\":[\"wan0\",\"lan0\"]}}}", "/zones/wan/interfaces/1",
     "lan0|lan and wan"},
    {SNAT("\"to\":\"wna\",\"action\":\"masquerade\""), "/source-nat/10/to", "no zone \"wna\""},
    {SNAT("\"to\":\"local\",\"action\":\"masquerade\""), "/source-nat/10/to", "no interface"},
    {DNAT("\"from\":\"wna\",\"translate-to\":\"10.0.0.1\""), "/destination-nat/10/from",
     "no zone \"wna\""},
    {SNAT("\"to\":\"lan\",\"source\":[\"10.0.0.0/8\"],\"destination\":[\"::/0\"],"
          "\"action\":\"none\""),
     "/source-nat/10", "never matches|family"},
    {"{\"destination-nat\":{\"1\":{\"from\":\"lan\",\"protocol\":\"tcp\",\"port\":\"1-40000\","
     "\"translate-to\":\"10.0.0.1:2-40001\"},\"2\":{\"from\":\"lan\",\"protocol\":\"udp\",\"port\":"
     "\"1-40000\",\"translate-to\":\"10.0.0.1:2-40001\"}}}",
     "/destination-nat", "80000 ports|65536"},
};

TEST(every_refused_policy_has_an_error_with_place_and_value)
{
    for (size_t i = 0; i < ARRAY_LEN(bad_policies); i++) {
        const struct bad *bad = &bad_policies[i];
        AUTO(policy) struct policy policy;
        struct orb_err err;

        policy_init(&policy);
        must(&policy, "{\"zones\":{\"lan\":{\"interfaces\":[\"lan0\"]}}}");
        ck_assert_msg(put(&policy, bad->text, &err) == 0, "%s: %s", bad->text, err.text);
        ck_assert_msg(policy_check(&policy, &err) < 0, "taken: %s", bad->text);
        ck_assert_msg(!strcmp(err.path, bad->path), "%s\n  path \"%s\", not \"%s\"", bad->text,
                      err.path, bad->path);
        has_words(err.text, bad->words, bad->text);
    }
}

/* To the appliance, from it and through it, but for what it sends to itself. */
TEST(any_interface_is_not_the_appliance_and_may_be_beside_it)
{
    static const char *const rows[] = {
        RULE("\"from\":\"!local\",\"to\":\"local\",\"action\":\"drop\""),
        RULE("\"from\":\"local\",\"to\":\"!local\",\"action\":\"drop\""),
        RULE("\"from\":\"!local\",\"to\":\"!local\",\"action\":\"drop\"")};
    /* input, output, forward */
    static const bool hooks[][2] = {{false, true}, {true, false}, {false, false}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(policy) struct policy policy;
        struct orb_err err = {0};

        policy_init(&policy);
        must(&policy, rows[i]);
        ck_assert_msg(policy_check(&policy, &err) == 0, "%s: %s", rows[i], err.text);
        for (size_t k = 0; k < ARRAY_LEN(hooks); k++)
            ck_assert_msg(nft_match_hook(&policy.rules[0], hooks[k][0], hooks[k][1]) == (i == k),
                          "%s at hook %zu", rows[i], k);
    }
}

TEST(puts_set_replace_and_delete_by_key)
{
    AUTO(policy) struct policy policy;

    policy_init(&policy);
    must(&policy, "{\"rules\":{\"100\":{\"action\":\"drop\"},\"20\":{\"action\":\"accept\"},"
                  "\"3\":{\"action\":\"reject\"}}}");
    ck_assert_uint_eq(policy.rule_count, 3);
    ck_assert_uint_eq(policy.rules[0].id, 3);
    ck_assert_uint_eq(policy.rules[2].id, 100);
    must(&policy, "{\"tx\":1,\"rules\":{\"20\":null,\"21\":null,\"100\":{\"action\":\"accept\"},"
                  "\"50\":{\"action\":\"drop\"}},\"default\":{\"input\":\"drop\"}}");
    ck_assert_uint_eq(policy.rule_count, 3);
    ck_assert_uint_eq(policy.rules[1].id, 50);
    ck_assert_int_eq(policy.rules[2].action, POLICY_ACCEPT);
    ck_assert_int_eq(policy.defaults.input, POLICY_DROP);
    ck_assert_int_eq(policy.defaults.forward, POLICY_DROP);
    must(&policy, "{\"source-nat\":{\"7\":{\"to\":\"w\",\"action\":\"masquerade\"}},"
                  "\"zones\":{\"w\":{}},"
                  "\"destination-nat\":{\"7\":{\"translate-to\":\"[fd00::1]:80\","
                  "\"protocol\":\"tcp\",\"port\":\"8080\"}}}");
    ck_assert_uint_eq(policy.nat_count, 2);
    ck_assert_uint_eq(policy.nat[0].to_ports.lo, 80);
    ck_assert_int_eq(policy.nat[0].to_address.family, AF_INET6);
    must(&policy, "{\"source-nat\":{\"7\":null}}");
    ck_assert_uint_eq(policy.nat_count, 1);
    ck_assert(!policy.nat[0].source);
    must(&policy, "{\"notrack\":{\"20\":{\"from\":\"w\"},\"3\":{\"action\":\"none\"}}}");
    ck_assert_uint_eq(policy.notrack_count, 2);
    ck_assert_int_eq(policy.notracks[0].action, POLICY_ACCEPT);
    ck_assert_int_eq(policy.notracks[1].action, POLICY_NOTRACK);
    must(&policy, "{\"notrack\":{\"3\":null}}");
    ck_assert_uint_eq(policy.notrack_count, 1);
    ck_assert_uint_eq(policy.notracks[0].id, 20);
}

TEST(what_the_appliance_sends_is_translated_in_a_chain_of_its_own)
{
    static const char own[] =
        "chain nat_output {\ntype nat hook output priority -100; policy accept;\nmeta nfproto ipv4 "
        "fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto 6 tcp dport 80 dnat ip to "
        "10.0.0.1\n}\n";
    AUTO(policy) struct policy policy;
    AUTO(buf) struct buf none = {0}, nft = {0};

    policy_init(&policy);
    nft_change_policy(&policy, NULL, 1, &none);
    ck_assert_ptr_null(strstr(buf_str(&none), "nat_output"));
    must(&policy, DNAT("\"from\":\"local\",\"protocol\":\"tcp\",\"port\":\"80\","
                       "\"translate-to\":\"10.0.0.1\""));
    ck_assert_int_eq(policy_check(&policy, NULL), 0);
    nft_change_policy(&policy, NULL, 1, &nft);
    ck_assert_msg(strstr(buf_str(&nft), own) != NULL, "%s", buf_str(&nft));
    ck_assert_ptr_nonnull(
        strstr(buf_str(&nft), "hook prerouting priority dstnat; policy accept;\n}"));
}

/* How a list of addresses or ports of rule 10 reads, as nft text. */
static void expect_list(const char *member, const char *list, const char *text)
{
    AUTO_FREE char *put_text =
        buf_format("{\"rules\":{\"10\":{\"action\":\"drop\",\"protocol\":\"tcp\",\"%s\":[%s]}}}",
                   member, list);
    AUTO(policy) struct policy policy;
    AUTO(buf) struct buf nft = {0};

    policy_init(&policy);
    must(&policy, put_text);
    nft_change_policy(&policy, NULL, 1, &nft);
    ck_assert_msg(strstr(buf_str(&nft), text) != NULL, "%s: no \"%s\" in\n%s", list, text,
                  buf_str(&nft));
}

TEST(what_is_taken_out_is_out_and_nothing_else)
{
    expect_list("source", "\"!10.0.0.0/8\"",
                "ip saddr { 0.0.0.0-9.255.255.255, 11.0.0.0-255.255.255.255 } ");
    expect_list("source", "\"!0.0.0.0/1\"", "ip saddr 128.0.0.0/1 ");
    expect_list("source", "\"!255.255.255.255\",\"!0.0.0.0\"", "ip saddr 0.0.0.1-255.255.255.254 ");
    expect_list("source", "\"10.0.0.0/24\",\"!10.0.0.7\",\"!10.0.0.9-10.0.0.255\",\"!9.0.0.0/8\"",
                "ip saddr { 10.0.0.0-10.0.0.6, 10.0.0.8 } ");
    expect_list("source", "\"10.0.0.0/24\",\"10.9.0.0/24\",\"!10.0.0.128-10.9.0.127\"",
                "ip saddr { 10.0.0.0/25, 10.9.0.128/25 } ");
    expect_list("destination", "\"!8000::/1\"", "ip6 daddr ::/1 ");
    expect_list("destination", "\"!2001:db8::\"",
                "ip6 daddr { ::-2001:db7:ffff:ffff:ffff:ffff:ffff:ffff, "
                "2001:db8::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff } ");
    expect_list("source-ports", "\"!53\"", "tcp sport { 0-52, 54-65535 } ");
    expect_list("source-ports", "\"!0\",\"!65535\"", "tcp sport 1-65534 ");
    expect_list("destination-ports", "\"20-30\",\"40\",\"!22-25\",\"!30\"",
                "tcp dport { 20-21, 26-29, 40 } ");
}

TEST(a_translated_port_excludes_ports_of_1_to_65535)
{
    AUTO(policy) struct policy policy;
    AUTO(buf) struct buf nft = {0};

    policy_init(&policy);
    must(&policy, DNAT("\"from\":\"local\",\"protocol\":\"tcp\",\"port\":[\"!80\",\"!443\"],"
                       "\"translate-to\":\"10.0.0.1\""));
    ck_assert_int_eq(policy_check(&policy, NULL), 0);
    nft_change_policy(&policy, NULL, 1, &nft);
    ck_assert_msg(strstr(buf_str(&nft), "tcp dport { 1-79, 81-442, 444-65535 } dnat ip to "
                                        "10.0.0.1") != NULL,
                  "%s", buf_str(&nft));
}

TEST(a_list_that_only_takes_out_holds_for_the_families_it_names)
{
    AUTO(policy) struct policy policy;

    policy_init(&policy);
    must(&policy, "{\"rules\":{\"1\":{\"action\":\"drop\",\"source\":[\"!10.0.0.0/8\"]},"
                  "\"2\":{\"action\":\"drop\",\"source\":[\"!10.0.0.0/8\",\"!fd00::/8\"]},"
                  "\"3\":{\"action\":\"drop\",\"source\":[\"10.0.0.0/8\",\"!fd00::/8\"]}}}");
    ck_assert_uint_eq(policy_rule_families(&policy.rules[0]), POLICY_IPV4);
    ck_assert_uint_eq(policy_rule_families(&policy.rules[1]), POLICY_IPV4 | POLICY_IPV6);
    ck_assert_uint_eq(policy_rule_families(&policy.rules[2]), POLICY_IPV4);
}

TEST(addresses_and_ports_are_joined)
{
    AUTO(policy) struct policy policy, copy;
    AUTO(buf) struct buf text = {0};

    policy_init(&policy);
    policy_init(&copy);
    must(&policy, RULE("\"protocol\":\"tcp\",\"action\":\"drop\","
                       "\"source\":[\"10.0.1.0/24\",\"10.0.0.0/24\",\"::/0\",\"10.0.0.7\","
                       "\"255.255.255.255\",\"10.9.0.1-10.9.0.2\"],"
                       "\"source-ports\":[\"80\",\"82-90\",\"81\",\"0\",\"65535\"]"));
    ck_assert_int_eq(policy_copy(&policy, &copy), 0);
    ck_assert_uint_eq(copy.rules[0].source_count, 4);
    for (unsigned i = 0; i < 4; i++) {
        policy_text_print_range(&text, &copy.rules[0].sources[i]);
        buf_addc(&text, ' ');
    }
    ck_assert_str_eq(buf_str(&text), "10.0.0.0/23 10.9.0.1-10.9.0.2 255.255.255.255 ::/0 ");
    ck_assert_uint_eq(copy.rules[0].source_port_count, 3);
    ck_assert_uint_eq(copy.rules[0].source_ports[1].hi, 90);
}

TEST(families_follow_addresses_and_protocol)
{
    AUTO(policy) struct policy policy;

    policy_init(&policy);
    must(&policy, "{\"rules\":{\"1\":{\"action\":\"drop\"},"
                  "\"2\":{\"action\":\"drop\",\"protocol\":\"icmpv6\"},"
                  "\"3\":{\"action\":\"drop\",\"source\":[\"10.0.0.1\",\"fd00::1\"]},"
                  "\"4\":{\"action\":\"drop\",\"source\":[\"10.0.0.1\",\"fd00::1\"],"
                  "\"destination\":[\"fd00::/8\"]}}}");
    ck_assert_uint_eq(policy_rule_families(&policy.rules[0]), POLICY_IPV4 | POLICY_IPV6);
    ck_assert_uint_eq(policy_rule_families(&policy.rules[1]), POLICY_IPV6);
    ck_assert_uint_eq(policy_rule_families(&policy.rules[2]), POLICY_IPV4 | POLICY_IPV6);
    ck_assert_uint_eq(policy_rule_families(&policy.rules[3]), POLICY_IPV6);
}
