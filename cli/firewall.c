/* orbctl firewall test: what becomes of a packet; firewall flows: the connections there are. */
#include <string.h>

#include "cli/cli.h"
#include "cli/table.h"
#include "core/base/json_write.h"
#include "core/base/own.h"

/* Options that are passed on as they are. */
struct option {
    const char *name, *member;
    bool number, needed;
};

static const struct option options[] = {
    {"--from", "from", false, true},
    {"--source", "source", false, true},
    {"--destination", "destination", false, true},
    {"--protocol", "protocol", false, true},
    {"--port", "destination-port", true, false},
    {"--source-port", "source-port", true, false},
    {"--icmp-type", "icmp-type", false, false},
    {"--source-mac", "source-mac", false, false},
};

/* value NULL: it is not given. */
static int write_option(struct json_write *w, const struct option *o, const char *value,
                        struct orb_err *err)
{
    bool port = strstr(o->member, "port");
    long number;
    int r = 0;

    if (!value)
        return o->needed ? orb_fail(err, ORB_E_INVALID, "missing option %s", o->name) : 0;
    if (o->number)
        r = cli_number(value, o->name, 1, port ? 65535 : 99999999, &number, err);
    if (r == 0 && o->number)
        json_write_integer(w, o->member, number);
    else if (r == 0)
        json_write_string(w, o->member, value);
    return r;
}

static int write_packet(struct json_write *w, const char *key, const char *const *values,
                        struct orb_err *err)
{
    int r = 0;

    json_write_object(w, key);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(options); i++)
        r = write_option(w, &options[i], values[i], err);
    json_write_end(w);
    return r;
}

/* The same question of a dry run, which prepares the candidate. */
static int ask_candidate(struct cli *cli, const char *const *values, struct buf *ret_text,
                         struct orb_err *err)
{
    AUTO(buf) struct buf input = {0}, reply = {0};
    AUTO(json_t) json_t *tree = NULL;
    struct json_write w = json_write_to(&input);
    int r;

    json_write_object(&w, NULL);
    json_write_boolean(&w, "dry-run", true);
    json_write_object(&w, "question");
    json_write_string(&w, "service", "firewall");
    json_write_object(&w, "input");
    r = write_packet(&w, "test", values, err);
    json_write_end(&w);
    json_write_end(&w);
    json_write_end(&w);
    if (r == 0)
        r = cli_call(cli, "config@1", "commit", buf_str(&input), &reply, err);
    if (r == 0)
        r = tree_parse(buf_str(&reply), reply.len, NULL, &tree, err);
    if (r == 0 && !json_object_get(tree, "answer"))
        r = orb_fail(err, ORB_E_UNAVAILABLE,
                     "the firewall service did not answer; `orbctl show health` shows its state");
    if (r == 0)
        tree_dump(json_object_get(tree, "answer"), ret_text);
    return r;
}

static int ask_running(struct cli *cli, const char *const *values, struct buf *ret_text,
                       struct orb_err *err)
{
    AUTO(buf) struct buf input = {0};
    struct json_write w = json_write_to(&input);
    int r = write_packet(&w, NULL, values, err);

    return r < 0 ? r : cli_call(cli, "firewall@1", "test", buf_str(&input), ret_text, err);
}

/* ---- printing ---- */

static void print_verdict(const json_t *tree)
{
    const char *description = table_text(tree, "description");

    out("%s", table_text(tree, "verdict"));
    if (json_is_integer(json_object_get(tree, "rule")))
        out(" by rule %lld%s%s%s", table_number(tree, "rule"), *description ? " \"" : "",
            description, *description ? "\"" : "");
    else if (*table_text(tree, "default"))
        out(" by the default");
    if (*table_text(tree, "hook"))
        out(" (%s)", table_text(tree, "hook"));
    if (*table_text(tree, "reason"))
        out(": %s", table_text(tree, "reason"));
    out("\n");
}

static void print_way(const char *title, const json_t *way)
{
    const char *interface = table_text(way, "interface"), *zone = table_text(way, "zone");

    if (!way)
        return;
    if (!*interface)
        out("  %-12s the appliance itself\n", title);
    else
        out("  %-12s %s%s%s%s%s\n", title, interface, *zone ? ", zone " : ", in no zone", zone,
            *table_text(way, "next-hop") ? ", next hop " : "", table_text(way, "next-hop"));
}

static void print_nat(const char *title, const json_t *nat)
{
    const char *action = table_text(nat, "action"), *address = table_text(nat, "address");

    if (!nat)
        return;
    if (!strcmp(action, "none"))
        out("  %-12s not translated, by entry %lld\n", title, table_number(nat, "entry"));
    else if (table_number(nat, "port"))
        out("  %-12s to %s port %lld, by entry %lld\n", title, address, table_number(nat, "port"),
            table_number(nat, "entry"));
    else
        out("  %-12s to %s, by entry %lld%s\n", title, *address ? address : "?",
            table_number(nat, "entry"), !strcmp(action, "masquerade") ? " (masquerade)" : "");
}

static void print_depends(json_t *depends)
{
    json_t *one;
    size_t i;

    json_array_foreach (depends, i, one) {
        bool limit = !strcmp(table_text(one, "on"), "limit");

        out("  rule %lld matches %s\n", table_number(one, "rule"),
            limit ? "only within its limit" : "certain MAC addresses: try --source-mac");
    }
}

static void print_further(const json_t *further)
{
    if (!further)
        return;
    if (!strcmp(table_text(further, "by"), "fast-path"))
        out("  %-12s fast path\n", "further");
    else
        out("  %-12s kernel: %s\n", "further", table_text(further, "reason"));
}

static void print_result(json_t *tree)
{
    const json_t *fast = json_object_get(tree, "fast-path");

    print_verdict(tree);
    print_way("in", json_object_get(tree, "in"));
    print_way("out", json_object_get(tree, "out"));
    print_nat("destination", json_object_get(tree, "destination-nat"));
    print_nat("source", json_object_get(tree, "source-nat"));
    if (json_is_true(json_object_get(tree, "untracked")))
        out("  not tracked by conntrack, so not translated either\n");
    if (!strcmp(table_text(tree, "decided-by"), "fast-path"))
        out("  %-12s fast path (%s)\n", "decided by", table_text(fast, "mode"));
    else
        out("  %-12s kernel\n", "decided by");
    print_further(json_object_get(tree, "further-packets"));
    print_depends(json_object_get(tree, "depends"));
    if (*table_text(tree, "warning"))
        out("  warning: %s\n", table_text(tree, "warning"));
}

static int test(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    bool candidate = cli_flag(&argc, argv, "--candidate");
    const char *values[ARRAY_LEN(options)];
    AUTO(json_t) json_t *tree = NULL;
    AUTO(buf) struct buf text = {0};
    int r;

    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        values[i] = cli_option(&argc, argv, options[i].name);
    r = cli_words(cli, argc, argv, err);
    if (r == 0)
        r = candidate ? ask_candidate(cli, values, &text, err)
                      : ask_running(cli, values, &text, err);
    if (r < 0 || cli_print_json(cli, buf_str(&text)))
        return r;
    r = tree_parse(buf_str(&text), text.len, NULL, &tree, err);
    if (r == 0)
        print_result(tree);
    return r;
}

/* ---- connections ---- */

static const struct option filters[] = {
    {"--source", "source"},
    {"--destination", "destination"},
    {"--protocol", "protocol"},
    {"--port", "port", .number = true},
    {"--rule", "rule", .number = true},
    {"--limit", "limit", .number = true},
};

/* count: of filters, without those of a list alone. */
static int read_filter(const struct cli *cli, int argc, char **argv, size_t count,
                       struct buf *ret_input, struct orb_err *err)
{
    const char *values[ARRAY_LEN(filters)] = {0};
    struct json_write w = json_write_to(ret_input);
    int r;

    for (size_t i = 0; i < count; i++)
        values[i] = cli_option(&argc, argv, filters[i].name);
    r = cli_words(cli, argc, argv, err);
    json_write_object(&w, NULL);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = write_option(&w, &filters[i], values[i], err);
    json_write_end(&w);
    return r;
}

static void end_text(const json_t *end, struct buf *ret_text)
{
    const char *address = table_text(end, "address");
    bool six = strchr(address, ':');

    if (!table_number(end, "port"))
        buf_adds(ret_text, address);
    else
        buf_addf(ret_text, six ? "[%s]:%lld" : "%s:%lld", address, table_number(end, "port"));
}

/* As it is sent, and what it is translated to. */
static void end_cell(struct table *t, const json_t *flow, const char *key, const char *translated)
{
    AUTO(buf) struct buf text = {0};

    end_text(json_object_get(flow, key), &text);
    if (json_object_get(flow, translated)) {
        buf_adds(&text, " -> ");
        end_text(json_object_get(flow, translated), &text);
    }
    table_cell(t, "%s", buf_str(&text));
}

static int show_flows(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    static const char *const titles[] = {"PROTOCOL", "SOURCE", "DESTINATION",
                                         "STATE",    "RULE",   "EXPIRES"};
    AUTO(buf) struct buf input = {0};
    AUTO(json_t) json_t *tree = NULL;
    struct table t;
    json_t *e;
    size_t i;
    int r = read_filter(cli, argc, argv, ARRAY_LEN(filters), &input, err);

    if (r == 0)
        r = cli_fetch(cli, "dataplane@1", "flows", buf_str(&input), &tree, err);
    if (r < 0 || !tree)
        return r;
    table_start(&t, 6, titles);
    json_array_foreach (json_object_get(tree, "flows"), i, e) {
        table_cell(&t, "%s", table_text(e, "protocol"));
        end_cell(&t, e, "source", "translated-source");
        end_cell(&t, e, "destination", "translated-destination");
        table_cell(&t, "%s", table_text(e, "state"));
        if (table_number(e, "rule"))
            table_cell(&t, "%lld", table_number(e, "rule"));
        else
            table_cell(&t, "%s%s", *table_text(e, "default") ? "default " : "-",
                       table_text(e, "default"));
        table_cell(&t, "%lld s", table_number(e, "expires-s"));
    }
    table_print(&t);
    if (table_number(tree, "matched") > (long long)i)
        out("%lld connections match; the first %zu are shown (--limit, at most 500)\n",
            table_number(tree, "matched"), i);
    return 0;
}

static int delete_flows(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    AUTO(buf) struct buf input = {0};
    AUTO(json_t) json_t *tree = NULL;
    int r = read_filter(cli, argc, argv, ARRAY_LEN(filters) - 1, &input, err);

    if (r == 0)
        r = cli_fetch(cli, "dataplane@1", "flows-delete", buf_str(&input), &tree, err);
    if (r == 0 && tree)
        out("%lld connection%s deleted\n", table_number(tree, "deleted"),
            table_plural(table_number(tree, "deleted")));
    return r;
}

const struct command firewall_commands[] = {
    {"firewall test",
     "--from ZONE --source ADDRESS --destination ADDRESS --protocol PROTOCOL [--port PORT] "
     "[--source-port PORT] [--icmp-type TYPE] [--source-mac MAC] [--candidate]",
     "what becomes of a packet: verdict, rule, NAT, route (nothing is sent)", test},
    {"show firewall flows",
     "[--source ADDRESS] [--destination ADDRESS] [--protocol PROTOCOL] [--port PORT] "
     "[--rule RULE] [--limit COUNT]",
     "connections, their translation, and the rule that accepted each", show_flows},
    {"firewall flows delete",
     "[--source ADDRESS] [--destination ADDRESS] [--protocol PROTOCOL] [--port PORT] "
     "[--rule RULE]",
     "delete connections: their next packets are new ones to the rules", delete_flows},
    {0},
};
