/* orbctl firewall test: what becomes of a packet. */
#include <string.h>

#include "cli/cli.h"
#include "cli/table.h"
#include "core/base/json_write.h"
#include "core/base/own.h"

/* Options that are passed on as they are. */
static const struct option {
    const char *name, *member;
    bool number, needed;
} options[] = {
    {"--from", "from", false, true},
    {"--source", "source", false, true},
    {"--destination", "destination", false, true},
    {"--protocol", "protocol", false, true},
    {"--port", "destination-port", true, false},
    {"--source-port", "source-port", true, false},
    {"--icmp-type", "icmp-type", false, false},
    {"--source-mac", "source-mac", false, false},
};

static int write_packet(struct json_write *w, const char *key, const char *const *values,
                        struct orb_err *err)
{
    long number;
    int r = 0;

    json_write_object(w, key);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(options); i++) {
        const struct option *o = &options[i];

        if (!values[i] && o->needed)
            r = orb_fail(err, ORB_E_INVALID, "missing option %s", o->name);
        else if (values[i] && o->number)
            r = cli_number(values[i], o->name, 1, 65535, &number, err);
        if (r == 0 && values[i] && o->number)
            json_write_integer(w, o->member, number);
        else if (r == 0 && values[i])
            json_write_string(w, o->member, values[i]);
    }
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

const struct command firewall_commands[] = {
    {"firewall test",
     "--from ZONE --source ADDRESS --destination ADDRESS --protocol PROTOCOL [--port PORT] "
     "[--source-port PORT] [--icmp-type TYPE] [--source-mac MAC] [--candidate]",
     "what becomes of a packet: verdict, rule, NAT, route (nothing is sent)", test},
    {0},
};
