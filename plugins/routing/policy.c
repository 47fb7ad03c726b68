/* One policy rule: parse and check. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/suggest.h"
#include "plugins/lib/near.h"
#include "plugins/routing/leaf.h"
#include "plugins/routing/model.h"
#include "plugins/routing/policy.h"
#include "orbital/read.h"

void policy_rule_path(const struct rule_want *rule, char *to, size_t size)
{
    snprintf(to, size, "/routing/policy/%u", rule->number);
}

/* Fails at a leaf (NULL: at the rule itself). */
static int refuse(struct orb_err *err, const struct rule_want *rule, const char *leaf,
                  const char *text)
{
    char path[ORB_ERR_PATH];

    policy_rule_path(rule, path, sizeof(path));
    if (leaf)
        orb_pointer_add(path, sizeof(path), leaf);
    return orb_fail_at(err, ORB_E_VETO, path, "%s", text);
}

struct leaves {
    char *from, *to, *interface, *mark, *table;
    bool ignore_default;
    struct leaf_ends ends;
};

ORB_FIELDS(fields, "/policy/*") = {
    ORB_FIELD_TEXT("from", struct leaves, from, NULL),
    ORB_FIELD_TEXT("to", struct leaves, to, NULL),
    ORB_FIELD_TEXT("interface", struct leaves, interface, NULL),
    ORB_FIELD_TEXT("mark", struct leaves, mark, NULL),
    ORB_FIELD_TEXT("table", struct leaves, table, NULL),
    ORB_FIELD_BOOL("ignore-default", struct leaves, ignore_default, false),
    ORB_FIELD_BOOL("blackhole", struct leaves, ends.blackhole, false),
    ORB_FIELD_BOOL("unreachable", struct leaves, ends.unreachable, false),
    ORB_FIELD_BOOL("reject", struct leaves, ends.reject, false),
    ORB_FIELD_OTHER("description"),
    ORB_FIELDS_END,
};

static int read_network(const char *value, const char *leaf, const struct rule_want *rule,
                        struct prefix *ret, struct orb_err *err)
{
    const char *wrong;
    char text[200], fit[ADDRESS_TEXT];
    struct prefix network;

    if (!value)
        return 0;
    wrong = prefix_parse(value, ret);
    if (wrong) {
        snprintf(text, sizeof(text), "\"%s\" %s", value, wrong);
        return refuse(err, rule, leaf, text);
    }
    network = prefix_network(ret);
    if (prefix_equal(&network, ret))
        return 0;
    snprintf(text, sizeof(text), "%s has bits set behind its prefix length; did you mean %s?",
             value, prefix_text(&network, fit));
    return refuse(err, rule, leaf, text);
}

/* A decimal or hexadecimal number of 32 bits up to end; false when it is none. */
static bool read_number(const char *text, char end, uint32_t *ret, const char **ret_rest)
{
    unsigned long long n;
    char *rest;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    n = strtoull(text, &rest, text[0] == '0' && (text[1] | 0x20) == 'x' ? 16 : 10);
    if (errno || n > UINT32_MAX || (*rest && *rest != end))
        return false;
    *ret = (uint32_t)n;
    *ret_rest = rest;
    return true;
}

/* MARK or MARK/MASK. */
static int read_mark(const char *text, struct rule_want *rule, struct orb_err *err)
{
    const char *rest = "";

    if (!text)
        return 0;
    rule->mask = UINT32_MAX;
    if (!read_number(text, '/', &rule->mark, &rest) ||
        (*rest && !read_number(rest + 1, 0, &rule->mask, &rest)))
        return refuse(err, rule, "mark",
                      "expected MARK or MARK/MASK, numbers of 32 bits such as 0x10/0xff");
    if (!rule->mask)
        return refuse(err, rule, "mark", "mask 0 matches every packet; leave \"mark\" away");
    if (rule->mark & ~rule->mask)
        return refuse(err, rule, "mark", "the mark has bits that the mask takes away");
    return 0;
}

static int read_table(const char *name, const struct routes_want *routes, struct rule_want *rule,
                      struct orb_err *err)
{
    char text[160], hint[64];
    struct suggest near;

    rule->table = RT_TABLE_MAIN;
    if (!name)
        return 0;
    if (rule->last)
        return refuse(err, rule, "table",
                      "expected either a table or one of \"blackhole\", \"unreachable\" and "
                      "\"reject\"");
    suggest_init(&near, name);
    for (unsigned i = 1; i < routes->table_count; i++) {
        suggest_offer(&near, routes->tables[i].name);
        if (strcmp(routes->tables[i].name, name))
            continue;
        rule->table = routes->tables[i].id;
        return 0;
    }
    snprintf(text, sizeof(text), "there is no table \"%.40s\" below /routing/tables%s", name,
             near_text(&near, hint, sizeof(hint)));
    return refuse(err, rule, "table", text);
}

static int read_rule(const struct leaves *leaves, const struct routes_want *routes,
                     struct rule_want *rule, struct orb_err *err)
{
    char path[ORB_ERR_PATH];
    int r;

    snprintf(rule->interface, sizeof(rule->interface), "%s",
             leaves->interface ? leaves->interface : "");
    rule->ignore_default = leaves->ignore_default;
    policy_rule_path(rule, path, sizeof(path));
    r = leaf_last(&leaves->ends, path, &rule->last, err);
    if (r == 0)
        r = read_network(leaves->from, "from", rule, &rule->from, err);
    if (r == 0)
        r = read_network(leaves->to, "to", rule, &rule->to, err);
    if (r == 0)
        r = read_mark(leaves->mark, rule, err);
    if (r == 0)
        r = read_table(leaves->table, routes, rule, err);
    if (r < 0)
        return r;
    if (rule->from.address.family && rule->to.address.family &&
        rule->from.address.family != rule->to.address.family)
        return refuse(err, rule, "to", "expected networks of one family in \"from\" and \"to\"");
    if (rule->last && rule->ignore_default)
        return refuse(err, rule, "ignore-default", "expected it beside a table only");
    return 0;
}

int policy_rule_read(const cJSON *item, const struct routes_want *routes, struct rule_want *rule,
                     struct orb_err *err)
{
    struct leaves leaves;
    struct orb_err why;
    int r;

    rule->number = (unsigned)strtoul(item->string, NULL, 10);
    if (rule->number < 1 || rule->number >= 32766)
        return refuse(err, rule, NULL,
                      "expected a number between 1 and 32765: those behind are the kernel's");
    r = orb_read(fields, item, &leaves, &why);
    if (r < 0)
        return r == ORB_E_NOMEM ? orb_fail(err, r, "%s", why.text)
                                : refuse(err, rule, NULL, why.text);
    r = read_rule(&leaves, routes, rule, err);
    orb_read_free(fields, &leaves);
    return r;
}
