/* The configuration as a tree, as set commands, as JSON. */
#include <string.h>

#include "cli/config.h"
#include "cli/table.h"
#include "core/base/json_write.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"

#define VALUE_MAX (256 << 20) /* bytes of a configuration: far more than any that runs */

static void print_tree(const json_t *value, int depth)
{
    AUTO_FREE const char **keys = xcalloc(json_object_size(value) + 1, sizeof(*keys));
    const char *key;
    json_t *member;
    size_t n = 0;

    json_object_foreach ((json_t *)value, key, member)
        keys[n++] = key;
    for (size_t i = 1; i < n; i++) /* few keys a level, or already in order */
        for (size_t k = i; k > 0 && tree_dump_compare(keys[k - 1], keys[k]) > 0; k--) {
            const char *swap = keys[k];

            keys[k] = keys[k - 1];
            keys[k - 1] = swap;
        }
    for (size_t i = 0; i < n; i++) {
        AUTO(buf) struct buf text = {0};

        member = json_object_get(value, keys[i]);
        if (json_is_object(member)) {
            out("%*s%s {\n", depth * 4, "", keys[i]);
            print_tree(member, depth + 1);
            out("%*s}\n", depth * 4, "");
            continue;
        }
        if (json_is_string(member))
            buf_adds(&text, json_string_value(member));
        else
            table_plain(member, &text);
        out("%*s%s %s\n", depth * 4, "", keys[i], buf_str(&text));
    }
}

/* Whether `config set` would parse this text as another type; it is quoted then. */
static bool looks_like_json(const char *text)
{
    AUTO(json_t) json_t *value = NULL;

    return *text == '{' || *text == '[' || *text == '"' ||
           tree_parse(text, strlen(text), NULL, &value, NULL) == 0;
}

/* A word quoted for a shell and `config set`. Keys that cannot be printed are escaped. */
static void print_word(const char *word)
{
    if (*word && strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                              "_.:/@%+=,-") == strlen(word))
        out(" %s", word);
    else {
        AUTO(buf) struct buf quoted = {0};

        for (; *word; word++)
            if (*word == '\'')
                buf_adds(&quoted, "'\\''");
            else
                buf_addc(&quoted, *word);
        out(" '%s'", buf_str(&quoted));
    }
}

static void print_set(const json_t *value, const char **words, int depth)
{
    const char *key;
    json_t *member;

    if (json_is_object(value) && json_object_size(value) && depth < JSON_MAX_DEPTH) {
        json_object_foreach ((json_t *)value, key, member) {
            words[depth] = key;
            print_set(member, words, depth + 1);
        }
        return;
    }
    out("set");
    for (int i = 0; i < depth; i++)
        print_word(words[i]);
    /* What cannot be printed is written as JSON, whose \u escapes `config set` reads. */
    if (json_is_string(value) && !looks_like_json(json_string_value(value)) &&
        text_is_plain(json_string_value(value)))
        print_word(json_string_value(value));
    else {
        AUTO(buf) struct buf text = {0};

        table_plain(value, &text);
        print_word(buf_str(&text));
    }
    out("\n");
}

/* Big values come in slices; the whole text is put together here. */
static int get_text(struct cli *cli, const char *pointer, const char *source, long revision,
                    struct buf *ret_text, struct orb_err *err)
{
    unsigned connection = cli->client.connection;
    long long bytes = -1;

    while (bytes < 0 || (long long)ret_text->len < bytes) {
        AUTO(buf) struct buf input = {0};
        struct json_write w = json_write_to(&input);
        AUTO(json_t) json_t *tree = NULL;
        const char *data;
        int r;

        json_write_object(&w, NULL);
        json_write_string(&w, "source", source);
        json_write_integer(&w, "offset", (int64_t)ret_text->len);
        if (revision >= 0)
            json_write_integer(&w, "revision", revision);
        json_write_string(&w, "path", pointer);
        json_write_end(&w);
        r = cli_tree(cli, "config@1", "get-part", buf_str(&input), &tree, err);
        if (ret_text->len && cli->client.connection != connection) {
            /* The daemon was restarted in between: its state for this client is lost. */
            connection = cli->client.connection;
            buf_clear(ret_text);
            bytes = -1;
            continue;
        }
        if (r < 0)
            return r;
        connection = cli->client.connection;
        data = table_text(tree, "data");
        if (bytes >= 0 && bytes != table_number(tree, "bytes"))
            return orb_fail(err, ORB_E_CONFLICT,
                            "the configuration changed while it was read; try again");
        bytes = table_number(tree, "bytes");
        if (bytes > VALUE_MAX)
            return orb_fail(
                err, ORB_E_PROTOCOL,
                "the config service announces a text of %lld bytes; at most %d are read", bytes,
                VALUE_MAX);
        if (!*data && bytes > (long long)ret_text->len)
            return orb_fail(err, ORB_E_PROTOCOL, "the config service sent an empty slice");
        buf_adds(ret_text, data);
    }
    return 0;
}

static int print_value(const char *text, size_t len, const char *format, int argc, char **argv,
                       struct orb_err *err)
{
    static const struct json_limits limits = {.depth = JSON_MAX_DEPTH, .keys = JSON_MAX_TREE_KEYS};
    const char *words[JSON_MAX_DEPTH + 32];
    AUTO_FREE char *storage = NULL;
    AUTO(json_t) json_t *value = NULL;
    AUTO(buf) struct buf pretty = {0};
    int depth = 0, r = tree_parse(text, len, &limits, &value, err);

    if (r < 0)
        return r;
    if (json_is_null(value)) {
        out_err("nothing is configured here\n");
        return 0;
    }
    if (!strcmp(format, "json") || !json_is_object(value)) {
        tree_dump_pretty(value, &pretty);
        out_json(buf_str(&pretty));
        return 0;
    }
    if (!strcmp(format, "tree")) {
        print_tree(value, 0);
        return 0;
    }
    if (argc == 1 && (!argv[0][0] || argv[0][0] == '/')) /* cli_pointer() has cut it */
        depth = tree_split_pointer(argv[0], words, 32, &storage);
    else
        for (; depth < argc && depth < 32; depth++)
            words[depth] = argv[depth];
    print_set(value, words, depth < 0 ? 0 : depth);
    return 0;
}

int config_show(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    const char *format = cli_option(&argc, argv, "--format");
    const char *revision = cli_option(&argc, argv, "--revision");
    bool candidate = cli_flag(&argc, argv, "--candidate");
    AUTO(buf) struct buf pointer = {0}, text = {0};
    long n = -1;
    int r = cli_words(cli, argc, argv, err);

    if (r == 0 && format && strcmp(format, "tree") && strcmp(format, "set") &&
        strcmp(format, "json"))
        r = orb_fail(err, ORB_E_INVALID, "--format: expected tree, set or json; got \"%s\"",
                     format);
    if (r == 0 && revision && candidate)
        r = orb_fail(err, ORB_E_INVALID, "--revision and --candidate exclude each other");
    if (r == 0 && revision)
        r = cli_number(revision, "--revision", 0, 1000000000, &n, err);
    if (r < 0)
        return r;
    cli_pointer(argc, argv, &pointer);
    r = get_text(cli, buf_str(&pointer), candidate ? "candidate" : "running", n, &text, err);
    if (r < 0)
        return r;
    if (!format)
        format = cli->json ? "json" : "tree";
    return print_value(buf_str(&text), text.len, format, argc, argv, err);
}
