/* Places in the configuration and what they take, of config@1 schema. A pointer is completed member
 * by member and ends in "/" while more may follow; a path in words takes a name a word. */
#include "cli/kinds_config.h"

#include <string.h>

#include "cli/table.h"
#include "core/base/json_write.h"
#include "core/base/own.h"
#include "core/json/schema.h"

/* What the schema and the caller's candidate have at a path: of its names those that begin with
 * prefix. NULL: nothing. */
static json_t *schema_at(struct offer *o, const char *path, const char *prefix)
{
    AUTO(buf) struct buf input = {0};
    struct json_write w = json_write_to(&input);

    json_write_object(&w, NULL);
    json_write_string(&w, "path", path);
    if (*prefix)
        json_write_string(&w, "prefix", prefix);
    json_write_end(&w);
    return offer_ask(o, "config@1", "schema", buf_str(&input));
}

static bool is_of(const json_t *node, const char *type)
{
    const json_t *types = json_object_get(node, "type"), *one;
    size_t i;

    if (json_is_string(types))
        return !strcmp(json_string_value(types), type);
    json_array_foreach (types, i, one)
        if (json_is_string(one) && !strcmp(json_string_value(one), type))
            return true;
    return false;
}

/* A name in a reply; "" for what is none. */
static const char *name_of(const json_t *name)
{
    return json_is_string(name) ? json_string_value(name) : "";
}

/* ---- hints ---- */

static void add_range(const json_t *node, struct buf *hint)
{
    const json_t *low = json_object_get(node, "minimum"), *high = json_object_get(node, "maximum");

    if (!is_of(node, "integer") && !is_of(node, "number"))
        return;
    buf_adds(hint, hint->len ? " or a number" : "a number");
    if (low && high)
        buf_addf(hint, " from %lld to %lld", table_number(node, "minimum"),
                 table_number(node, "maximum"));
    else if (low || high)
        buf_addf(hint, " of at %s %lld", low ? "least" : "most",
                 table_number(node, low ? "minimum" : "maximum"));
}

/* "an address such as 192.0.2.1: the new source address". */
static void hint_value(struct offer *o, const json_t *node, const char *description)
{
    const json_t *items = json_object_get(node, "items"), *examples, *one;
    const char *format = table_text(node, "format");
    AUTO(buf) struct buf hint = {0};
    size_t i;

    if (!is_of(node, "string"))
        add_range(node, &hint); /* exact, where x-orb-expected may say what is counted */
    if (!hint.len)
        buf_adds(&hint, table_text(node, "x-orb-expected"));
    if (!hint.len)
        buf_adds(&hint, table_text(items, "x-orb-expected"));
    if (!hint.len)
        buf_adds(&hint, schema_format_words(*format ? format : table_text(items, "format")));
    if (!hint.len)
        add_range(node, &hint);
    examples = json_object_get(node, "examples");
    json_array_foreach (examples, i, one) {
        AUTO(buf) struct buf text = {0};

        tree_dump(one, &text);
        if (i < 3 && !json_object_get(node, "x-orb-expected"))
            buf_addf(&hint, "%s%s", i ? ", " : hint.len ? " such as " : "such as ", buf_str(&text));
    }
    buf_addf(&hint, "%s%s", hint.len ? ": " : "", description);
    offer_hint(o, buf_str(&hint));
}

/* ---- places ---- */

struct place {
    struct offer *o;
    const char *parent; /* pointer; NULL: the path is words */
    const json_t *node; /* of the parent */
};

static void offer_member(const struct place *place, const char *name, const json_t *member,
                         const char *help)
{
    AUTO(buf) struct buf whole = {0};

    if (!*name)
        return;
    if (!place->parent) {
        offer_add(place->o, name, help);
        return;
    }
    buf_adds(&whole, place->parent);
    buf_add_pointer(&whole, name);
    if (is_of(member, "object"))
        buf_addc(&whole, '/');
    offer_add(place->o, buf_str(&whole), help);
}

/* Entries of a map are alike: the first one shows whether there is anything in them. */
static json_t *entry_of(const struct place *place, const json_t *names)
{
    AUTO(buf) struct buf path = {0};

    if (!place->parent || !json_array_size(names))
        return NULL;
    buf_adds(&path, place->parent);
    buf_add_pointer(&path, name_of(json_array_get(names, 0)));
    return schema_at(place->o, buf_str(&path), "");
}

static bool is_there(const json_t *names, const char *name)
{
    const json_t *one;
    size_t i;

    json_array_foreach (names, i, one)
        if (!strcmp(name_of(one), name))
            return true;
    return false;
}

static void offer_places(const struct place *place)
{
    const json_t *names = json_object_get(place->node, "names"), *one;
    bool is_map = json_is_true(json_object_get(place->node, "map"));
    AUTO(json_t) json_t *entry = is_map ? entry_of(place, names) : NULL;
    const char *name;
    json_t *member;
    size_t i;

    json_object_foreach (json_object_get(place->node, "members"), name, member) {
        if (!place->o->only_there || is_there(names, name))
            offer_member(place, name, member, table_text(member, "description"));
    }
    place->o->more |= is_map && json_is_true(json_object_get(place->node, "more"));
    if (is_map)
        json_array_foreach (names, i, one)
            offer_member(place, name_of(one), entry, table_text(entry, "description"));
}

/* "/firewall/ru": "/firewall" and what follows the last slash, unescaped. */
static void split(const char *word, struct buf *ret_parent, struct buf *ret_name)
{
    const char *slash = strrchr(word, '/');

    buf_add(ret_parent, word, (size_t)(slash - word));
    for (const char *p = slash + 1; *p; p++) {
        bool escaped = *p == '~' && (p[1] == '0' || p[1] == '1');

        buf_addc(ret_name, !escaped ? *p : *++p == '0' ? '~' : '/');
    }
}

void kinds_config_path(struct offer *o)
{
    AUTO(buf) struct buf parent = {0}, name = {0};
    AUTO(json_t) json_t *node = NULL;
    struct place place = {.o = o};

    if (o->count && o->words[0][0] == '/')
        return; /* a pointer is the whole path */
    if (!o->count && *o->word == '/') {
        split(o->word, &parent, &name);
        if (!strcmp(buf_str(&parent), "/"))
            return; /* no member has an empty name */
        place.parent = buf_str(&parent);
    } else {
        cli_pointer(o->count, o->words, &parent);
        buf_adds(&name, o->word);
    }
    place.node = node = schema_at(o, buf_str(&parent), buf_str(&name));
    offer_places(&place);
    if (!json_is_true(json_object_get(node, "map")))
        return;
    o->open = !name.len && !o->only_there;
    if (!o->only_there)
        hint_value(o, json_object_get(node, "propertyNames"), table_text(node, "description"));
}

/* ---- values ---- */

static void offer_scalar(struct offer *o, const json_t *value, const json_t *usual)
{
    AUTO(buf) struct buf text = {0};

    if (json_is_object(value) || json_is_array(value) || !value)
        return;
    if (json_is_string(value))
        buf_adds(&text, json_string_value(value));
    else
        tree_dump(value, &text);
    offer_add(o, buf_str(&text), usual && json_equal(value, usual) ? "default" : NULL);
}

/* What a value, or an element of a list, is chosen from. */
static void offer_choices(struct offer *o, const json_t *node, const json_t *usual)
{
    AUTO(json_t) json_t *yes = json_true(), *no = json_false();
    const json_t *one;
    size_t i;

    json_array_foreach (json_object_get(node, "enum"), i, one)
        offer_scalar(o, one, usual);
    offer_scalar(o, json_object_get(node, "const"), usual);
    if (is_of(node, "boolean")) {
        offer_scalar(o, yes, usual);
        offer_scalar(o, no, usual);
    }
}

/* Of the names at a path, is there one that begins with mark? Those that were cut count. */
static bool has_marked(struct offer *o, const char *path, const json_t *node, const char *mark)
{
    AUTO(json_t) json_t *rest = NULL;
    const json_t *one;
    size_t i;

    json_array_foreach (json_object_get(node, "names"), i, one)
        if (!strncmp(name_of(one), mark, strlen(mark)))
            return true;
    if (json_is_true(json_object_get(node, "more")))
        rest = schema_at(o, path, mark);
    return json_array_size(json_object_get(rest, "names")) > 0;
}

/* "!" means all others, "@" groups. Of many names only some come in a reply: both are
 * offered before them. */
static void offer_marks(struct offer *o, const char *path, const json_t *node)
{
    bool more = json_is_true(json_object_get(node, "more"));
    AUTO(buf) struct buf group = {0};

    buf_addf(&group, "%s@", o->word);
    if (!*o->word && has_marked(o, path, node, "!"))
        offer_add(o, "!", "all others");
    if (more && (!*o->word || !strcmp(o->word, "!")) && has_marked(o, path, node, buf_str(&group)))
        offer_add(o, buf_str(&group), "a group");
}

/* Names begin with "!" for all others: many, so they are offered once one is typed. */
static void offer_names(struct offer *o, const json_t *node)
{
    const json_t *one;
    size_t i;

    json_array_foreach (json_object_get(node, "names"), i, one)
        if (*name_of(one) != '!' || *o->word == '!')
            offer_add(o, name_of(one), NULL);
    o->more |= json_is_true(json_object_get(node, "more"));
}

/* Is a value possible that is none of those offered? */
static bool takes_others(const json_t *node)
{
    static const char *const closed[] = {"enum", "const", "x-orb-ref"};

    for (size_t i = 0; i < ARRAY_LEN(closed); i++)
        if (json_object_get(node, closed[i]))
            return false;
    return is_of(node, "string") || is_of(node, "integer") || is_of(node, "number") ||
           (json_object_get(node, "items") && takes_others(json_object_get(node, "items")));
}

/* What one value can be taken out of: the list at path in the candidate. */
static void offer_elements(struct offer *o, const char *path, const json_t *node)
{
    AUTO(buf) struct buf input = {0};
    AUTO(json_t) json_t *tree = NULL;
    const json_t *value, *one;
    struct json_write w = json_write_to(&input);
    size_t i;

    if (!is_of(node, "array") || json_object_get(node, "x-orb-secret") ||
        json_object_get(json_object_get(node, "items"), "x-orb-secret"))
        return;
    json_write_object(&w, NULL);
    json_write_string(&w, "source", "candidate");
    json_write_string(&w, "path", path);
    json_write_end(&w);
    tree = offer_ask(o, "config@1", "get", buf_str(&input));
    value = json_object_get(tree, "value");
    if (!json_is_array(value))
        offer_scalar(o, value, NULL);
    json_array_foreach (value, i, one)
        offer_scalar(o, one, NULL);
}

void kinds_config_value(struct offer *o)
{
    AUTO(buf) struct buf path = {0};
    AUTO(json_t) json_t *node = NULL;
    const json_t *usual;

    cli_pointer(o->count, o->words, &path);
    node = schema_at(o, buf_str(&path), o->word);
    if (!node || is_of(node, "object"))
        return;
    if (o->only_there) {
        offer_elements(o, buf_str(&path), node);
        return;
    }
    usual = json_object_get(node, "default");
    if (!json_object_get(node, "x-orb-secret")) {
        offer_choices(o, node, usual);
        offer_choices(o, json_object_get(node, "items"), NULL);
        offer_scalar(o, usual, usual);
        offer_marks(o, buf_str(&path), node);
        offer_names(o, node);
    }
    o->open = !*o->word && takes_others(node);
    hint_value(o, node, table_text(node, "description"));
}
