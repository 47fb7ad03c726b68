/* Edits of the caller's own candidate: arguments become JSON of the type in the schema. */
#include <string.h>

#include "cli/config.h"
#include "cli/config_commit.h"
#include "cli/table.h"
#include "core/base/file.h"
#include "core/base/json_write.h"
#include "core/base/own.h"

#define LOAD_SLICE (96u << 10)
#define LOAD_MAX (64u << 20)

static int parse_text(const char *text, json_t **ret_value, struct orb_err *err)
{
    return tree_parse(text, strlen(text), NULL, ret_value, err);
}

/* Types allowed at a place. */
struct wanted {
    bool known;                               /* known from the schema */
    bool number, boolean, null, list, others; /* others: text, objects */
};

static void want(struct wanted *wanted, const char *type)
{
    wanted->known = true;
    if (!strcmp(type, "integer") || !strcmp(type, "number"))
        wanted->number = true;
    else if (!strcmp(type, "boolean"))
        wanted->boolean = true;
    else if (!strcmp(type, "null"))
        wanted->null = true;
    else if (!strcmp(type, "array"))
        wanted->list = true;
    else
        wanted->others = true;
}

static int wanted_at(struct cli *cli, const char *pointer, struct wanted *ret_wanted,
                     struct orb_err *err)
{
    AUTO(buf) struct buf input = {0};
    AUTO(json_t) json_t *tree = NULL;
    json_t *type, *one;
    size_t i;
    int r;

    cli_pair(&input, "path", pointer);
    r = cli_tree(cli, "config@1", "schema", buf_str(&input), &tree, err);
    if (r < 0)
        return r;
    *ret_wanted = (struct wanted){0};
    type = json_object_get(tree, "type");
    if (json_is_string(type))
        want(ret_wanted, json_string_value(type));
    json_array_foreach (type, i, one)
        want(ret_wanted, json_is_string(one) ? json_string_value(one) : "");
    return 0;
}

static bool fits(const json_t *value, const struct wanted *wanted)
{
    return json_is_number(value)    ? wanted->number
           : json_is_boolean(value) ? wanted->boolean
           : json_is_null(value)    ? wanted->null
                                    : false;
}

/* An argument → JSON of a type in the schema. What matches none is sent as a string: the service's
 * error then names what was expected. */
static json_t *word_value(const char *word, const struct wanted *wanted)
{
    AUTO(json_t) json_t *value = NULL;
    bool is_json = parse_text(word, &value, NULL) == 0;

    if (is_json &&
        (!wanted->known || fits(value, wanted) || strchr("{[", word[0]) || word[0] == '"'))
        return take_ptr(value);
    if (wanted->boolean && (!strcmp(word, "yes") || !strcmp(word, "on")))
        return json_true();
    if (wanted->boolean && (!strcmp(word, "no") || !strcmp(word, "off")))
        return json_false();
    return json_string(word);
}

/* The value at pointer in the candidate as a list: a single one as its only element. NULL: there is
 * none. */
static int list_at(struct cli *cli, const char *pointer, json_t **ret_list, struct orb_err *err)
{
    AUTO(buf) struct buf input = {0};
    AUTO(json_t) json_t *tree = NULL;
    json_t *value;
    struct json_write w = json_write_to(&input);
    int r;

    json_write_object(&w, NULL);
    json_write_string(&w, "source", "candidate");
    json_write_string(&w, "path", pointer);
    json_write_end(&w);
    r = cli_tree(cli, "config@1", "get", buf_str(&input), &tree, err);
    if (r < 0)
        return r;
    value = json_object_get(tree, "value");
    if (!value || json_is_null(value))
        *ret_list = NULL;
    else
        *ret_list = json_is_array(value) ? json_copy(value) : json_pack("[O]", value);
    return 0;
}

/* Index of an element; the size of the list: it is not there. */
static size_t index_of(const json_t *list, const json_t *element)
{
    size_t at = 0;

    while (at < json_array_size(list) && !json_equal(json_array_get(list, at), element))
        at++;
    return at;
}

/* What is at pointer in the candidate with one more element; an existing element is no change. The
 * first one stays single where that is allowed. */
static int list_with(struct cli *cli, const char *pointer, const struct wanted *wanted,
                     const char *word, json_t **ret_value, struct orb_err *err)
{
    bool may_be_single = wanted->number || wanted->boolean || wanted->null || wanted->others;
    AUTO(json_t) json_t *more = word_value(word, wanted), *list = NULL;
    int r = list_at(cli, pointer, &list, err);

    if (r < 0)
        return r;
    if (may_be_single && (!list || (json_array_size(list) == 1 && index_of(list, more) == 0))) {
        *ret_value = take_ptr(more);
        return 0;
    }
    if (!list)
        list = json_array();
    if (index_of(list, more) == json_array_size(list))
        json_array_append(list, more);
    *ret_value = take_ptr(list);
    return 0;
}

/* An edit that a full disk keeps only in memory is there, and not for long. */
static void warn_unsaved(const char *reply)
{
    AUTO(json_t) json_t *tree = NULL;
    const char *why;

    if (parse_text(reply, &tree, NULL) < 0)
        return;
    why = json_string_value(json_object_get(tree, "unsaved"));
    if (why)
        out_err("warning: your candidate cannot be saved (%s); it is lost when the config service "
                "ends\n",
                why);
}

static int edit(struct cli *cli, const char *op, const char *pointer, const json_t *value,
                bool tell, struct orb_err *err)
{
    AUTO(buf) struct buf input = {0}, reply = {0}, text = {0};
    struct json_write w = json_write_to(&input);
    int r;

    json_write_object(&w, NULL);
    json_write_array(&w, "ops");
    json_write_object(&w, NULL);
    json_write_string(&w, "op", op);
    json_write_string(&w, "path", pointer);
    if (value) {
        tree_dump(value, &text);
        json_write_raw(&w, "value", text.data, text.len);
    }
    json_write_end(&w);
    json_write_end(&w);
    json_write_end(&w);
    r = cli_call(cli, "config@1", "edit", buf_str(&input), &reply, err);
    if (r == 0)
        warn_unsaved(buf_str(&reply));
    if (r == 0 && tell)
        cli_print_json(cli, buf_str(&reply));
    return r;
}

int config_edit_set(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    AUTO(buf) struct buf pointer = {0};
    AUTO(json_t) json_t *value = NULL;
    const char *word;
    struct wanted wanted;
    /* The value may begin with dashes. */
    int r = cli_words(cli, argc, argv, err);

    if (r < 0)
        return r;
    word = argv[argc - 1];
    cli_pointer(argc - 1, argv, &pointer);
    r = wanted_at(cli, buf_str(&pointer), &wanted, err);
    if (r < 0)
        return r;
    if (word[0] != '[' && wanted.list)
        r = list_with(cli, buf_str(&pointer), &wanted, word, &value, err);
    if (r == ORB_E_LIMIT) { /* many values */
        value = word_value(word, &wanted);
        return edit(cli, "add", buf_str(&pointer), value, true, err);
    }
    if (r == 0 && !value)
        value = word_value(word, &wanted);
    return r < 0 ? r : edit(cli, "set", buf_str(&pointer), value, true, err);
}

/* The last word may be an element of the list that the others name: it is taken out, and the list
 * with its last one. Returns 1 when it was. */
static int delete_element(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    AUTO(buf) struct buf pointer = {0};
    AUTO(json_t) json_t *list = NULL, *element = NULL;
    struct wanted wanted;
    struct orb_err ignored;
    size_t at;
    int r;

    if (argc < 2)
        return 0;
    cli_pointer(argc - 1, argv, &pointer);
    if (wanted_at(cli, buf_str(&pointer), &wanted, &ignored) < 0 || !wanted.list)
        return 0; /* what is wrong with the path is told by the delete itself */
    r = list_at(cli, buf_str(&pointer), &list, err);
    element = word_value(argv[argc - 1], &wanted);
    if (r == ORB_E_LIMIT) {
        r = edit(cli, "remove", buf_str(&pointer), element, true, err);
        return r == ORB_E_NOT_FOUND ? 0 : r < 0 ? r : 1;
    }
    at = index_of(list, element);
    if (r < 0 || at == json_array_size(list))
        return r;
    json_array_remove(list, at);
    r = json_array_size(list) ? edit(cli, "set", buf_str(&pointer), list, true, err)
                              : edit(cli, "delete", buf_str(&pointer), NULL, true, err);
    return r < 0 ? r : 1;
}

int config_edit_delete(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    AUTO(buf) struct buf pointer = {0};
    int r = cli_words(cli, argc, argv, err);

    if (r == 0)
        r = delete_element(cli, argc, argv, err);
    if (r != 0)
        return r < 0 ? r : 0;
    cli_pointer(argc, argv, &pointer);
    return edit(cli, "delete", buf_str(&pointer), NULL, true, err);
}

/* ---- load ---- */

/* The end of a slice must not cut a UTF-8 sequence. */
static size_t slice_end(const struct buf *text, size_t from)
{
    size_t end = from + LOAD_SLICE < text->len ? from + LOAD_SLICE : text->len;

    while (end < text->len && end > from && ((unsigned char)text->data[end] & 0xc0) == 0x80)
        end--;
    return end;
}

int config_edit_load(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    static const struct json_limits limits = {.depth = JSON_MAX_DEPTH, .keys = JSON_MAX_TREE_KEYS};
    bool merge = cli_flag(&argc, argv, "--merge");
    bool replace = cli_flag(&argc, argv, "--replace");
    AUTO(buf) struct buf text = {0}, reply = {0};
    size_t at = 0;
    int r = cli_words(cli, argc, argv, err);

    if (r == 0 && merge && replace)
        r = orb_fail(err, ORB_E_INVALID, "--merge and --replace exclude each other");
    if (r == 0)
        r = file_read(strcmp(argv[0], "-") ? argv[0] : "/dev/stdin", LOAD_MAX, &text, err);
    if (r == 0 && scan_json(buf_str(&text), text.len, &limits, err) < 0)
        r = orb_wrap(err, "%s", argv[0]);
    while (r == 0 && at < text.len) {
        size_t end = slice_end(&text, at);
        AUTO(buf) struct buf input = {0};
        struct json_write w = json_write_to(&input);

        json_write_object(&w, NULL);
        json_write_integer(&w, "offset", (int64_t)at);
        json_write_boolean(&w, "last", end == text.len);
        json_write_string(&w, "mode", replace ? "replace" : "merge");
        json_write_string_len(&w, "data", text.data + at, end - at);
        json_write_end(&w);
        r = cli_call(cli, "config@1", "load-part", buf_str(&input), &reply, err);
        at = end;
    }
    if (r == 0) {
        warn_unsaved(buf_str(&reply));
        cli_print_json(cli, buf_str(&reply));
    }
    return r;
}

/* A change of /services in a candidate of its own would mix with the caller's edits: refuse then.
 */
static int check_enable(struct cli *cli, const char *name, struct orb_err *err)
{
    AUTO(json_t) json_t *diff = NULL, *service = NULL;
    AUTO(buf) struct buf input = {0};
    int r;

    cli_pair(&input, "name", name);
    r = cli_tree(cli, "host@1", "service", buf_str(&input), &service, err);
    if (r == 0)
        r = cli_tree(cli, "config@1", "diff", NULL, &diff, err);
    if (r == 0 && table_changes(diff))
        r = orb_fail(err, ORB_E_CONFLICT,
                     "your candidate holds %lld change%s; commit or discard first",
                     table_changes(diff), table_plural(table_changes(diff)));
    return r;
}

static int enable(struct cli *cli, bool on, int argc, char **argv, struct orb_err *err)
{
    AUTO(json_t) json_t *value = json_boolean(on);
    AUTO(buf) struct buf pointer = {0}, input = {0}, text = {0}, comment = {0};
    struct orb_err ignored;
    int r = cli_words(cli, argc, argv, err);

    if (r == 0)
        r = check_enable(cli, argv[0], err);
    if (r < 0)
        return r;
    buf_adds(&pointer, "/services");
    buf_add_pointer(&pointer, argv[0]);
    buf_adds(&pointer, "/enabled");
    r = edit(cli, "set", buf_str(&pointer), value, false, err);
    if (r < 0)
        return r;
    buf_addf(&comment, "service %s %s", on ? "enable" : "disable", argv[0]);
    cli_pair(&input, "comment", buf_str(&comment));
    r = config_commit_call(cli, buf_str(&input), &text, err);
    if (r == CONFIG_COMMIT_LEFT)
        return 0;
    if (r < 0) /* no trap in the next commit */
        cli_call(cli, "config@1", "discard", NULL, &text, &ignored);
    else
        cli_print_json(cli, buf_str(&text));
    return r;
}

int config_edit_enable(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    return enable(cli, true, argc, argv, err);
}

int config_edit_disable(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    return enable(cli, false, argc, argv, err);
}
