/* plugins/firewall: configuration in, messages for the data plane out. What comes out is also given
 * to the data plane's own reader, so that the two never drift apart. */
#include <stdio.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/json/scan.h"
#include "dataplane/policy.h"
#include "plugins/firewall/rows.h"
#include "plugins/firewall/translate.h"
#include "plugins/firewall/changeset.h"
#include "test/lib/harness.h"

#define OFFICE "'interfaces':{'lan0':{'fast-path':'xdp'},'wan0':{}},"
#define ZONES "'zones':{'lan':{'interfaces':['lan0']},'wan':{'interfaces':['wan0']}},"
#define GROUPS                                                                                     \
    "'groups':{'blocked':{'addresses':['198.51.100.0/24','2001:db8:bad::/48']},"                   \
    "'web':{'ports':['80','443','8000-8100']},'v6':{'addresses':['2001:db8::/32']}},"

/* JSON with ' for ". */
static cJSON *json(const char *text)
{
    AUTO_FREE char *copy = xstrdup(text);
    cJSON *tree;

    for (char *c = copy; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    tree = cJSON_Parse(copy);
    ck_assert_msg(tree != NULL, "the test's own JSON is wrong: %s", text);
    return tree;
}

/* Messages for a tree; patch NULL: the first configuration. */
static int build(const char *tree_text, const char *patch_text, struct changeset *changes,
                 struct orb_err *err)
{
    cJSON *tree = json(tree_text), *patch = patch_text ? json(patch_text) : NULL;
    struct orb_change change = {
        .size = sizeof(change), .initial = !patch, .tree = tree, .patch = patch};
    int r = changeset_build(changes, &change, err);

    cJSON_Delete(tree);
    cJSON_Delete(patch);
    return r;
}

static void expect(const struct changeset *changes, const char *want)
{
    AUTO_FREE char *text = buf_format("{'tx':1,%s}", want);
    AUTO(buf) struct buf message = {0};
    struct orb_err err;

    for (char *c = text; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    ck_assert_uint_eq(changes->batches.count, 1);
    batch_message(&changes->batches, 0, 1, &message);
    ck_assert_str_eq(buf_str(&message), text);
    ck_assert_msg(scan_json(message.data, message.len, NULL, &err) == 0, "%s", err.text);
}

/* The data plane takes all of it. */
static void expect_taken(const struct changeset *changes)
{
    struct policy policy;
    struct orb_err err;

    policy_init(&policy);
    for (unsigned i = 0; i < changes->batches.count; i++) {
        AUTO(buf) struct buf text = {0};

        batch_message(&changes->batches, i, 1, &text);
        ck_assert_uint_lt(text.len, 200 * 1024);
        ck_assert_msg(scan_json(text.data, text.len, NULL, &err) == 0, "%s", err.text);
        ck_assert_msg(policy_put(&policy, buf_str(&text), text.len, &err) == 0, "%s: %s", err.path,
                      err.text);
    }
    ck_assert_msg(policy_check(&policy, &err) == 0, "%s: %s", err.path, err.text);
    policy_fini(&policy);
}

TEST(the_whole_configuration_becomes_the_policy)
{
    struct changeset changes = {0};
    struct orb_err err = {0};
    int r;

    r = build("{" OFFICE "'firewall':{" ZONES GROUPS "'default':{'forward':'reject'},"
              "'rules':{"
              "'10':{'from':'lan','to':'wan','protocol':'tcp','destination-ports':'@web',"
              "'action':'accept','description':'web'},"
              "'20':{'from':'wan','source':['@blocked','203.0.113.7'],'action':'drop','log':true},"
              "'30':{'from':'wan','to':'local','protocol':'icmp','icmp-type':'echo-request',"
              "'action':'accept','limit':{'rate':10,'per':'minute','burst':20}},"
              "'35':{'enabled':false,'action':'drop'},"
              "'40':{'protocol':'gre','action':'accept'}},"
              "'nat':{'source':{'10':{'to':'wan','action':'masquerade'},"
              "'20':{'to':'wan','source':'10.1.0.9','translate-to':'192.0.2.9'}},"
              "'destination':{'10':{'from':'wan','protocol':'tcp','port':8080,"
              "'translate-to':'10.1.0.2:80'}}}}}",
              NULL, &changes, &err);
    ck_assert_msg(r == 0, "%s: %s", err.path, err.text);
    ck_assert(changes.full);
    expect(&changes,
           "'zones':{'lan':{'interfaces':['lan0']},'wan':{'interfaces':['wan0']}},"
           "'default':{'forward':'reject','input':'accept','output':'accept'},"
           "'ports':{'lan0':{'fast-path':'xdp'},'wan0':{'fast-path':'auto'}},"
           "'rules':{'10':{'from':'lan','to':'wan','protocol':'tcp',"
           "'destination-ports':['80','443','8000-8100'],'action':'accept'},"
           "'20':{'from':'wan','source':['198.51.100.0/24','2001:db8:bad::/48','203.0.113.7'],"
           "'action':'drop','log':true},"
           "'30':{'from':'wan','to':'local','protocol':'icmp','icmp-type':'echo-request',"
           "'action':'accept','limit':{'rate':10,'per':'minute','burst':20}},"
           "'40':{'protocol':'47','action':'accept'}},"
           "'source-nat':{'10':{'to':'wan','action':'masquerade'},"
           "'20':{'to':'wan','translate-to':'192.0.2.9','source':['10.1.0.9'],'action':'snat'}},"
           "'destination-nat':{'10':{'from':'wan','protocol':'tcp','translate-to':'10.1.0.2:80',"
           "'port':['8080']}}");
    expect_taken(&changes);
    changeset_fini(&changes);
}

TEST(names_exceptions_and_groups_are_written_out)
{
    struct changeset changes = {0};
    struct orb_err err = {0};
    int r;

    r = build(
        "{" OFFICE "'firewall':{" ZONES GROUPS "'rules':{'10':{'protocol':'tcp_udp',"
        "'source':['10.0.0.0/8','!@blocked','!10.9.0.1'],'destination':'!@v6',"
        "'destination-ports':['domain','https','!@web','!22'],'action':'drop'},"
        "'20':{'protocol':'tcp','source-ports':'!ssh','action':'drop'}},"
        "'nat':{'source':{'5':{'to':'wan','destination':'10.2.0.0/16','action':'exclude'},"
        "'6':{'to':'wan','protocol':'udp','source-ports':'ntp','destination-ports':123,"
        "'action':'none'}},"
        "'destination':{'7':{'from':'wan','source':'!10.0.0.0/8','protocol':'tcp','port':'@web',"
        "'translate-to':'10.1.0.2'},"
        "'8':{'from':'lan','protocol':'tcp_udp','port':'dns','action':'exclude'},"
        "'9':{'from':'wan','protocol':'tcp','port':'80-81','translate-to':'10.1.0.2:80',"
        "'fold':true}}}}}",
        NULL, &changes, &err);
    ck_assert_msg(r == ORB_E_VETO, "IPv4 and IPv6 in one rule");
    ck_assert_str_eq(err.path, "/firewall/rules/10/destination");
    changeset_fini(&changes);
    r = build(
        "{" OFFICE "'firewall':{" ZONES GROUPS "'rules':{'10':{'protocol':'tcp_udp',"
        "'source':['10.0.0.0/8','!@blocked','!10.9.0.1'],"
        "'destination-ports':['domain','https','!@web','!22'],'action':'drop'},"
        "'20':{'protocol':'tcp','source-ports':'!ssh','action':'drop'}},"
        "'nat':{'source':{'5':{'to':'wan','destination':'10.2.0.0/16','action':'exclude'},"
        "'6':{'to':'wan','protocol':'udp','source-ports':'ntp','destination-ports':123,"
        "'action':'none'}},"
        "'destination':{'7':{'from':'wan','source':'!10.0.0.0/8','protocol':'tcp','port':'@web',"
        "'translate-to':'10.1.0.2'},"
        "'8':{'from':'lan','protocol':'tcp_udp','port':'dns','action':'exclude'},"
        "'9':{'from':'wan','protocol':'tcp','port':'80-81','translate-to':'10.1.0.2:80',"
        "'fold':true}}}}}",
        NULL, &changes, &err);
    ck_assert_msg(r == 0, "%s: %s", err.path, err.text);
    expect(&changes,
           "'zones':{'lan':{'interfaces':['lan0']},'wan':{'interfaces':['wan0']}},"
           "'default':{'forward':'drop','input':'accept','output':'accept'},"
           "'ports':{'lan0':{'fast-path':'xdp'},'wan0':{'fast-path':'auto'}},"
           "'rules':{'10':{'protocol':'tcp_udp',"
           "'source':['10.0.0.0/8','!198.51.100.0/24','!2001:db8:bad::/48','!10.9.0.1'],"
           "'destination-ports':['53','443','!80','!443','!8000-8100','!22'],'action':'drop'},"
           "'20':{'protocol':'tcp','source-ports':['!22'],'action':'drop'}},"
           "'source-nat':{'5':{'to':'wan','destination':['10.2.0.0/16'],'action':'none'},"
           "'6':{'to':'wan','protocol':'udp','source-ports':['123'],'destination-ports':['123'],"
           "'action':'none'}},"
           "'destination-nat':{'7':{'from':'wan','protocol':'tcp','translate-to':'10.1.0.2',"
           "'source':['!10.0.0.0/8'],'port':['80','443','8000-8100']},"
           "'8':{'from':'lan','protocol':'tcp_udp','port':['53'],'action':'none'},"
           "'9':{'from':'wan','protocol':'tcp','translate-to':'10.1.0.2:80','port':['80-81'],"
           "'fold':true}}");
    expect_taken(&changes);
    changeset_fini(&changes);
}

TEST(what_few_rules_say_is_written_out)
{
    struct changeset changes = {0};
    struct orb_err err = {0};
    int r;

    r = build(
        "{" OFFICE "'firewall':{'zones':{'lan':{'interfaces':['lan0'],'mss-clamp':1400},"
        "'wan':{'interfaces':['wan0'],'mss-clamp':'pmtu'}},"
        "'default':{'log':['forward','input']},'rules':{"
        "'10':{'from':'!wan','to':'!local','source-mac':'02:00:00:00:00:01','protocol':'tcp',"
        "'tcp-flags':['syn','!ack'],'state':'new','action':'reject','reject-with':'tcp-reset',"
        "'log':true,'log-prefix':'odd','log-limit':{'rate':1,'per':'hour'},"
        "'limit':{'rate':4,'per':'minute','burst':4,'per-source':true}}}}}",
        NULL, &changes, &err);
    ck_assert_msg(r == 0, "%s: %s", err.path, err.text);
    expect(
        &changes,
        "'zones':{'lan':{'interfaces':['lan0'],'mss-clamp':1400},"
        "'wan':{'interfaces':['wan0'],'mss-clamp':'pmtu'}},"
        "'default':{'forward':'drop','input':'accept','output':'accept','log':['forward','input'],"
        "'log-limit':{'rate':10,'per':'second','burst':20}},"
        "'ports':{'lan0':{'fast-path':'xdp'},'wan0':{'fast-path':'auto'}},"
        "'rules':{'10':{'from':'!wan','to':'!local','protocol':'tcp','action':'reject','log':true,"
        "'source-mac':['02:00:00:00:00:01'],'tcp-flags':['syn','!ack'],'state':['new'],"
        "'reject-with':'tcp-reset','log-prefix':'odd',"
        "'limit':{'rate':4,'per':'minute','burst':4,'per-source':true},"
        "'log-limit':{'rate':1,'per':'hour','burst':5}}}");
    expect_taken(&changes);
    changeset_fini(&changes);
}

/* An entry of several ports to one from before `fold` was required keeps folding until it changes.
 */
TEST(an_old_fold_continues_and_a_new_one_is_not_made)
{
    static const char tree[] =
        "{" OFFICE "'firewall':{" ZONES GROUPS "'nat':{'destination':{'5':{'from':'wan','protocol':"
        "'tcp','port':'8000-8002','translate-to':'10.1.0.2:9000'},'6':{'from':'wan','protocol':'"
        "tcp',"
        "'port':'81','translate-to':'10.1.0.2:9001'}}}}}";
    static const struct {
        const char *patch;
        bool folds;
    } table[] = {
        {NULL, true},
        {"[{'op':'set','path':'/firewall/zones/lan'}]", true},
        {"[{'op':'set','path':'/firewall/zones/lan'},{'op':'set','path':'/firewall/nat/destination/"
         "6'}]",
         true},
        {"[{'op':'set','path':'/firewall/nat/destination/5/port'}]", false},
        {"[{'op':'set','path':'/firewall/nat/destination/5'},{'op':'set','path':'/firewall/zones/"
         "lan'}]",
         false},
        {"[{'op':'set','path':'/firewall'}]", false},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        AUTO(buf) struct buf text = {0};
        struct changeset changes = {0};
        struct orb_err err = {0};

        ck_assert_msg(build(tree, table[i].patch, &changes, &err) == 0, "%s: %s", err.path,
                      err.text);
        ck_assert_uint_eq(changes.batches.count, 1);
        batch_message(&changes.batches, 0, 1, &text);
        ck_assert_msg((strstr(text.data, "\"port\":[\"8000-8002\"],\"fold\":true") != NULL) ==
                          table[i].folds,
                      "%zu: %s", i, text.data);
        ck_assert_ptr_null(strstr(text.data, "\"port\":[\"81\"],\"fold\""));
        changeset_fini(&changes);
    }
}

TEST(nothing_configured_forwards_nothing)
{
    struct changeset changes = {0};

    ck_assert_int_eq(build("{}", NULL, &changes, NULL), 0);
    expect(&changes, "'default':{'forward':'drop','input':'accept','output':'accept'}");
    expect_taken(&changes);
    changeset_fini(&changes);
}

/* What a patch of a configured appliance sends. full: everything is sent. */
static const struct {
    const char *tree, *patch, *want; /* want NULL: no change is sent */
    bool full;
} patches[] = {
    {"'rules':{'10':{'action':'drop'}}", "[{'op':'set','path':'/firewall/rules/10/action'}]",
     "'rules':{'10':{'action':'drop'}}", false},
    {"'rules':{}", "[{'op':'delete','path':'/firewall/rules/10'}]", "'rules':{'10':null}", false},
    {"'rules':{'10':{'enabled':false,'action':'drop'}}",
     "[{'op':'set','path':'/firewall/rules/10/enabled'}]", "'rules':{'10':null}", false},
    {"'rules':{'10':{'action':'drop'}}", "[{'op':'set','path':'/firewall/rules/10/description'}]",
     NULL, false},
    {"'rules':{'10':{'action':'drop'}}",
     "[{'op':'set','path':'/firewall/rules/10/description'},"
     "{'op':'set','path':'/firewall/rules/10/action'},"
     "{'op':'set','path':'/firewall/nat/source/5'},{'op':'delete','path':'/firewall/rules/9'},"
     "{'op':'delete','path':'/firewall/notrack/6'},"
     "{'op':'set','path':'/firewall/default/forward'}]",
     "'rules':{'10':{'action':'drop'},'9':null},'source-nat':{'5':null},'notrack':{'6':null},"
     "'default':{'forward':'drop','input':'accept','output':'accept'}",
     false},
    {"'notrack':{'10':{'from':'local','protocol':'udp','source-ports':53,'description':'dns'},"
     "'20':{'source':'10.0.0.0/8','action':'exclude'}}",
     "[{'op':'set','path':'/firewall/notrack/10'},{'op':'set','path':'/firewall/notrack/20'}]",
     "'notrack':{'10':{'from':'local','protocol':'udp','source-ports':['53'],'action':'notrack'},"
     "'20':{'source':['10.0.0.0/8'],'action':'none'}}",
     false},
    {"'nat':{'destination':{'10':{'from':'local','translate-to':'10.1.0.2'}}}",
     "[{'op':'set','path':'/firewall/nat/destination/10'}]",
     "'destination-nat':{'10':{'from':'local','translate-to':'10.1.0.2'}}", false},
    {"'rules':{}", "[{'op':'set','path':'/firewall/notrack/10/description'}]", NULL, false},
    {"'rules':{}", "[{'op':'set','path':'/interfaces/lan0/fast-path'}]",
     "'ports':{'lan0':{'fast-path':'xdp'}}", false},
    {"'rules':{}", "[{'op':'delete','path':'/interfaces/usb0'}]", "'ports':{'usb0':null}", false},
    {"'rules':{}", "[{'op':'set','path':'/interfaces/lan0/mtu'}]", NULL, false},
    {"'rules':{}", "[{'op':'delete','path':'/firewall/groups/web'}]", "'groups':{'web':null}",
     false},
    {"'rules':{}", "[{'op':'set','path':'/firewall/groups/web/description'}]", NULL, false},
    {"'groups':{'web':{'ports':['80']},'x':{'addresses':['10.0.0.1']}},"
     "'rules':{'10':{'protocol':'tcp','destination-ports':'@web','action':'drop'},"
     "'20':{'source':['!@x'],'action':'drop'}},"
     "'nat':{'destination':{'5':{'from':'wan','protocol':'tcp','port':['@web'],"
     "'translate-to':'10.0.0.2'}}}",
     "[{'op':'set','path':'/firewall/groups/web/ports'}]",
     "'groups':{'web':null},'rules':{'10':{'protocol':'tcp','destination-ports':['80'],"
     "'action':'drop'}},'destination-nat':{'5':{'from':'wan','protocol':'tcp',"
     "'translate-to':'10.0.0.2','port':['80']}}",
     false},
    {"'rules':{}", "[{'op':'set','path':'/firewall/zones/lan'}]", "", true},
    {"'rules':{}", "[{'op':'set','path':'/firewall/rules'}]", "", true},
    {"'rules':{}", "[{'op':'set','path':'/firewall'}]", "", true},
};

TEST(a_patch_sends_what_it_touches)
{
    for (size_t i = 0; i < ARRAY_LEN(patches); i++) {
        AUTO_FREE char *tree = buf_format("{" OFFICE "'firewall':{" ZONES "%s}}", patches[i].tree);
        struct changeset changes = {0};
        struct orb_err err = {0};
        int r = build(tree, patches[i].patch, &changes, &err);

        ck_assert_msg(r == 0, "%zu: %s %s", i, err.path, err.text);
        ck_assert_msg(changes.full == patches[i].full, "patch %zu", i);
        if (!patches[i].want)
            ck_assert_uint_eq(changes.batches.count, 0);
        else if (!patches[i].full)
            expect(&changes, patches[i].want);
        else
            expect_taken(&changes);
        changeset_fini(&changes);
    }
}

/* Members of /firewall (after zones and groups) that are refused: the path, and two parts of the
 * text. */
static const struct {
    const char *config, *path, *words[2];
} bad[] = {
    {"'rules':{'10':{'from':'lna','action':'drop'}}",
     "/firewall/rules/10/from",
     {"no zone \"lna\"", "did you mean lan?"}},
    {"'rules':{'10':{'from':'!lna','action':'drop'}}",
     "/firewall/rules/10/from",
     {"no zone \"lna\"", "did you mean lan?"}},
    {"'rules':{'10':{'from':'any','action':'drop'}}",
     "/firewall/rules/10/from",
     {"no zone \"any\"; leave it out to match any", ""}},
    {"'nat':{'source':{'10':{'to':'any','action':'masquerade'}}}",
     "/firewall/nat/source/10/to",
     {"no zone \"any\"; name one", ""}},
    {"'rules':{'10':{'protocol':'tcp','destination-ports':'any','action':'drop'}}",
     "/firewall/rules/10/destination-ports",
     {"\"any\"", "leave it out to match any"}},
    {"'rules':{'10':{'to':'lan ','action':'drop'}}",
     "/firewall/rules/10/to",
     {"no zone \"lan \"; did you mean lan?", ""}},
    {"'notrack':{'10':{'from':'lna'}}",
     "/firewall/notrack/10/from",
     {"no zone \"lna\"", "did you mean lan?"}},
    {"'notrack':{'10':{'protocol':'icmp','source':'fd00::1'}}",
     "/firewall/notrack/10/source",
     {"IPv6", ""}},
    {"'nat':{'source':{'10':{'to':'!wan'}}}",
     "/firewall/nat/source/10/to",
     {"cannot be negated here", "without !"}},
    {"'nat':{'source':{'10':{'to':'local'}}}", "/firewall/nat/source/10/to", {"no interface", ""}},
    {"'nat':{'destination':{'10':{'from':'!wan','translate-to':'10.1.0.2'}}}",
     "/firewall/nat/destination/10/from",
     {"cannot be negated here", "without !"}},
    {"'nat':{'destination':{'10':{'from':'locla','translate-to':'10.1.0.2'}}}",
     "/firewall/nat/destination/10/from",
     {"no zone \"locla\"", "did you mean local?"}},
    {"'rules':{'10':{'to':'locl','action':'drop'}}",
     "/firewall/rules/10/to",
     {"no zone \"locl\"", "did you mean local?"}},
    {"'rules':{'10':{'from':'local','to':'local','action':'drop'}}",
     "/firewall/rules/10/to",
     {"itself", "never filtered"}},
    {"'rules':{'10':{'source':'@blokced','action':'drop'}}",
     "/firewall/rules/10/source",
     {"does not exist", "did you mean @blocked?"}},
    {"'rules':{'10':{'source':['10.0.0.1','@web'],'action':'drop'}}",
     "/firewall/rules/10/source/1",
     {"@web", "without addresses"}},
    {"'rules':{'10':{'protocol':'tcp','destination-ports':['@blocked'],'action':'drop'}}",
     "/firewall/rules/10/destination-ports/0",
     {"@blocked", "without ports"}},
    {"'rules':{'10':{'source':['10.0.0.300'],'action':'drop'}}",
     "/firewall/rules/10/source/0",
     {"10.0.0.300", "not an address"}},
    {"'rules':{'10':{'source':'10.0.0.1/24','action':'drop'}}",
     "/firewall/rules/10/source",
     {"10.0.0.1/24", "bits set behind"}},
    {"'rules':{'10':{'source':'10.0.0.9-10.0.0.1','action':'drop'}}",
     "/firewall/rules/10/source",
     {"first address is above", ""}},
    {"'rules':{'10':{'source':[],'action':'drop'}}",
     "/firewall/rules/10/source",
     {"matches nothing", "leave it out"}},
    {"'rules':{'10':{'source':'10.0.0.1','destination':'@v6','action':'drop'}}",
     "/firewall/rules/10/destination",
     {"only IPv6", "IPv4"}},
    {"'rules':{'10':{'protocol':'icmp','source':'@v6','action':'drop'}}",
     "/firewall/rules/10/source",
     {"only IPv6", "IPv4"}},
    {"'rules':{'10':{'destination-ports':80,'action':'drop'}}",
     "/firewall/rules/10/destination-ports",
     {"protocol", "udp"}},
    {"'rules':{'10':{'protocol':'tcp','destination-ports':'90-80','action':'drop'}}",
     "/firewall/rules/10/destination-ports",
     {"90-80", "first port is above"}},
    {"'rules':{'10':{'protocol':'tcp','destination-ports':[80,'99999'],'action':'drop'}}",
     "/firewall/rules/10/destination-ports/1",
     {"99999", "65535"}},
    {"'rules':{'10':{'protocol':'tcp','icmp-type':'echo-request','action':'drop'}}",
     "/firewall/rules/10/icmp-type",
     {"icmpv6", ""}},
    {"'rules':{'10':{'protocol':'tpc','action':'drop'}}",
     "/firewall/rules/10/protocol",
     {"no protocol \"tpc\"", ""}},
    {"'rules':{'10':{'from':'lan'}}", "/firewall/rules/10/action", {"accept, drop", ""}},
    {"'nat':{'source':{'10':{'to':'local','action':'masquerade'}}}",
     "/firewall/nat/source/10/to",
     {"local", "name a zone"}},
    {"'nat':{'source':{'10':{'to':'wna','action':'masquerade'}}}",
     "/firewall/nat/source/10/to",
     {"no zone \"wna\"", "did you mean wan?"}},
    {"'nat':{'source':{'10':{'to':'wan','action':'masquerade','translate-to':'192.0.2.1'}}}",
     "/firewall/nat/source/10/translate-to",
     {"masquerade", "snat"}},
    {"'nat':{'source':{'10':{'to':'wan','action':'snat'}}}",
     "/firewall/nat/source/10/action",
     {"translate-to", ""}},
    {"'nat':{'source':{'10':{'to':'wan','source':'@v6','translate-to':'192.0.2.1'}}}",
     "/firewall/nat/source/10/source",
     {"only IPv6", ""}},
    {"'nat':{'destination':{'10':{'from':'wan','port':80,'translate-to':'10.1.0.2'}}}",
     "/firewall/nat/destination/10/port",
     {"protocol", ""}},
    {"'nat':{'destination':{'10':{'from':'wan'}}}",
     "/firewall/nat/destination/10/translate-to",
     {"real destination", ""}},
    {"'nat':{'destination':{'10':{'from':'wan','action':'none','translate-to':'10.1.0.2'}}}",
     "/firewall/nat/destination/10/translate-to",
     {"exception", "leave this out"}},
    {"'nat':{'source':{'10':{'to':'wan','action':'exclude','translate-to':'10.1.0.2'}}}",
     "/firewall/nat/source/10/translate-to",
     {"exception", "leave this out"}},
    {"'nat':{'source':{'10':{'to':'wan','destination':'@wbe','action':'none'}}}",
     "/firewall/nat/source/10/destination",
     {"does not exist", "did you mean @web?"}},
    {"'nat':{'source':{'10':{'to':'wan','source':'10.0.0.0/"
     "8','destination':'@v6','action':'none'}}}",
     "/firewall/nat/source/10/destination",
     {"only IPv6", "IPv4"}},
    {"'nat':{'source':{'10':{'to':'wan','source-ports':'80'}}}",
     "/firewall/nat/source/10/source-ports",
     {"tcp_udp", "both"}},
    {"'rules':{'10':{'protocol':'tcp','destination-ports':['http','htpps'],'action':'drop'}}",
     "/firewall/rules/10/destination-ports/1",
     {"no known service", "did you mean https?"}},
    {"'rules':{'10':{'source':['10.0.0.0/8','!@blokced'],'action':'drop'}}",
     "/firewall/rules/10/source/1",
     {"!@blokced", "did you mean @blocked?"}},
    {"'rules':{'10':{'source':'!10.0.0.300','action':'drop'}}",
     "/firewall/rules/10/source",
     {"!10.0.0.300", "not an address"}},
    {"'rules':{'10':{'source':'!10.0.0.0/8','destination':'@v6','action':'drop'}}",
     "/firewall/rules/10/destination",
     {"only IPv6", "IPv4"}},
};

TEST(what_is_wrong_is_refused_with_the_path_of_the_configuration)
{
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        AUTO_FREE char *tree =
            buf_format("{" OFFICE "'firewall':{" ZONES GROUPS "%s}}", bad[i].config);
        struct changeset changes = {0};
        struct orb_err err = {0};

        ck_assert_msg(build(tree, NULL, &changes, &err) == ORB_E_VETO, "%s was taken",
                      bad[i].config);
        ck_assert_str_eq(err.path, bad[i].path);
        for (int w = 0; w < 2; w++)
            ck_assert_msg(strstr(err.text, bad[i].words[w]) != NULL, "\"%s\" is not in \"%s\"",
                          bad[i].words[w], err.text);
        changeset_fini(&changes);
    }
}

/* A group of many is sent once, in pieces, and named by what has it. */
TEST(a_large_group_is_sent_in_pieces_before_what_names_it)
{
    AUTO(buf) struct buf tree = {0}, last = {0};
    struct changeset changes = {0};
    struct orb_err err = {0};

    buf_adds(&tree, "{" OFFICE "'firewall':{" ZONES "'groups':{'many':{'addresses':[");
    for (unsigned i = 0; i < 20000; i++)
        buf_addf(&tree, "%s'10.%u.%u.1'", i ? "," : "", i >> 8, i & 255);
    buf_adds(&tree, "],'ports':[");
    for (unsigned i = 0; i < 20000; i++)
        buf_addf(&tree, "%s'%u'", i ? "," : "", i * 2 + 1);
    buf_adds(&tree, "]}},'rules':{'10':{'source':'!@many','action':'drop'},"
                    "'20':{'source':'@many','protocol':'tcp','source-ports':'@many',"
                    "'action':'accept'}},"
                    "'nat':{'source':{'5':{'to':'wan','source':'@many','action':'masquerade'}}}}}");
    ck_assert_msg(build(buf_str(&tree), NULL, &changes, &err) == 0, "%s: %s", err.path, err.text);
    ck_assert_uint_gt(changes.batches.count, 4);
    batch_message(&changes.batches, changes.batches.count - 1, 1, &last);
    ck_assert_ptr_nonnull(strstr(buf_str(&last), "\"source\":[\"!@many\"]"));
    ck_assert_ptr_nonnull(strstr(buf_str(&last), "\"source-ports\":[\"@many\"]"));
    expect_taken(&changes);
    changeset_fini(&changes);
    ck_assert_int_eq(build(buf_str(&tree),
                           "[{'op':'set','path':'/firewall/groups/many/addresses'}]", &changes,
                           &err),
                     0);
    ck_assert(!changes.full);
    ck_assert_uint_gt(changes.batches.count, 4);
    changeset_fini(&changes);
}

TEST(a_wrong_element_of_a_large_group_is_refused_with_its_number)
{
    static const char *const changed[] = {
        NULL, "[{'op':'set','path':'/firewall/groups/many/addresses'}]"};
    AUTO(buf) struct buf tree = {0};

    buf_adds(&tree, "{" OFFICE "'firewall':{" ZONES "'groups':{'many':{'addresses':[");
    for (unsigned i = 0; i < 20000; i++)
        buf_addf(&tree, "%s'10.%u.%u.%u'", i ? "," : "", i >> 8, i & 255, i == 19000 ? 256 : 1);
    buf_adds(&tree, "]}}}}");
    for (size_t i = 0; i < ARRAY_LEN(changed); i++) {
        struct changeset changes = {0};
        struct orb_err err = {0};

        ck_assert_int_eq(build(buf_str(&tree), changed[i], &changes, &err), ORB_E_VETO);
        ck_assert_str_eq(err.path, "/firewall/groups/many/addresses/19000");
        changeset_fini(&changes);
    }
}

TEST(zones_and_groups_are_checked_as_a_whole)
{
    static const struct {
        const char *config, *path, *words;
    } table[] = {
        {"'zones':{'lan':{'interfaces':['lna0']}}", "/firewall/zones/lan/interfaces/0",
         "did you mean lan0?"},
        {"'zones':{'a':{'interfaces':['lan0']},'b':{'interfaces':['wan0','lan0']}}",
         "/firewall/zones/b/interfaces/1", "in zone a already"},
        {"'zones':{'local':{'interfaces':['lan0']}}", "/firewall/zones/local", "otherwise"},
        {"'groups':{'g':{'addresses':['10.0.0.0/8','10.0.0.0/40']}}",
         "/firewall/groups/g/addresses/1", "between 0 and 32"},
        {"'groups':{'g':{'ports':['0','70000']}}", "/firewall/groups/g/ports/1", "65535"},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        AUTO_FREE char *tree = buf_format("{" OFFICE "'firewall':{%s}}", table[i].config);
        struct changeset changes = {0};
        struct orb_err err = {0};

        ck_assert_msg(build(tree, NULL, &changes, &err) == ORB_E_VETO, "%s", table[i].config);
        ck_assert_str_eq(err.path, table[i].path);
        ck_assert_msg(strstr(err.text, table[i].words) != NULL, "%s", err.text);
        changeset_fini(&changes);
    }
}

TEST(many_rules_are_cut_into_messages_that_fit)
{
    AUTO(buf) struct buf tree = {0};
    struct changeset changes = {0};
    struct orb_err err = {0};

    buf_adds(&tree, "{" OFFICE "'firewall':{" ZONES "'rules':{");
    for (int i = 1; i <= 5000; i++)
        buf_addf(&tree,
                 "%s'%d':{'from':'lan','to':'wan','source':'10.%d.%d.0/24',"
                 "'action':'accept'}",
                 i > 1 ? "," : "", i, i / 250, i % 250);
    buf_adds(&tree, "}}}");
    ck_assert_msg(build(buf_str(&tree), NULL, &changes, &err) == 0, "%s", err.text);
    ck_assert_uint_ge(changes.batches.count, 5);
    expect_taken(&changes);
    changeset_fini(&changes);
}

TEST(an_entry_too_big_for_a_message_is_refused)
{
    AUTO(buf) struct buf tree = {0};
    struct changeset changes = {0};
    struct orb_err err = {0};

    buf_adds(&tree, "{'firewall':{'rules':{'7':{'action':'drop','source':[");
    for (int i = 0; i < 9000; i++)
        buf_addf(&tree, "%s'10.%d.%d.0-10.%d.%d.9'", i ? "," : "", i / 250, i % 250, i / 250,
                 i % 250);
    buf_adds(&tree, "]}}}}");
    ck_assert_int_eq(build(buf_str(&tree), NULL, &changes, &err), ORB_E_LIMIT);
    ck_assert_str_eq(err.path, "/firewall/rules/7");
    changeset_fini(&changes);
}

TEST(paths_of_the_data_plane_become_paths_of_the_configuration)
{
    static const char *const pairs[][2] = {
        {"/rules/10/to", "/firewall/rules/10/to"},
        {"/source-nat/5/source/0", "/firewall/nat/source/5/source/0"},
        {"/destination-nat/5/port", "/firewall/nat/destination/5/port"},
        {"/destination-nat/5/translate-to", "/firewall/nat/destination/5/translate-to"},
        {"/ports/lan0/fast-path", "/interfaces/lan0/fast-path"},
        {"/zones", "/firewall/zones"},
        {"/default/forward", "/firewall/default/forward"},
        {"/rulesets", "/firewall"},
    };

    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        char path[ORB_ERR_PATH];

        translate_path(pairs[i][0], path, sizeof(path));
        ck_assert_str_eq(path, pairs[i][1]);
    }
}

static void expect_rows(const struct rows *rows, const char *want)
{
    AUTO(buf) struct buf text = {0};

    for (unsigned i = 0; i < rows->count; i++)
        buf_addf(&text, "%s%u %s %s", i ? ", " : "", rows->items[i].number, rows->items[i].action,
                 rows->items[i].description ? rows->items[i].description : "-");
    ck_assert_str_eq(buf_str(&text), want);
}

TEST(rows_stay_sorted_and_a_change_swapped_twice_changes_nothing)
{
    cJSON *rules = json("{'20':{'action':'drop','from':'wan'},'3':{'action':'accept'},"
                        "'100':{'action':'reject','description':'last'},"
                        "'50':{'action':'drop','enabled':false}}");
    static const char first[] = "3 accept -, 20 drop -, 100 reject last";
    struct rows rows = {0};
    struct rows_change all = {0}, some = {0};

    rows_change_all(&all, rules);
    rows_reserve(&rows, &all);
    rows_swap(&rows, &all);
    expect_rows(&rows, first);
    ck_assert_str_eq(rows.items[1].from, "wan");
    ck_assert_uint_eq(rows_after(&rows, 3), 1);
    ck_assert_uint_eq(rows_after(&rows, 100), 3);

    rows_change_one(&some, "20", NULL);
    rows_change_one(&some, "3", cJSON_GetObjectItem(rules, "100"));
    rows_change_one(&some, "7", cJSON_GetObjectItem(rules, "20"));
    rows_change_one(&some, "8", NULL);
    rows_change_one(&some, "100", cJSON_GetObjectItem(rules, "50"));
    rows_change_one(&some, "200", cJSON_GetObjectItem(rules, "3"));
    rows_reserve(&rows, &some);
    for (int i = 0; i < 3; i++) {
        rows_swap(&rows, &some);
        expect_rows(&rows, "3 reject last, 7 drop -, 200 accept -");
        rows_swap(&rows, &some);
        expect_rows(&rows, first);
    }
    rows_swap(&rows, &all);
    expect_rows(&rows, "");
    rows_change_fini(&some);
    rows_change_fini(&all);
    rows_fini(&rows);
    cJSON_Delete(rules);
}
