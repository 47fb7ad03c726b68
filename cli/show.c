/* What the appliance does now: firewall, interfaces, routes, boot. */
#include <string.h>

#include "cli/cli.h"
#include "cli/table.h"
#include "core/base/own.h"

static void rule_row(struct table *t, const char *name, const json_t *e)
{
    table_cell(t, "%s", name);
    table_cell(t, "%s", table_text(e, "from"));
    table_cell(t, "%s", table_text(e, "to"));
    table_cell(t, "%s", table_text(e, "action"));
    table_cell(t, "%lld", table_number(e, "packets"));
    table_cell(t, "%lld", table_number(e, "bytes"));
    table_cell(t, "%lld", table_number(e, "fast-packets"));
    table_cell(t, "%s", table_text(e, "description"));
}

/* All pages as one reply. */
static int fetch_counters(struct cli *cli, json_t **ret_tree, struct orb_err *err)
{
    AUTO(json_t) json_t *all = NULL;
    AUTO(buf) struct buf text = {0};
    long long after = 0, next = 0;
    int r;

    do {
        AUTO(json_t) json_t *page = NULL;
        AUTO(buf) struct buf input = {0};

        cli_pair_number(&input, "after", after = next);
        r = cli_tree(cli, "firewall@1", "counters", buf_str(&input), &page, err);
        if (r < 0)
            return r;
        next = table_number(page, "next");
        json_object_del(page, "next");
        if (!all)
            all = take_ptr(page);
        else
            json_array_extend(json_object_get(all, "rules"), json_object_get(page, "rules"));
    } while (next > after);
    if (cli->json) {
        tree_dump(all, &text);
        cli_print_json(cli, buf_str(&text));
    } else {
        *ret_tree = take_ptr(all);
    }
    return 0;
}

static int show_counters(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    static const char *const titles[] = {"RULE",    "FROM",  "TO",           "ACTION",
                                         "PACKETS", "BYTES", "IN FAST PATH", "DESCRIPTION"};
    AUTO(json_t) json_t *tree = NULL;
    struct table t;
    const char *key;
    json_t *e;
    size_t i;
    int r = cli_words(cli, argc, argv, err);

    if (r == 0)
        r = fetch_counters(cli, &tree, err);
    if (r < 0 || !tree)
        return r;
    table_start(&t, 8, titles);
    json_array_foreach (json_object_get(tree, "rules"), i, e) {
        char name[32];

        if (json_is_string(json_object_get(e, "rule")))
            snprintf(name, sizeof(name), "%s", table_text(e, "rule"));
        else
            snprintf(name, sizeof(name), "%lld", table_number(e, "rule"));
        rule_row(&t, name, e);
    }
    json_object_foreach (json_object_get(tree, "default"), key, e) {
        AUTO_FREE char *name = buf_format("default %s", key);

        if (json_is_object(e))
            rule_row(&t, name, e);
    }
    table_print(&t);
    return 0;
}

static void show_unaccelerated(const json_t *tree)
{
    json_t *ports = json_object_get(tree, "ports"), *p;
    const json_t *others = json_object_get(tree, "unaccelerated");
    const char *key;

    json_object_foreach (ports, key, p) {
        if (!strcmp(table_text(p, "mode"), "off") && strcmp(table_text(p, "wanted"), "off"))
            out("unaccelerated: %s: %s\n", key, table_text(p, "reason"));
    }
    if (others)
        out("unaccelerated: %lld interfaces (one is %s) have no room in the fast path and are "
            "left to the kernel\n",
            table_number(others, "interfaces"), table_text(others, "one"));
}

/* The state of the table, and each problem as a sentence. */
static void show_table(const json_t *tree)
{
    static const char *const words[][2] = {
        {"closed", "no policy is in force: the table is closed, nothing is let in or forwarded"},
        {"adopted", "the policy of an earlier daemon is in force"},
        {"missing", "the table is missing: nothing is filtered until it is put back"},
        {"detached", "the data plane was detached: nothing is filtered"}};
    const char *table = table_text(tree, "table");

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (!strcmp(table, words[i][0]))
            out("table: %s\n", words[i][1]);
    if (*table_text(tree, "warning"))
        out("warning: %s\n", table_text(tree, "warning"));
    if (*table_text(tree, "reason"))
        out("no fast path: %s\n", table_text(tree, "reason"));
}

static int show_status(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    static const char *const titles[] = {"PORT",   "MODE",   "WANTED",  "HITS",
                                         "MISSES", "PASSED", "DROPPED", ""};
    AUTO(json_t) json_t *tree = NULL;
    struct table t;
    const char *key;
    json_t *p;
    int r = cli_words(cli, argc, argv, err);

    if (r == 0)
        r = cli_fetch(cli, "dataplane@1", "status", NULL, &tree, err);
    if (r < 0 || !tree)
        return r;
    out("generation %lld, fast path %s%s\n", table_number(tree, "generation"),
        json_is_true(json_object_get(tree, "enabled")) ? "on" : "off",
        json_is_true(json_object_get(tree, "adopted")) ? ", adopted from an earlier daemon" : "");
    show_table(tree);
    show_unaccelerated(tree);
    table_start(&t, 8, titles);
    json_object_foreach (json_object_get(tree, "ports"), key, p) {
        table_cell(&t, "%s", key);
        table_cell(&t, "%s", table_text(p, "mode"));
        table_cell(&t, "%s", table_text(p, "wanted"));
        table_cell(&t, "%lld", table_number(p, "hits"));
        table_cell(&t, "%lld", table_number(p, "misses"));
        table_cell(&t, "%lld", table_number(p, "passed"));
        table_cell(&t, "%lld", table_number(p, "dropped"));
        table_cell(&t, "%s", table_text(p, "reason"));
    }
    table_print(&t);
    return 0;
}

static void join(const json_t *list, struct buf *b)
{
    json_t *e;
    size_t i;

    json_array_foreach ((json_t *)list, i, e)
        buf_addf(b, "%s%s", i ? " " : "",
                 json_is_string(e) ? json_string_value(e) : table_text(e, "address"));
}

static int show_interfaces(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    static const char *const titles[] = {"INTERFACE", "STATE",     "MTU",       "MAC",
                                         "ADDRESSES", "FAST PATH", "ITS REASON"};
    AUTO(json_t) json_t *tree = NULL, *fast = NULL;
    struct table t;
    json_t *e, *list;
    size_t i;
    int r = cli_words(cli, argc, argv, err);

    if (r == 0)
        r = cli_fetch(cli, "interfaces@1", "list", NULL, &tree, err);
    if (r < 0 || !tree)
        return r;
    if (cli_fetch(cli, "dataplane@1", "status", NULL, &fast, NULL) < 0) /* then it is not shown */
        fast = NULL;
    table_start(&t, 7, titles);
    list = json_object_get(tree, "interfaces");
    if (!list)
        list = json_object_get(tree, "links");
    json_array_foreach (list, i, e) {
        AUTO(buf) struct buf addresses = {0};
        const json_t *port = json_object_get(json_object_get(fast, "ports"), table_text(e, "name"));

        join(json_object_get(e, "addresses"), &addresses);
        table_cell(&t, "%s", table_text(e, "name"));
        table_cell(&t, "%s", table_text(e, "state"));
        table_cell(&t, "%lld", table_number(e, "mtu"));
        table_cell(&t, "%s", table_text(e, "mac"));
        table_cell(&t, "%s", buf_str(&addresses));
        table_cell(&t, "%s", table_text(port, "mode"));
        table_cell(&t, "%s", table_text(port, "reason"));
    }
    table_print(&t);
    return 0;
}

/* Configured next hops that are not in the table above, and why. */
static void print_pending_routes(json_t *tree)
{
    static const char *const titles[] = {"NOT USED NOW", "NEXT HOP", "METRIC", "BECAUSE"};
    struct table t;
    json_t *e, *hop;
    size_t i, k;

    if (!json_array_size(json_object_get(tree, "pending")))
        return;
    out("\n");
    table_start(&t, 4, titles);
    json_array_foreach (json_object_get(tree, "pending"), i, e) {
        json_array_foreach (json_object_get(e, "next-hops"), k, hop) {
            const char *via = table_text(hop, "gateway");

            table_cell(&t, "%s%s%s", table_text(e, "destination"),
                       *table_text(e, "table") ? " of table " : "", table_text(e, "table"));
            if (strchr(via, '%')) /* ADDRESS%INTERFACE */
                table_cell(&t, "%s", via);
            else
                table_cell(&t, "%s%s%s", via, *via ? " " : "", table_text(hop, "interface"));
            table_cell(&t, "%lld", table_number(e, "metric"));
            table_cell(&t, "%s", table_text(hop, "reason"));
        }
    }
    table_print(&t);
}

/* The kernel's policy rules, when there are others than its own three. */
static void print_policy(json_t *tree)
{
    static const char *const titles[] = {"RULE",      "FAMILY", "FROM",    "TO",
                                         "INTERFACE", "MARK",   "DECIDES", "PROTOCOL"};
    static const char *const leaves[] = {"family", "from", "to", "interface", "mark"};
    bool others = false;
    struct table t;
    json_t *e;
    size_t i;

    json_array_foreach (json_object_get(tree, "policy"), i, e)
        others |= strcmp(table_text(e, "protocol"), "kernel");
    if (!others)
        return;
    out("\n");
    table_start(&t, 8, titles);
    json_array_foreach (json_object_get(tree, "policy"), i, e) {
        bool table = !strcmp(table_text(e, "action"), "table");

        table_cell(&t, "%lld", table_number(e, "number"));
        for (size_t k = 0; k < sizeof(leaves) / sizeof(*leaves); k++)
            table_cell(&t, "%s", table_text(e, leaves[k]));
        table_cell(&t, "%s%s%s", table ? "table " : "",
                   table ? table_text(e, "table") : table_text(e, "action"),
                   json_is_true(json_object_get(e, "more")) ? ", and more" : "");
        table_cell(&t, "%s", table_text(e, "protocol"));
    }
    table_print(&t);
}

static int show_routes(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    static const char *const titles[] = {"DESTINATION", "TABLE", "NEXT HOPS", "PROTOCOL", "METRIC"};
    AUTO(json_t) json_t *tree = NULL;
    struct table t;
    json_t *e, *hop;
    size_t i, k;
    int r = cli_words(cli, argc, argv, err);

    if (r == 0)
        r = cli_fetch(cli, "routing@1", "list", NULL, &tree, err);
    if (r < 0 || !tree)
        return r;
    table_start(&t, 5, titles);
    json_array_foreach (json_object_get(tree, "routes"), i, e) {
        AUTO(buf) struct buf hops = {0};

        json_array_foreach (json_object_get(e, "next-hops"), k, hop) {
            const char *via = table_text(hop, "gateway");

            buf_addf(&hops, "%s%s%s%s", k ? ", " : "", via, *via ? " " : "",
                     table_text(hop, "interface"));
        }
        if (*table_text(e, "preferred-source"))
            buf_addf(&hops, " from %s", table_text(e, "preferred-source"));
        table_cell(&t, "%s", table_text(e, "destination"));
        table_cell(&t, "%s", table_text(e, "table"));
        table_cell(&t, "%s", hops.len ? buf_str(&hops) : table_text(e, "type"));
        table_cell(&t, "%s", table_text(e, "protocol"));
        table_cell(&t, "%lld", table_number(e, "metric"));
    }
    table_print(&t);
    print_pending_routes(tree);
    print_policy(tree);
    return 0;
}

static int show_boot(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    AUTO(json_t) json_t *tree = NULL;
    json_t *e;
    size_t i;
    int r = cli_words(cli, argc, argv, err);

    if (r == 0)
        r = cli_fetch(cli, "host@1", "boot", NULL, &tree, err);
    if (r < 0 || !tree)
        return r;
    out("%s%s%s%s\n", table_text(tree, "phase"), *table_text(tree, "step") ? ": " : "",
        table_text(tree, "step"),
        json_is_true(json_object_get(tree, "safe"))
            ? " (safe mode: the last good configuration, shipped packages only)"
            : "");
    json_array_foreach (json_object_get(tree, "waiting"), i, e)
        out("%s%s", i ? ", " : "  waiting for ", json_string_value(e));
    if (json_array_size(json_object_get(tree, "waiting")))
        out("\n");
    json_array_foreach (json_object_get(tree, "phases"), i, e)
        out("  %-12s after %lld ms\n", table_text(e, "phase"), table_number(e, "ms"));
    if (json_array_size(json_object_get(tree, "given-up")))
        out("without, as this machine does not give it:\n");
    json_array_foreach (json_object_get(tree, "given-up"), i, e)
        out("  %s: %s\n", table_text(e, "feature"), table_text(e, "reason"));
    return 0;
}

static int show_system(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    AUTO(json_t) json_t *tree = NULL;
    int r = cli_words(cli, argc, argv, err);

    if (r == 0)
        r = cli_fetch(cli, "host@1", "version", NULL, &tree, err);
    if (r < 0 || !tree)
        return r;
    out("orbitald %s, instance %s, pid %lld, up %lld s%s\n", table_text(tree, "version"),
        table_text(tree, "instance"), table_number(tree, "pid"),
        table_number(tree, "uptime-ms") / 1000,
        json_is_true(json_object_get(tree, "safe")) ? ", SAFE MODE" : "");
    return 0;
}

const struct command show_commands[] = {
    {"show firewall", "", "rules and what they counted", show_counters},
    {"show firewall counters", "", "the same", show_counters},
    {"show dataplane", "", "ports, attach points, fast path", show_status},
    {"show interfaces", "", "links and addresses", show_interfaces},
    {"show routes", "", "the routing tables, next hops not used now, and policy rules",
     show_routes},
    {"show system", "", "version, instance, uptime", show_system},
    {"show boot", "", "boot phases and when they were reached", show_boot},
    {0},
};
