/* schema.json of the network packages: they compile, the example of docs/examples fits, and wrong
 * values are refused with their path. Run from the source root. */
#include <string.h>

#include "core/base/buf.h"
#include "core/base/file.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/json/schema.h"
#include "core/json/tree.h"
#include "plugins/firewall/services.h"
#include "test/lib/harness.h"

/* A member of a JSON file as text. */
static void part(const char *file, const char *pointer, struct buf *ret_text)
{
    AUTO(json_t) json_t *tree = NULL;
    AUTO(buf) struct buf text = {0};
    AUTO_FREE char *path = buf_format("%s/%s", SOURCE_ROOT, file);
    struct orb_err err;
    json_t *value;

    ck_assert_msg(file_read(path, 1 << 20, &text, &err) == 0, "%s", err.text);
    ck_assert_msg(tree_parse(text.data, text.len, NULL, &tree, &err) == 0, "%s", err.text);
    value = tree_get(tree, pointer);
    ck_assert_msg(value != NULL, "%s has no %s", file, pointer);
    tree_dump(value, ret_text);
}

/* The configuration's schema of a package, $defs included. */
static struct schema *config_schema(const char *package)
{
    AUTO_FREE char *file = buf_format("plugins/%s/schema.json", package);
    AUTO(json_t) json_t *all = NULL;
    AUTO(buf) struct buf text = {0}, dump = {0};
    struct schema *schema;
    struct orb_err err;
    json_t *config;

    part(file, "", &text);
    ck_assert_int_eq(tree_parse(text.data, text.len, NULL, &all, &err), 0);
    config = json_object_get(all, "config");
    if (json_object_get(all, "$defs"))
        json_object_set(config, "$defs", json_object_get(all, "$defs"));
    tree_dump(config, &dump);
    ck_assert_msg(schema_compile(dump.data, dump.len, true, &schema, &err) == 0, "%s %s: %s",
                  package, err.path, err.text);
    return schema;
}

TEST(every_schema_of_a_method_or_event_compiles)
{
    static const char *const packages[] = {"interfaces", "routing", "firewall"};
    unsigned count = 0;

    for (size_t p = 0; p < ARRAY_LEN(packages); p++) {
        AUTO_FREE char *file = buf_format("plugins/%s/schema.json", packages[p]);
        AUTO(json_t) json_t *all = NULL;
        AUTO(buf) struct buf text = {0};
        struct orb_err err;
        const char *name, *side;
        json_t *method, *shape;

        part(file, "", &text);
        ck_assert_int_eq(tree_parse(text.data, text.len, NULL, &all, &err), 0);
        json_object_foreach (json_object_get(all, "methods"), name, method) {
            json_object_foreach (method, side, shape) {
                AUTO(schema) struct schema *schema = NULL;
                AUTO(buf) struct buf dump = {0};

                if (!json_is_object(shape))
                    continue;
                tree_dump(shape, &dump);
                ck_assert_msg(schema_compile(dump.data, dump.len, true, &schema, &err) == 0,
                              "%s %s %s%s: %s", packages[p], name, side, err.path, err.text);
                count++;
            }
        }
    }
    ck_assert_uint_ge(count, 8);
}

TEST(the_example_configuration_fits)
{
    static const char *const packages[] = {"interfaces", "routing", "firewall"};

    for (size_t p = 0; p < ARRAY_LEN(packages); p++) {
        AUTO(schema) struct schema *schema = config_schema(packages[p]);
        AUTO_FREE char *pointer = buf_format("/%s", packages[p]);
        AUTO(buf) struct buf text = {0};
        struct orb_err err;

        part("docs/examples/office.json", pointer, &text);
        ck_assert_msg(schema_check(schema, text.data, text.len, pointer, &err) == 0, "%s: %s",
                      err.path, err.text);
    }
}

/* Checks {OLD: 0} against the schema at pointer, if its objects are closed: the refusal of the
 * spelling with underscores names the key. */
static unsigned refuse_old(struct unit *unit, const char *file, const char *pointer,
                           const json_t *schema)
{
    const json_t *others = json_object_get(schema, "additionalProperties");
    unsigned count = 0;
    const char *name;
    json_t *unused;

    json_object_foreach (json_object_get(schema, "properties"), name, unused) {
        AUTO_FREE char *old = xstrdup(name);
        AUTO(buf) struct buf text = {0}, words = {0};
        struct schema *compiled;
        struct orb_err err;

        if (!strchr(name, '-') || (others && !json_is_false(others)) ||
            json_object_get(schema, "patternProperties"))
            continue;
        for (char *at = old; (at = strchr(at, '-'));)
            *at = '_';
        buf_addf(&text, "{\"%s\":0}", old);
        buf_addf(&words, "did you mean %s?", name);
        ck_assert_msg(schema_compile_unit(unit, pointer, &compiled, &err) == 0, "%s%s: %s", file,
                      pointer, err.text);
        schema_finish_unit(unit);
        ck_assert_int_eq(schema_check(compiled, text.data, text.len, "", &err), ORB_E_SCHEMA);
        ck_assert_msg(strstr(err.text, buf_str(&words)) && strstr(err.path, old), "%s%s %s: %s %s",
                      file, pointer, old, err.path, err.text);
        count++;
    }
    return count;
}

static unsigned refuse_all_old(struct unit *unit, const char *file, const char *pointer,
                               const json_t *value)
{
    unsigned count = 0;
    const char *name;
    json_t *member;

    if (json_is_object(json_object_get(value, "properties")))
        count += refuse_old(unit, file, pointer, value);
    json_object_foreach ((json_t *)value, name, member) {
        AUTO_FREE char *below = NULL;

        if (strpbrk(name, "~/"))
            continue;
        below = buf_format("%s/%s", pointer, name);
        count += refuse_all_old(unit, file, below, member);
    }
    return count;
}

TEST(a_key_with_underscores_is_refused_with_the_key_named)
{
    static const char *const files[] = {
        "core/pkg/manifest.schema.json",   "core/host/auth.schema.json",
        "core/host/dataplane.schema.json", "core/host/host.schema.json",
        "core/host/services.defs.json",    "core/host/system.defs.json",
        "core/host/system.tokens.json",    "plugins/config/schema.json",
        "plugins/firewall/schema.json",    "plugins/interfaces/schema.json",
        "plugins/routing/schema.json",     "api/schema.json",
    };
    unsigned count = 0;

    for (size_t f = 0; f < ARRAY_LEN(files); f++) {
        AUTO(json_t) json_t *all = NULL;
        AUTO(buf) struct buf text = {0};
        struct unit *unit;
        struct orb_err err;

        part(files[f], "", &text);
        ck_assert_int_eq(tree_parse(text.data, text.len, NULL, &all, &err), 0);
        ck_assert_int_eq(schema_compile_unit_new(text.data, text.len, true, &unit, &err), 0);
        count += refuse_all_old(unit, files[f], "", all);
        schema_compile_unit_free(unit);
    }
    ck_assert_uint_ge(count, 60);
}

static const struct {
    const char *package, *value, *path, *words;
} bad[] = {
    {"interfaces", "{'lan0':{'mtu':10}}", "/interfaces/lan0/mtu", "68"},
    {"interfaces", "{'lan0':{'adresses':[]}}", "/interfaces/lan0/adresses", "addresses"},
    {"interfaces", "{'lan0':{'fast-path':'xpd'}}", "/interfaces/lan0/fast-path", "xdp"},
    {"interfaces", "{'lan0':{'addresses':['10.0.0.1']}}", "/interfaces/lan0/addresses/0",
     "10.0.0.1"},
    {"interfaces", "{'lan0':{'vlan':{'parent':'x','id':2}}}", "/interfaces/lan0/vlan", "vlan"},
    {"interfaces", "{'lan0':{'enabled':'yes'}}", "/interfaces/lan0/enabled", "true or false"},
    {"routing", "{'static':{'0.0.0.0/0':{'next-hops':{}}}}", "/routing/static/0.0.0.0~10/next-hops",
     "1"},
    {"routing", "{'static':{'0.0.0.0/0':{'next-hops':{'10.0.0.1':{'weight':0}}}}}",
     "/routing/static/0.0.0.0~10/next-hops/10.0.0.1/weight", "1"},
    {"routing", "{'static':{'::/0':{'next-hops':{'fe80::1%':{}}}}}",
     "/routing/static/::~10/next-hops", "fe80::1%"},
    {"routing", "{'tables':{'a':{}}}", "/routing/tables/a", "id"},
    {"routing", "{'policy':{'010':{}}}", "/routing/policy", "010"},
    {"routing", "{'policy':{'10':{'mark':'x'}}}", "/routing/policy/10/mark", "x"},
    {"routing", "{'rules':{}}", "/routing/rules", "rules"},
    {"firewall", "{'rules':{'10':{'action':'acept'}}}", "/firewall/rules/10/action", "accept"},
    {"firewall", "{'rules':{'10':{'action':'drop','protocol':'tpc'}}}",
     "/firewall/rules/10/protocol", "tcp"},
    {"firewall", "{'rules':{'x':{'action':'drop'}}}", "/firewall/rules", "x"},
    {"firewall", "{'rules':{'10':{}}}", "/firewall/rules/10", "action"},
    {"firewall", "{'rules':{'10':{'action':'drop','state':['established','nwe']}}}",
     "/firewall/rules/10/state/1", "new"},
    {"firewall", "{'rules':{'10':{'action':'drop','tcp-flags':'sny'}}}",
     "/firewall/rules/10/tcp-flags", "syn"},
    {"firewall", "{'rules':{'10':{'action':'drop','source-mac':'02:00:00'}}}",
     "/firewall/rules/10/source-mac", "02:00:00"},
    {"firewall", "{'rules':{'10':{'action':'reject','reject-with':'prot-unreachable'}}}",
     "/firewall/rules/10/reject-with", "port-unreachable"},
    {"firewall", "{'rules':{'10':{'action':'drop','limit':{'rate':1,'per-sorce':true}}}}",
     "/firewall/rules/10/limit/per-sorce", "per-source"},
    {"firewall", "{'default':{'log':'foward'}}", "/firewall/default/log", "forward"},
    {"firewall", "{'notrack':{'10':{'to':'wan'}}}", "/firewall/notrack/10/to", "to"},
    {"firewall", "{'notrack':{'10':{'action':'notrak'}}}", "/firewall/notrack/10/action",
     "notrack"},
    {"firewall", "{'zones':{'w':{'interfaces':['w0'],'mss-clamp':10}}}",
     "/firewall/zones/w/mss-clamp", "536"},
    {"firewall", "{'nat':{'source':{'1':{'to':'w','action':'nnoe'}}}}",
     "/firewall/nat/source/1/action", "none"},
    {"firewall", "{'rules':{'10':{'action':'drop','destination-ports':70000}}}",
     "/firewall/rules/10/destination-ports", "65535"},
    {"firewall", "{'rules':{'10':{'action':'drop','destination-ports':'99999'}}}",
     "/firewall/rules/10/destination-ports", "99999"},
    {"firewall", "{'rules':{'10':{'action':'drop','destination-ports':['80',99999]}}}",
     "/firewall/rules/10/destination-ports/1", "99999"},
    {"firewall", "{'rules':{'10':{'action':'drop','source-ports':0}}}",
     "/firewall/rules/10/source-ports", "65535"},
    {"firewall", "{'rules':{'10':{'action':'drop','source-ports':['0']}}}",
     "/firewall/rules/10/source-ports/0", "65535"},
    {"firewall", "{'rules':{'10':{'action':'drop','source-ports':'70000-80000'}}}",
     "/firewall/rules/10/source-ports", "70000-80000"},
    {"firewall", "{'rules':{'10':{'action':'drop','destination-ports':['@web','90-80']}}}",
     "/firewall/rules/10/destination-ports/1", "90-80"},
    {"firewall", "{'groups':{'web':{'ports':['80','99999']}}}", "/firewall/groups/web/ports/1",
     "99999"},
    {"firewall", "{'groups':{'web':{'ports':[0]}}}", "/firewall/groups/web/ports/0", "1024-2047"},
    {"firewall", "{'groups':{'web':{'ports':['90-80']}}}", "/firewall/groups/web/ports/0", "90-80"},
    {"firewall", "{'groups':{'web':{'ports':['@other']}}}", "/firewall/groups/web/ports/0",
     "@other"},
    {"firewall", "{'nat':{'destination':{'1':{'from':'w','translate-to':'10.0.0.1','port':'0'}}}}",
     "/firewall/nat/destination/1/port", "0"},
    {"firewall",
     "{'nat':{'destination':{'1':{'from':'w','translate-to':'10.0.0.1','port':'90-80'}}}}",
     "/firewall/nat/destination/1/port", "90-80"},
    {"firewall", "{'rules':{'10':{'action':'drop','limit':{'rate':0}}}}",
     "/firewall/rules/10/limit/rate", "1"},
    {"firewall", "{'zones':{'lan':{'interfaces':[]}}}", "/firewall/zones/lan/interfaces", "1"},
    /* what is written so elsewhere: the text has the form expected here */
    {"firewall", "{'rules':{'10':{'action':'drop','limit':'10/minute'}}}",
     "/firewall/rules/10/limit",
     "expected a rate in packets, such as {'rate': 10, 'per': 'minute'}; got '10/minute'"},
    {"firewall", "{'default':{'log-limit':5}}", "/firewall/default/log-limit",
     "expected a rate in packets, such as {'rate': 10, 'per': 'minute'}; got 5"},
    {"firewall", "{'default':{'log':true}}", "/firewall/default/log",
     "expected an array or a string (one of forward, input, output); got true"},
    {"firewall", "{'rules':{'10':{'action':'drop','destination-ports':'http https'}}}",
     "/firewall/rules/10/destination-ports",
     "got 'http https'; did you mean a list, ['http', 'https']?"},
    {"firewall", "{'rules':{'10':{'action':'drop','source-ports':'80,443'}}}",
     "/firewall/rules/10/source-ports", "got '80,443'; did you mean a list, ['80', '443']?"},
    {"firewall", "{'rules':{'10':{'action':'drop','source':'10.0.0.1, 10.0.0.2'}}}",
     "/firewall/rules/10/source", "; did you mean a list, ['10.0.0.1', '10.0.0.2']?"},
    {"firewall", "{'nat':{'source':{'10':{'to':'w','exclude':true}}}}",
     "/firewall/nat/source/10/exclude",
     "got 'exclude', which is not known; did you mean action with the value exclude?"},
    /* the opposite of what was written is no suggestion */
    {"firewall", "{'rules':{'10':{'action':'drop','protocol':'!tcp'}}}",
     "/firewall/rules/10/protocol", "got '!tcp'; it cannot be negated here"},
    {"firewall", "{'rules':{'10':{'action':'drop','state':'!new'}}}", "/firewall/rules/10/state",
     "got '!new'; it cannot be negated here"},
    {"firewall", "{'rules':{'10':{'action':'drop','state':['!new']}}}",
     "/firewall/rules/10/state/0", "got '!new'; it cannot be negated here"},
    {"firewall", "{'rules':{'10':{'action':'drop','tcp-flags':'!sny'}}}",
     "/firewall/rules/10/tcp-flags", "got '!sny'; did you mean !syn?"},
    /* what other programs have here: the text has what to write */
    {"firewall", "{'rules':{'20':'log'}}", "/firewall/rules/20",
     "expected an object; got 'log'; log needs a value behind it, such as true"},
    {"firewall", "{'rules':{'20':'protocol'}}", "/firewall/rules/20",
     "got 'protocol'; protocol needs a value behind it"},
    {"firewall", "{'rules':{'20':'disable'}}", "/firewall/rules/20",
     "got 'disable'; write enabled false"},
    {"firewall", "{'rules':{'20':{'disable':true}}}", "/firewall/rules/20/disable",
     "which is not known; write enabled false"},
    {"firewall", "{'rules':{'20':{'source':'any'}}}", "/firewall/rules/20/source",
     "got 'any'; leave it out to match any"},
    {"firewall", "{'rules':{'20':{'source':['10.0.0.1','any']}}}", "/firewall/rules/20/source/1",
     "got 'any'; leave it out to match any"},
    {"firewall", "{'rules':{'20':{'source-mac':'any'}}}", "/firewall/rules/20/source-mac",
     "got 'any'; leave it out to match any"},
    {"firewall", "{'rules':{'20':{'tcp-flags':'any'}}}", "/firewall/rules/20/tcp-flags",
     "got 'any'; leave it out to match any"},
    {"firewall", "{'rules':{'20':{'state':['any']}}}", "/firewall/rules/20/state/0",
     "got 'any'; leave it out to match any"},
    {"firewall", "{'rules':{'20':{'port':22}}}", "/firewall/rules/20/port",
     "which is not known; write destination-ports or source-ports"},
    {"firewall", "{'rules':{'20':{'src':'lan'}}}", "/firewall/rules/20/src", "did you mean from?"},
    {"firewall", "{'rules':{'20':{'dest':'wan'}}}", "/firewall/rules/20/dest", "did you mean to?"},
    {"firewall", "{'rules':{'20':{'proto':'tcp'}}}", "/firewall/rules/20/proto",
     "did you mean protocol?"},
    {"firewall", "{'rules':{'20':{'dest_port':22}}}", "/firewall/rules/20/dest_port",
     "did you mean destination-ports?"},
    {"firewall", "{'nat':{'destination':{'1':{'src_dport':22}}}}",
     "/firewall/nat/destination/1/src_dport", "did you mean port?"},
    {"firewall", "{'rules':{'20':{'protocol':'47'}}}", "/firewall/rules/20/protocol",
     "pim, vrrp, sctp; got '47'; write gre"},
    {"firewall", "{'rules':{'20':{'protocol':132}}}", "/firewall/rules/20/protocol",
     "got 132; write sctp"},
    {"firewall", "{'zones':{'w':{'interfaces':['w0'],'mss-clamp':'clamp-mss-to-pmtu'}}}",
     "/firewall/zones/w/mss-clamp", "got 'clamp-mss-to-pmtu'; write pmtu"},
    {"firewall", "{'rules':{'20':{'action':'drop','limit':{'rate':'10/second'}}}}",
     "/firewall/rules/20/limit/rate",
     "expected an integer (packets in the unit of time that per names: second, minute, hour or "
     "day); got '10/second'"},
    {"firewall", "{'rules':{'20':{'action':'drop','log-limit':{'rate':'5/minute'}}}}",
     "/firewall/rules/20/log-limit/rate", "(packets in the unit of time that per names"},
    {"firewall", "{'default':{'log-limit':{'rate':'5/minute'}}}",
     "/firewall/default/log-limit/rate", "(packets in the unit of time that per names"},
    /* what is expected comes before the length */
    {"firewall", "{'zones':{'w':{'interfaces':['w0'],'mss-clamp':'clamp-mss-to-pmtu'}}}",
     "/firewall/zones/w/mss-clamp",
     "expected pmtu, or a number from 536 to 65495 such as 1452; got 'clamp-mss-to-pmtu'"},
    {"firewall", "{'rules':{'10':{'action':'drop','state':'established,related'}}}",
     "/firewall/rules/10/state",
     "expected one of new, established, related, invalid, untracked; got 'established,related'; "
     "did you mean a list, ['established', 'related']?"},
    {"firewall", "{'zones':{'w':{'interfaces':[]}}}", "/firewall/zones/w/interfaces",
     "expected at least 1 element; got 0"},
    {"routing", "{'static':'default'}", "/routing/static",
     "expected routes by destination network, such as "
     "{'0.0.0.0/0': {'next-hops': {'192.0.2.1': {}}}}; got 'default'"},
    {"routing", "{'static':{'default':{'next-hops':{'192.0.2.1':{}}}}}", "/routing/static/default",
     "0.0.0.0/0 or ::/0 for the default route"},
    {"routing", "{'static':{'10.0.0.0/8':{'prohibit':true}}}",
     "/routing/static/10.0.0.0~18/prohibit",
     "got 'prohibit', which is not known; did you mean reject?"},
    {"routing", "{'policy':{'10':{'prohibit':true}}}", "/routing/policy/10/prohibit",
     "did you mean reject?"},
};

/* The text with " for each '. */
static char *quoted(const char *text)
{
    char *copy = xstrdup(text);

    for (char *c = copy; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    return copy;
}

TEST(what_does_not_fit_is_refused_at_its_place)
{
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        AUTO(schema) struct schema *schema = config_schema(bad[i].package);
        AUTO_FREE char *base = buf_format("/%s", bad[i].package);
        AUTO_FREE char *text = quoted(bad[i].value);
        AUTO_FREE char *words = quoted(bad[i].words);
        struct orb_err err = {0};

        ck_assert_msg(schema_check(schema, text, strlen(text), base, &err) == ORB_E_SCHEMA,
                      "%s was taken", text);
        ck_assert_msg(!strncmp(err.path, bad[i].path, strlen(bad[i].path)), "%s: path %s (%s)",
                      text, err.path, err.text);
        ck_assert_msg(strstr(err.text, words) != NULL, "%s: \"%s\"", text, err.text);
    }
}

/* ---- what errors name instead of a pattern ---- */

/* The example behind "such as", or each of "one of", fits; what does not gets these words. */
static void shows_no_pattern(const char *file, const char *pattern, const char *words)
{
    AUTO(json_t)
    json_t *tree = json_pack("{s:s, s:s}", "pattern", pattern, "x-orb-expected", words);
    AUTO(buf) struct buf dump = {0}, good = {0};
    AUTO(schema) struct schema *schema = NULL;
    const char *example = strstr(words, "such as ");
    struct orb_err err = {0};
    bool one_of = !example;

    tree_dump(tree, &dump);
    ck_assert_int_eq(schema_compile(dump.data, dump.len, true, &schema, &err), 0);
    ck_assert_msg(example || !strncmp(words, "one of ", 7), "%s: no example: %s", file, words);
    example = example ? example + strlen("such as ") : words + strlen("one of ");
    while (example && *example) {
        size_t len = one_of ? strcspn(example, ",") : strlen(example);

        buf_clear(&good);
        buf_add_json(&good, example, len);
        ck_assert_msg(schema_check(schema, good.data, good.len, "", &err) == 0, "%s: %s: %s", file,
                      words, buf_str(&good));
        example += len + strspn(example + len, ", ");
    }
    ck_assert_int_eq(schema_check(schema, "\"\\u0001\"", 8, "", &err), ORB_E_SCHEMA);
    ck_assert_msg(strstr(err.text, words) != NULL && !strstr(err.text, pattern), "%s: %s", file,
                  err.text);
}

static void each_pattern(const char *file, json_t *node, unsigned *count)
{
    const char *name, *pattern = json_string_value(json_object_get(node, "pattern"));
    const char *words = json_string_value(json_object_get(node, "x-orb-expected"));
    json_t *below;
    size_t i;

    json_object_foreach (node, name, below)
        each_pattern(file, below, count);
    json_array_foreach (node, i, below)
        each_pattern(file, below, count);
    if (!pattern)
        return;
    ck_assert_msg(words != NULL, "%s: %s without x-orb-expected", file, pattern);
    ck_assert_msg(!strpbrk(words, "^$[]{}\\|*?"), "%s: %s", file, words);
    (*count)++;
    shows_no_pattern(file, pattern, words);
}

TEST(no_error_of_a_shipped_schema_shows_a_regular_expression)
{
    static const char *const files[] = {"plugins/interfaces/schema.json",
                                        "plugins/routing/schema.json",
                                        "plugins/firewall/schema.json",
                                        "plugins/config/schema.json",
                                        "api/schema.json",
                                        "core/host/auth.schema.json",
                                        "core/host/host.schema.json",
                                        "core/host/dataplane.schema.json",
                                        "core/host/arp.schema.json",
                                        "core/pkg/manifest.schema.json"};
    unsigned count = 0;

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        AUTO(json_t) json_t *all = NULL;
        AUTO(buf) struct buf text = {0};
        struct orb_err err;

        part(files[i], "", &text);
        ck_assert_int_eq(tree_parse(text.data, text.len, NULL, &all, &err), 0);
        each_pattern(files[i], all, &count);
    }
    ck_assert_uint_ge(count, 40);
}

TEST(a_member_of_a_value_is_told_what_to_write)
{
    static const struct {
        const char *path, *words;
    } table[] = {
        {"/rules/20/destination/port", "; write destination-ports instead, such as "},
        {"/rules/20/source/port", "; write source-ports instead, such as source-ports 22"},
        {"/rules/20/source/address", "; write the address itself behind source"},
        {"/rules/20/source/group", "behind source, such as @servers"},
        {"/rules/20/source/mac-address", "; write source-mac instead"},
        {"/rules/20/from/lan", "a value has no members; got \"lan\"; set one value at a time"},
        {"/rules/20/state/established", "; set one value at a time"},
        {"/nat/destination/1/destination/port", "; write port instead, such as port 22"},
    };
    AUTO(schema) struct schema *schema = config_schema("firewall");

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct orb_err err = {0};

        ck_assert_ptr_null(schema_facts_at(schema, table[i].path, &err));
        ck_assert_msg(strstr(err.text, table[i].words) != NULL, "%s: %s", table[i].path, err.text);
    }
}

/* The names of dataplane/policy_icmp.c. */
TEST(the_description_of_icmp_type_has_its_names)
{
    AUTO_FREE char *path = buf_format("%s/dataplane/policy_icmp.c", SOURCE_ROOT);
    AUTO(buf) struct buf source = {0}, described = {0};
    struct orb_err err;
    unsigned count = 0;
    char *end;

    part("plugins/firewall/schema.json",
         "/config/properties/rules/additionalProperties/properties/icmp-type/description",
         &described);
    ck_assert_int_eq(file_read(path, 1 << 20, &source, &err), 0);
    for (char *at = strstr(source.data, "icmp_names[] = {"); (at = strstr(at, "{\"")); at = end) {
        at += 2;
        end = strchr(at, '"');
        *end++ = '\0';
        ck_assert_msg(strstr(described.data, at) != NULL, "%s", at);
        count++;
    }
    ck_assert_uint_ge(count, 28);
}

TEST(an_object_that_is_missing_is_shown_by_example)
{
    AUTO(schema) struct schema *schema = config_schema("routing");
    const char *text = "{\"static\":{\"0.0.0.0/0\":{\"next-hops\":\"192.0.2.1\"}}}";
    struct orb_err err = {0};

    ck_assert_int_eq(schema_check(schema, text, strlen(text), "/routing", &err), ORB_E_SCHEMA);
    ck_assert_str_eq(err.text, "expected an object, for example {\"192.0.2.1\": {}}; got "
                               "\"192.0.2.1\"");
}

TEST(a_word_near_an_example_is_suggested)
{
    AUTO(schema) struct schema *schema = config_schema("firewall");
    const char *text = "{\"rules\":{\"10\":{\"action\":\"drop\",\"state\":\"establishd\"}}}";
    struct orb_err err = {0};

    ck_assert_int_eq(schema_check(schema, text, strlen(text), "/firewall", &err), ORB_E_SCHEMA);
    ck_assert_str_eq(err.text, "expected one of new, established, related, invalid, untracked; got "
                               "\"establishd\"; did you mean established?");
}

/* Completion offers what the schema lists; the firewall takes what its table has. */
TEST(the_services_that_are_offered_are_those_that_ports_may_be_named_by)
{
    AUTO(json_t) json_t *tree = NULL;
    AUTO(buf) struct buf text = {0};
    struct orb_err err;
    size_t n = 0;

    part("plugins/firewall/schema.json", "/$defs/service/enum", &text);
    ck_assert_int_eq(tree_parse(text.data, text.len, NULL, &tree, &err), 0);
    for (const char *name; (name = services_name(n)); n++)
        ck_assert_str_eq(json_string_value(json_array_get(tree, n)), name);
    ck_assert_uint_eq(json_array_size(tree), n);
}
