/* Which connections a change of policy ends: each row is two policies, a connection as conntrack
 * has it, its way, and what becomes of it. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "bpf/abi.h"
#include "core/base/own.h"
#include "dataplane/revalidate.h"
#include "test/lib/harness.h"

#define ZONES "\"zones\":{\"lan\":{\"interfaces\":[\"lan0\"]},\"wan\":{\"interfaces\":[\"wan0\"]}}"
#define RULES(text) "{" ZONES ",\"rules\":{" text "}}"
#define DNAT(text) "{" ZONES ",\"destination-nat\":{" text "}," ACCEPT "}"
#define SNAT(text) "{" ZONES ",\"source-nat\":{" text "}," ACCEPT "}"
#define ACCEPT "\"default\":{\"forward\":\"accept\"}"
#define WEB "\"protocol\":\"tcp\",\"destination-ports\":[\"80\"],"

static void put(struct policy *policy, const char *text)
{
    struct orb_err err = {0};

    policy_init(policy);
    ck_assert_msg(policy_put(policy, text, strlen(text), &err) == 0, "%s: %s: %s", text, err.path,
                  err.text);
    ck_assert_msg(policy_check(policy, &err) == 0, "%s: %s: %s", text, err.path, err.text);
}

/* "ADDRESS/PORT" */
static void read_end(const char *text, struct flow *flow, struct flow_end *end)
{
    char address[64];
    unsigned port = 0;

    ck_assert_msg(sscanf(text, "%63[^/]/%u", address, &port) == 2, "%s", text);
    flow->family = strchr(address, ':') ? AF_INET6 : AF_INET;
    ck_assert_msg(inet_pton(flow->family, address, end->address) == 1, "%s", text);
    end->port = (uint16_t)port;
}

/* "tcp SOURCE DESTINATION", then what the answers are from and for where that differs, then
 * "mark=N". */
static struct flow flow_of(const char *text)
{
    char protocol[8], source[64], destination[64], from[64] = "", to[64] = "";
    const char *mark = strstr(text, "mark=");
    struct flow flow = {.mark = mark ? (uint32_t)strtoul(mark + 5, NULL, 10) : 0};
    int n = sscanf(text, "%7s %63s %63s %63s %63s", protocol, source, destination, from, to);

    ck_assert_int_ge(n, 3);
    flow.protocol = !strcmp(protocol, "tcp")    ? IPPROTO_TCP
                    : !strcmp(protocol, "udp")  ? IPPROTO_UDP
                    : !strcmp(protocol, "icmp") ? IPPROTO_ICMP
                                                : 47;
    flow.icmp_type = 8;
    read_end(source, &flow, &flow.original[0]);
    read_end(destination, &flow, &flow.original[1]);
    flow.reply[0] = flow.original[1];
    flow.reply[1] = flow.original[0];
    if (n >= 4 && strncmp(from, "mark=", 5) && *from != '-')
        read_end(from, &flow, &flow.reply[0]);
    if (n >= 5 && strncmp(to, "mark=", 5))
        read_end(to, &flow, &flow.reply[1]);
    return flow;
}

static const char *const fates[] = {
    [REVALIDATE_STAYS] = "stays",           [REVALIDATE_DROPPED] = "dropped",
    [REVALIDATE_REJECTED] = "rejected",     [REVALIDATE_UNSURE] = "unsure",
    [REVALIDATE_TRANSLATED] = "translated", [REVALIDATE_UNTRACKED] = "untracked"};

/* way: "lan0>wan0", ">wan0" from the appliance, "wan0>" to it; "own": what it was sent to is the
 * appliance's; "hidden": masqueraded. */
static struct flow_way way_of(const char *text, char in[16], char out[16])
{
    const char *middle = strchr(text, '>');
    struct flow_way way = {.in = in, .out = out};

    snprintf(in, 16, "%.*s", (int)(middle - text), text);
    snprintf(out, 16, "%.*s", (int)strcspn(middle + 1, " "), middle + 1);
    way.hook = !*in ? FLOW_HOOK_OUTPUT : !*out ? FLOW_HOOK_INPUT : FLOW_HOOK_FORWARD;
    way.own = strstr(text, " own") || way.hook == FLOW_HOOK_INPUT;
    way.hidden = strstr(text, " hidden");
    return way;
}

/* As the walk decides; before NULL: unknown. */
static enum revalidate_fate fate_of(const struct policy *before, const struct policy *now,
                                    const struct flow *flow, const struct flow_way *way)
{
    enum revalidate_fate fate = REVALIDATE_STAYS;
    struct revalidate revalidate;

    revalidate_init(&revalidate, now, NULL, before, NULL);
    if (!revalidate_settled(&revalidate, flow))
        fate = revalidate_flow(&revalidate, flow, way, false);
    if (revalidate_idle(&revalidate))
        ck_assert_int_eq(fate, REVALIDATE_STAYS);
    revalidate_fini(&revalidate);
    return fate;
}

struct row {
    const char *what, *before, *now, *flow, *way, *fate;
};

#define FLOW "tcp 10.1.0.2/4000 192.0.2.9/80 "
#define ACCEPTED "\"10\":{\"from\":\"lan\",\"to\":\"wan\"," WEB "\"action\":\"accept\"}"
#define OPEN RULES(ACCEPTED)
#define LOCAL "tcp 192.0.2.9/4000 192.0.2.2/22 "
#define SSH                                                                                        \
    "\"10\":{\"from\":\"wan\",\"to\":\"local\",\"protocol\":\"tcp\",\"destination-ports\":["       \
    "\"22\"],"                                                                                     \
    "\"action\":\"accept\"}"
#define INPUT(rules, action)                                                                       \
    "{" ZONES ",\"default\":{\"input\":\"" action "\"},\"rules\":{" rules "}}"
#define OUTPUT(rules, action)                                                                      \
    "{" ZONES ",\"default\":{\"output\":\"" action "\"},\"rules\":{" rules "}}"
#define OUT "tcp 192.0.2.2/4000 192.0.2.9/80 "
#define MOVED(lan, wan)                                                                            \
    "{\"zones\":{\"lan\":{\"interfaces\":[" lan "]},\"wan\":{\"interfaces\":[" wan                 \
    "]}},\"rules\":{" ACCEPTED "}}"
#define LISTED(list) RULES("\"10\":{\"source\":[" list "],\"action\":\"accept\"}")

static const struct row rule_rows[] = {
    {"nothing changes", OPEN, OPEN, FLOW "mark=10", "lan0>wan0", "stays"},
    {"the rule is removed", OPEN, RULES(""), FLOW "mark=10", "lan0>wan0", "dropped"},
    {"another rule accepts it", OPEN, RULES("\"20\":{\"from\":\"lan\",\"action\":\"accept\"}"),
     FLOW "mark=10", "lan0>wan0", "stays"},
    {"a rule before it refuses", OPEN, RULES("\"5\":{\"action\":\"drop\"}," ACCEPTED),
     FLOW "mark=10", "lan0>wan0", "dropped"},
    {"and reports it", OPEN, RULES("\"5\":{\"action\":\"reject\"}," ACCEPTED), FLOW "mark=10",
     "lan0>wan0", "rejected"},
    {"a rule before it is for others", OPEN,
     RULES("\"5\":{\"source\":[\"10.9.0.0/16\"],\"action\":\"drop\"}," ACCEPTED), FLOW "mark=10",
     "lan0>wan0", "stays"},
    {"a rule behind it refuses", OPEN, RULES("\"15\":{\"action\":\"drop\"}," ACCEPTED),
     FLOW "mark=10", "lan0>wan0", "stays"},
    {"an earlier entry was there, whatever the routes say",
     RULES("\"5\":{\"from\":\"wan\",\"action\":\"drop\"}," ACCEPTED),
     RULES("\"5\":{\"from\":\"wan\",\"action\":\"drop\"}," ACCEPTED
           ",\"7\":{\"action\":\"accept\",\"protocol\":\"udp\"}"),
     FLOW "mark=10", "wan0>wan0", "stays"},
    {"the order changes", RULES(ACCEPTED ",\"20\":{\"action\":\"drop\"}"),
     RULES("\"5\":{\"action\":\"drop\"},\"10\":{\"from\":\"lan\",\"to\":\"wan\"," WEB
           "\"action\":\"accept\"}"),
     FLOW "mark=10", "lan0>wan0", "dropped"},
    {"only its rate changes", RULES("\"10\":{\"limit\":{\"rate\":5},\"action\":\"accept\"}"),
     RULES("\"10\":{\"limit\":{\"rate\":9},\"action\":\"accept\"}"), FLOW "mark=10", "lan0>wan0",
     "stays"},
    {"an address leaves the group", LISTED("\"10.1.0.2\",\"10.1.0.3\""), LISTED("\"10.1.0.3\""),
     FLOW "mark=10", "lan0>wan0", "dropped"},
    {"another address leaves it", LISTED("\"10.1.0.2\",\"10.1.0.3\""), LISTED("\"10.1.0.2\""),
     FLOW "mark=10", "lan0>wan0", "stays"},
    {"an address joins it", LISTED("\"10.1.0.2\""), LISTED("\"10.1.0.2\",\"10.1.0.3\""),
     FLOW "mark=10", "lan0>wan0", "stays"},
    {"its interface leaves the zone", MOVED("\"lan0\",\"lan1\"", "\"wan0\""),
     MOVED("\"lan1\"", "\"wan0\""), FLOW "mark=10", "lan0>wan0", "dropped"},
    {"another interface leaves it", MOVED("\"lan0\",\"lan1\"", "\"wan0\""),
     MOVED("\"lan0\"", "\"wan0\""), FLOW "mark=10", "lan0>wan0", "stays"},
    {"its interface joins the other zone", MOVED("\"lan0\"", "\"wan0\""),
     MOVED("\"lan1\"", "\"wan0\",\"lan0\""), FLOW "mark=10", "lan0>wan0", "dropped"},
    {"the default refuses", "{" ZONES "," ACCEPT "}", RULES(""), FLOW "mark=100000001", "lan0>wan0",
     "dropped"},
    {"the default reports it", "{" ZONES "," ACCEPT "}",
     "{" ZONES ",\"default\":{\"forward\":\"reject\"}}", FLOW "mark=100000001", "lan0>wan0",
     "rejected"},
    {"the default stays", "{" ZONES "," ACCEPT "}",
     "{" ZONES "," ACCEPT ",\"rules\":{\"9\":{\"protocol\":\"udp\",\"action\":\"drop\"}}}",
     FLOW "mark=100000001", "lan0>wan0", "stays"},
    {"the default of input is another one", "{" ZONES "," ACCEPT "}",
     "{" ZONES ",\"default\":{\"forward\":\"accept\",\"input\":\"drop\"}}", FLOW "mark=100000001",
     "lan0>wan0", "stays"},
    {"IPv6", RULES("\"10\":{\"source\":[\"2001:db8::/32\"],\"action\":\"accept\"}"),
     RULES("\"10\":{\"source\":[\"2001:db9::/32\"],\"action\":\"accept\"}"),
     "udp 2001:db8::2/4000 2001:db8:9::9/80 mark=10", "lan0>wan0", "dropped"},
    {"ICMP by its type",
     RULES("\"10\":{\"protocol\":\"icmp\",\"icmp-type\":\"echo-request\",\"action\":\"accept\"}"),
     RULES("\"10\":{\"protocol\":\"icmp\",\"icmp-type\":\"timestamp-request\",\"action\":"
           "\"accept\"}"),
     "icmp 10.1.0.2/0 192.0.2.9/0 mark=10", "lan0>wan0", "dropped"},
    {"a MAC address may be its sender's", OPEN,
     RULES("\"5\":{\"source-mac\":[\"02:00:00:00:00:01\"],\"action\":\"drop\"}," ACCEPTED),
     FLOW "mark=10", "lan0>wan0", "unsure"},
    {"what accepted it by MAC address is unchanged",
     RULES("\"10\":{\"source-mac\":[\"02:00:00:00:00:01\"],\"action\":\"accept\"}"),
     RULES("\"10\":{\"source-mac\":[\"02:00:00:00:00:01\"],\"action\":\"accept\"},"
           "\"8\":{\"protocol\":\"udp\",\"action\":\"drop\"}"),
     FLOW "mark=10", "lan0>wan0", "stays"},
    {"what accepted it by MAC address is for another zone now", MOVED("\"lan0\"", "\"wan0\""),
     "{\"zones\":{\"lan\":{\"interfaces\":[\"lan1\"]},\"wan\":{\"interfaces\":[\"wan0\"]}},"
     "\"rules\":{\"10\":{\"from\":\"lan\",\"source-mac\":[\"02:00:00:00:00:01\"],"
     "\"action\":\"accept\"}}}",
     FLOW "mark=10", "lan0>wan0", "dropped"},
    {"rules for what is established are nftables' own", OPEN,
     RULES("\"5\":{\"state\":[\"established\"],\"action\":\"drop\"}," ACCEPTED), FLOW "mark=10",
     "lan0>wan0", "stays"},
    {"unknown before, accepted now", NULL, OPEN, FLOW "mark=10", "lan0>wan0", "stays"},
    {"unknown before, refused now", NULL, RULES(""), FLOW "mark=10", "lan0>wan0", "dropped"},
};

static const struct row local_rows[] = {
    {"input: the rule is removed", INPUT(SSH, "drop"), INPUT("", "drop"), LOCAL "mark=10", "wan0>",
     "dropped"},
    {"input: a rule refuses", INPUT(SSH, "drop"),
     INPUT("\"5\":{\"to\":\"local\",\"source\":[\"192.0.2.9\"],\"action\":\"reject\"}," SSH,
           "drop"),
     LOCAL "mark=10", "wan0>", "rejected"},
    {"input: a rule without zones refuses", INPUT(SSH, "drop"),
     INPUT("\"5\":{\"source\":[\"192.0.2.9\"],\"action\":\"drop\"}," SSH, "drop"), LOCAL "mark=10",
     "wan0>", "dropped"},
    {"input: a rule about forwarding is none", INPUT(SSH, "drop"),
     INPUT("\"5\":{\"to\":\"lan\",\"action\":\"drop\"}," SSH, "drop"), LOCAL "mark=10", "wan0>",
     "stays"},
    {"input: a rule for the other zone is none", INPUT(SSH, "drop"),
     INPUT("\"5\":{\"from\":\"lan\",\"to\":\"local\",\"action\":\"drop\"}," SSH, "drop"),
     LOCAL "mark=10", "wan0>", "stays"},
    {"input: the default refuses", INPUT("", "accept"), INPUT("", "drop"), LOCAL "mark=100000002",
     "wan0>", "dropped"},
    {"input: a rule accepts what the default did", INPUT("", "accept"), INPUT(SSH, "drop"),
     LOCAL "mark=100000002", "wan0>", "stays"},
    {"input: a rule for anything but a zone", INPUT(SSH, "drop"),
     INPUT("\"5\":{\"from\":\"!lan\",\"to\":\"local\",\"action\":\"drop\"}," SSH, "drop"),
     LOCAL "mark=10", "wan0>", "dropped"},
    {"output: a rule refuses", OUTPUT("", "accept"),
     OUTPUT("\"5\":{\"from\":\"local\",\"to\":\"wan\"," WEB "\"action\":\"drop\"}", "accept"),
     OUT "mark=100000003", ">wan0", "dropped"},
    {"output: a rule about input is none", OUTPUT("", "accept"),
     OUTPUT("\"5\":{\"from\":\"wan\",\"to\":\"local\",\"action\":\"drop\"}", "accept"),
     OUT "mark=100000003", ">wan0", "stays"},
    {"output: the default refuses", OUTPUT("", "accept"), OUTPUT("", "reject"),
     OUT "mark=100000003", ">wan0", "rejected"},
    {"output: a rule from a zone is none", OUTPUT("", "accept"),
     OUTPUT("\"5\":{\"from\":\"lan\",\"action\":\"drop\"}", "accept"), OUT "mark=100000003",
     ">wan0", "stays"},
};

#define TO(port, to)                                                                               \
    "\"10\":{\"from\":\"wan\",\"protocol\":\"udp\",\"port\":\"" port "\",\"translate-to\":\"" to   \
    "\"}"
#define SENT "udp 192.0.2.9/5060 192.0.2.2/5060 "
#define TRANSLATED SENT "10.1.0.2/5060 192.0.2.9/5060 mark=100000001"
#define PLAIN SENT "mark=100000001"
#define HIDE "\"10\":{\"to\":\"wan\",\"action\":\"masquerade\"}"
#define LEAVES "udp 10.1.0.2/4000 192.0.2.9/53 "
#define HIDDEN LEAVES "- 192.0.2.2/4000 mark=100000001"

#define OWN_TO(to) "\"10\":{\"from\":\"local\",\"protocol\":\"udp\",\"translate-to\":\"" to "\"}"
#define OWN "udp 192.0.2.2/4000 192.0.2.2/5060 "

static const struct row nat_rows[] = {
    {"the target stays", DNAT(TO("5060", "10.1.0.2")), DNAT(TO("5060", "10.1.0.2:5060")),
     TRANSLATED, "wan0>lan0 own", "stays"},
    {"the target and its rule change",
     "{" ZONES ",\"destination-nat\":{" TO(
         "5060", "10.1.0.2") "},\"rules\":{\"10\":{"
                             "\"destination\":[\"10.1.0.2\"],\"action\":\"accept\"}}}",
     "{" ZONES ",\"destination-nat\":{" TO(
         "5060", "10.1.0.3") "},\"rules\":{\"10\":{"
                             "\"destination\":[\"10.1.0.3\"],\"action\":\"accept\"}}}",
     SENT "10.1.0.2/5060 192.0.2.9/5060 mark=10", "wan0>lan0 own", "translated"},
    {"the target is removed with its rule",
     "{" ZONES ",\"destination-nat\":{" TO(
         "5060", "10.1.0.2") "},\"rules\":{\"10\":{"
                             "\"destination\":[\"10.1.0.2\"],\"action\":\"accept\"}}}",
     RULES(""), SENT "10.1.0.2/5060 192.0.2.9/5060 mark=10", "wan0>lan0 own", "dropped"},
    {"the target changes", DNAT(TO("5060", "10.1.0.2")), DNAT(TO("5060", "10.1.0.3")), TRANSLATED,
     "wan0>lan0 own", "translated"},
    {"its port changes", DNAT(TO("5060", "10.1.0.2")), DNAT(TO("5060", "10.1.0.2:5061")),
     TRANSLATED, "wan0>lan0 own", "translated"},
    {"the entry is removed", DNAT(TO("5060", "10.1.0.2")), DNAT(""), TRANSLATED, "wan0>lan0 own",
     "translated"},
    {"an entry comes", DNAT(""), DNAT(TO("5060", "10.1.0.2")), PLAIN, "wan0> own", "translated"},
    {"an entry for another port comes", DNAT(""), DNAT(TO("5061", "10.1.0.2")), PLAIN, "wan0> own",
     "stays"},
    {"an entry for the appliance's addresses is none for others", DNAT(""),
     DNAT(TO("5060", "10.1.0.2")), PLAIN, "wan0>lan0", "stays"},
    {"a range is shifted", DNAT(TO("5060-5069", "10.1.0.2:5060-5069")),
     DNAT(TO("5060-5069", "10.1.0.2:6060-6069")), TRANSLATED, "wan0>lan0 own", "translated"},
    {"a range grows", DNAT(TO("5060-5069", "10.1.0.2:5060-5069")),
     DNAT(TO("5050-5069", "10.1.0.2:5050-5069")), TRANSLATED, "wan0>lan0 own", "stays"},
    {"a shifted range stays where the port is", DNAT(TO("5060-5069", "10.1.0.2:6060-6069")),
     DNAT(TO("5060", "10.1.0.2:6060")), SENT "10.1.0.2/6060 192.0.2.9/5060 mark=100000001",
     "wan0>lan0 own", "stays"},
    {"an exception comes first", DNAT(TO("5060", "10.1.0.2")),
     DNAT("\"5\":{\"source\":[\"192.0.2.9\"],\"action\":\"none\"}," TO("5060", "10.1.0.2")),
     TRANSLATED, "wan0>lan0 own", "translated"},
    {"an exception for others", DNAT(TO("5060", "10.1.0.2")),
     DNAT("\"5\":{\"source\":[\"192.0.2.8\"],\"action\":\"none\"}," TO("5060", "10.1.0.2")),
     TRANSLATED, "wan0>lan0 own", "stays"},
    {"others translated it, and this policy never did", DNAT(""), DNAT(TO("99", "10.1.0.9")),
     TRANSLATED, "wan0>lan0 own", "stays"},
    {"what the appliance sends is not of a zone", DNAT(OWN_TO("10.1.0.2")),
     DNAT(TO("5060", "10.1.0.3")), OWN "10.1.0.2/5060 192.0.2.2/4000", ">lan0 own", "translated"},
    {"what comes from a zone is not the appliance's", DNAT(TO("5060", "10.1.0.2")),
     DNAT(TO("5060", "10.1.0.2") ",\"20\":{\"from\":\"local\",\"translate-to\":\"10.1.0.9\"}"),
     TRANSLATED, "wan0>lan0 own", "stays"},
    {"the target of the appliance's own changes", DNAT(OWN_TO("10.1.0.2")),
     DNAT(OWN_TO("10.1.0.3")), OWN "10.1.0.2/5060 192.0.2.2/4000", ">lan0 own", "translated"},
    {"what the appliance sent to itself met no rules",
     "{" ZONES ",\"destination-nat\":{" OWN_TO("10.1.0.2") "}}",
     "{" ZONES ",\"default\":{\"output\":\"drop\"},\"destination-nat\":{" OWN_TO("10.1.0.2") "}}",
     OWN "10.1.0.2/5060 192.0.2.2/4000", ">lan0 own", "stays"},
    {"what is sent elsewhere met them by another interface",
     "{" ZONES ",\"destination-nat\":{\"10\":{\"from\":\"local\",\"destination\":[\"192.0.2.9\"],"
     "\"translate-to\":\"10.1.0.2\"}}}",
     "{" ZONES ",\"default\":{\"output\":\"drop\"},\"destination-nat\":{\"10\":{\"from\":\"local\","
     "\"destination\":[\"192.0.2.9\"],\"translate-to\":\"10.1.0.2\"}}}",
     "udp 192.0.2.2/4000 192.0.2.9/5060 10.1.0.2/5060 192.0.2.2/4000 mark=100000003", ">lan0",
     "unsure"},
    {"masquerade comes", SNAT(""), SNAT(HIDE), LEAVES "mark=100000001", "lan0>wan0", "translated"},
    {"masquerade is removed", SNAT(HIDE), SNAT(""), HIDDEN, "lan0>wan0 hidden", "translated"},
    {"masquerade by another entry", SNAT(HIDE),
     SNAT("\"20\":{\"to\":\"wan\",\"source\":[\"10.1.0.0/24\"],\"action\":\"masquerade\"}"), HIDDEN,
     "lan0>wan0 hidden", "stays"},
    {"masquerade becomes an address", SNAT(HIDE),
     SNAT("\"10\":{\"to\":\"wan\",\"translate-to\":\"192.0.2.7\"}"), HIDDEN, "lan0>wan0 hidden",
     "translated"},
    {"masquerade becomes the same address", SNAT(HIDE),
     SNAT("\"10\":{\"to\":\"wan\",\"translate-to\":\"192.0.2.2\"}"), HIDDEN, "lan0>wan0 hidden",
     "stays"},
    {"an address becomes masquerade",
     SNAT("\"10\":{\"to\":\"wan\",\"translate-to\":\"192.0.2.7\"}"), SNAT(HIDE),
     LEAVES "- 192.0.2.7/4000 mark=100000001", "lan0>wan0", "translated"},
    {"the destination is excepted", SNAT(HIDE),
     SNAT("\"5\":{\"to\":\"wan\",\"destination\":[\"192.0.2.0/24\"],\"action\":\"none\"}," HIDE),
     HIDDEN, "lan0>wan0 hidden", "translated"},
    {"another destination is excepted", SNAT(HIDE),
     SNAT("\"5\":{\"to\":\"wan\",\"destination\":[\"198.51.100.0/24\"],\"action\":\"none\"}," HIDE),
     HIDDEN, "lan0>wan0 hidden", "stays"},
    {"what leaves by another zone", SNAT(""), SNAT(HIDE), LEAVES "mark=100000001", "wan0>lan0",
     "stays"},
    {"hairpin: source NAT to the zone it came from is removed",
     SNAT("\"10\":{\"to\":\"lan\",\"source\":[\"10.1.0.0/24\"],\"action\":\"masquerade\"}"),
     SNAT(""), "tcp 10.1.0.9/4000 192.0.2.2/80 10.1.0.2/80 10.1.0.1/4000 mark=100000001",
     "lan0>lan0 own hidden", "translated"},
    {"what the appliance sends is masqueraded, too", SNAT(""), SNAT(HIDE),
     "udp 10.9.0.1/4000 192.0.2.9/53 mark=100000003", ">wan0", "translated"},
    {"and keeps the address it would get", SNAT(""), SNAT(HIDE),
     "udp 192.0.2.2/4000 192.0.2.9/53 mark=100000003", ">wan0 hidden", "stays"},
    {"IPv6 is masqueraded only where it is named", SNAT(""), SNAT(HIDE),
     "udp 2001:db8::2/4000 2001:db8:9::9/53 mark=100000001", "lan0>wan0", "stays"},
    {"IPv6 target",
     DNAT("\"10\":{\"from\":\"wan\",\"protocol\":\"udp\",\"port\":\"53\",\"translate-to\":\"fd00::"
          "2\"}"),
     DNAT("\"10\":{\"from\":\"wan\",\"protocol\":\"udp\",\"port\":\"53\",\"translate-to\":\"fd00::"
          "3\"}"),
     "udp 2001:db8:9::9/4000 2001:db8::1/53 fd00::2/53 2001:db8:9::9/4000 mark=100000001",
     "wan0>lan0 own", "translated"},
};

#define TRACK(text) "{" ZONES ",\"notrack\":{" text "}," ACCEPT "}"
#define DNS "\"10\":{\"from\":\"lan\",\"protocol\":\"udp\",\"destination-ports\":[\"53\"]}"
#define ASKS "udp 10.1.0.2/4000 192.0.2.9/53 "

static const struct row track_rows[] = {
    {"notrack comes", TRACK(""), TRACK(DNS), ASKS "mark=100000001", "lan0>wan0", "untracked"},
    {"notrack for another port", TRACK(""), TRACK(DNS),
     "udp 10.1.0.2/4000 192.0.2.9/54 mark=100000001", "lan0>wan0", "stays"},
    {"notrack from another zone", TRACK(""), TRACK(DNS), ASKS "mark=100000001", "wan0>lan0",
     "stays"},
    {"notrack is removed", TRACK(DNS), TRACK(""), ASKS "mark=100000001", "lan0>wan0", "stays"},
    {"it was not tracked before", TRACK(DNS), TRACK(DNS ",\"20\":{\"protocol\":\"47\"}"),
     ASKS "mark=100000001", "lan0>wan0", "stays"},
    {"not known what was tracked", NULL, TRACK(DNS), ASKS "mark=100000001", "lan0>wan0", "stays"},
    {"an exception before it", TRACK(""),
     TRACK("\"5\":{\"source\":[\"10.1.0.2\"],\"action\":\"none\"}," DNS), ASKS "mark=100000001",
     "lan0>wan0", "stays"},
    {"its answers alone", TRACK(""),
     TRACK("\"10\":{\"from\":\"wan\",\"source\":[\"192.0.2.0/24\"]}"), ASKS "mark=100000001",
     "lan0>wan0", "untracked"},
    {"what the appliance sends", TRACK(""),
     TRACK("\"10\":{\"from\":\"local\",\"protocol\":\"udp\"}"),
     "udp 192.0.2.2/4000 192.0.2.9/53 mark=100000003", ">wan0", "untracked"},
    {"what the appliance answers", TRACK(""),
     TRACK("\"10\":{\"from\":\"local\",\"protocol\":\"udp\"}"),
     "udp 192.0.2.9/4000 192.0.2.2/53 mark=100000002", "wan0>", "untracked"},
    {"what is forwarded is not the appliance's", TRACK(""),
     TRACK("\"10\":{\"from\":\"local\",\"protocol\":\"udp\"}"), ASKS "mark=100000001", "lan0>wan0",
     "stays"},
};

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        AUTO(policy) struct policy before = {0}, now = {0};
        struct flow flow = flow_of(rows[i].flow);
        char in[16], out[16];
        struct flow_way way = way_of(rows[i].way, in, out);
        enum revalidate_fate fate;

        if (rows[i].before)
            put(&before, rows[i].before);
        put(&now, rows[i].now);
        fate = fate_of(rows[i].before ? &before : NULL, &now, &flow, &way);
        ck_assert_msg(!strcmp(fates[fate], rows[i].fate), "%s: it is %s, and should be %s",
                      rows[i].what, fates[fate], rows[i].fate);
    }
}

TEST(rules_that_change_end_what_they_refuse_and_nothing_else)
{
    check_rows(rule_rows, ARRAY_LEN(rule_rows));
}

TEST(rules_for_input_and_output_end_connections_of_the_appliance)
{
    check_rows(local_rows, ARRAY_LEN(local_rows));
}

TEST(a_translation_that_changes_ends_what_it_was_made_for)
{
    check_rows(nat_rows, ARRAY_LEN(nat_rows));
}

TEST(what_is_no_longer_tracked_ends)
{
    check_rows(track_rows, ARRAY_LEN(track_rows));
}

TEST(the_way_that_explains_mark_and_translation_is_found)
{
    AUTO(policy) struct policy policy = {0};
    struct flow flow =
        flow_of("udp 192.0.2.9/5060 192.0.2.2/5060 10.1.0.2/5060 192.0.2.9/5060 mark=10");
    char in[16], out[16];
    struct flow_way right = way_of("wan0>lan0 own", in, out), wrong = right;
    struct revalidate revalidate;

    put(&policy, "{" ZONES ",\"destination-nat\":{" TO(
                     "5060", "10.1.0.2") "},\"rules\":{\"10\":{"
                                         "\"from\":\"wan\",\"action\":\"accept\"}}}");
    wrong.in = "lan0";
    revalidate_init(&revalidate, &policy, NULL, &policy, NULL);
    ck_assert_int_eq(revalidate_explains(&revalidate, &flow, &right), REVALIDATE_EXPLAINED);
    ck_assert_int_eq(revalidate_explains(&revalidate, &flow, &wrong), 0);
    revalidate_fini(&revalidate);
}

TEST(what_was_ended_continues_when_it_is_accepted_again)
{
    AUTO(policy) struct policy open = {0}, closed = {0};
    struct flow flow = flow_of(FLOW "mark=10");
    char in[16], out[16];
    struct flow_way way = way_of("lan0>wan0", in, out);
    struct revalidate revalidate;

    put(&open, OPEN);
    put(&closed, RULES(""));
    revalidate_init(&revalidate, &open, NULL, &closed, NULL);
    ck_assert_int_eq(revalidate_flow(&revalidate, &flow, &way, true), REVALIDATE_STAYS);
    revalidate_fini(&revalidate);
    /* What it is now counts, not that nothing has changed since it was ended. */
    revalidate_init(&revalidate, &closed, NULL, &closed, NULL);
    ck_assert_int_eq(revalidate_flow(&revalidate, &flow, &way, true), REVALIDATE_DROPPED);
    revalidate_fini(&revalidate);
}

TEST(what_was_ended_for_its_translation_continues_with_that_one_only)
{
    AUTO(policy) struct policy hidden = {0}, plain = {0}, more = {0};
    struct flow flow = flow_of("tcp 10.1.0.2/4000 198.51.100.7/80 198.51.100.7/80 192.0.2.2/4000 "
                               "mark=100000001");
    char in[16], out[16];
    struct flow_way way = way_of("lan0>wan0 hidden", in, out);
    struct revalidate revalidate;

    put(&hidden, SNAT("\"10\":{\"to\":\"wan\",\"action\":\"masquerade\"}"));
    put(&plain, SNAT(""));
    put(&more,
        "{" ZONES ",\"rules\":{\"10\":{\"from\":\"wan\",\"action\":\"accept\"}}," ACCEPT "}");
    revalidate_init(&revalidate, &plain, NULL, &hidden, NULL);
    ck_assert_int_eq(revalidate_flow(&revalidate, &flow, &way, false), REVALIDATE_TRANSLATED);
    revalidate_fini(&revalidate);
    /* A commit about something else. */
    revalidate_init(&revalidate, &more, NULL, &plain, NULL);
    ck_assert_int_eq(revalidate_flow(&revalidate, &flow, &way, true), REVALIDATE_TRANSLATED);
    revalidate_fini(&revalidate);
    revalidate_init(&revalidate, &hidden, NULL, &more, NULL);
    ck_assert_int_eq(revalidate_flow(&revalidate, &flow, &way, true), REVALIDATE_STAYS);
    revalidate_fini(&revalidate);
}

TEST(many_rules_for_input_are_looked_up_as_few_are)
{
    static const char without[] = "{\"rules\":{\"2000\":null}}";
    AUTO(buf) struct buf text = {0};
    AUTO(policy) struct policy before = {0}, now = {0};
    char in[16], out[16];
    struct flow_way way = way_of("wan0>", in, out);

    buf_adds(&text, "{" ZONES ",\"default\":{\"input\":\"drop\"},\"rules\":{");
    for (unsigned i = 1; i <= 400; i++)
        buf_addf(&text,
                 "%s\"%u\":{\"from\":\"wan\",\"to\":\"local\",\"protocol\":\"tcp\","
                 "\"destination-ports\":[\"%u\"],\"action\":\"accept\"}",
                 i > 1 ? "," : "", i * 10, 1000 + i);
    buf_adds(&text, "}}");
    put(&before, buf_str(&text));
    put(&now, buf_str(&text));
    ck_assert_int_eq(policy_put(&now, without, strlen(without), NULL), 0);
    for (unsigned i = 1; i <= 400; i++) {
        struct flow flow = flow_of(LOCAL);

        flow.original[1].port = flow.reply[0].port = (uint16_t)(1000 + i);
        flow.mark = i * 10;
        ck_assert_int_eq(fate_of(&before, &now, &flow, &way),
                         i == 200 ? REVALIDATE_DROPPED : REVALIDATE_STAYS);
    }
}
