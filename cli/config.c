/* Configuration: edits of the caller's own candidate, and what becomes of it. */
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "core/base/own.h"

#define LOAD_SLICE (96u << 10)
#define LOAD_MAX (64u << 20)

/* ---- values ---- */

static int parse_text(const char *text, json_t **ret_value, struct orb_err *err)
{
    return tree_parse(text, strlen(text), NULL, ret_value, err);
}

/* What the schema wants at pointer: its first "type", "" when it does not say; may it be a list? */
static int type_at(struct cli *cli, const char *pointer, char *type, size_t size, bool *ret_list,
                   struct orb_err *err)
{
    AUTO(buf) struct buf input = {0};
    AUTO(json_t) json_t *tree = NULL;
    json_t *value, *one;
    size_t i;
    int r;

    *ret_list = false;

    cli_pair(&input, "path", pointer);
    r = cli_tree(cli, "config@1", "schema", buf_str(&input), &tree, err);
    if (r < 0)
        return r;
    value = json_object_get(tree, "type");
    json_array_foreach (value, i, one)
        *ret_list |= json_is_string(one) && !strcmp(json_string_value(one), "array");
    if (json_is_array(value))
        value = json_array_get(value, 0);
    snprintf(type, size, "%s", json_is_string(value) ? json_string_value(value) : "");
    return 0;
}

/* A word typed by a person → JSON of the type the schema wants. What does not look like it goes as
 * a string: the service's refusal then says what was expected. */
static json_t *word_value(const char *word, const char *type)
{
    json_t *value = NULL;
    bool plain = !strcmp(type, "integer") || !strcmp(type, "number") || !strcmp(type, "boolean") ||
                 !strcmp(type, "null") || !*type;

    if (word[0] == '{' || word[0] == '[' || word[0] == '"')
        plain = true;
    if (plain && parse_text(word, &value, NULL) == 0)
        return value;
    if (!strcmp(type, "boolean") && (!strcmp(word, "yes") || !strcmp(word, "on")))
        return json_true();
    if (!strcmp(type, "boolean") && (!strcmp(word, "no") || !strcmp(word, "off")))
        return json_false();
    return json_string(word);
}

/* The list at pointer in the candidate with one more word; a word already there is no change. NULL:
 * there is no list, and none is to be made (only_there). */
static int list_with(struct cli *cli, const char *pointer, const char *word, bool only_there,
                     json_t **ret_list, struct orb_err *err)
{
    AUTO(buf) struct buf input = {0};
    AUTO(json_t) json_t *tree = NULL;
    json_t *list, *item;
    size_t i;
    int r;

    buf_adds(&input, "{\"source\":\"candidate\",\"path\":");
    buf_add_json(&input, pointer, strlen(pointer));
    buf_addc(&input, '}');
    r = cli_tree(cli, "config@1", "get", buf_str(&input), &tree, err);
    if (r < 0)
        return r;
    list = json_object_get(tree, "value");
    if (only_there && !json_is_array(list))
        return 0;
    list = json_is_array(list) ? json_copy(list) : json_array();
    json_array_foreach (list, i, item)
        if (json_is_string(item) && !strcmp(json_string_value(item), word)) {
            *ret_list = list;
            return 0;
        }
    json_array_append_new(list, json_string(word));
    *ret_list = list;
    return 0;
}

static int edit(struct cli *cli, const char *op, const char *pointer, const json_t *value,
                bool tell, struct orb_err *err)
{
    AUTO(buf) struct buf input = {0}, reply = {0};
    int r;

    buf_addf(&input, "{\"ops\":[{\"op\":\"%s\",\"path\":", op);
    buf_add_json(&input, pointer, strlen(pointer));
    if (value) {
        buf_adds(&input, ",\"value\":");
        tree_dump(value, &input);
    }
    buf_adds(&input, "}]}");
    r = cli_call(cli, "config@1", "edit", buf_str(&input), &reply, err);
    if (r == 0 && tell)
        cli_print_json(cli, buf_str(&reply));
    return r;
}

static int config_set(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    AUTO(buf) struct buf pointer = {0};
    AUTO(json_t) json_t *value = NULL;
    const char *word;
    char type[16];
    bool list;
    /* The value may begin with dashes. */
    int r = cli_words(argc - (argc > 2), argv, 2 - (argc > 2), -1, "config set PATH... VALUE", err);

    if (r < 0)
        return r;
    word = argv[argc - 1];
    cli_pointer(argc - 1, argv, &pointer);
    r = type_at(cli, buf_str(&pointer), type, sizeof type, &list, err);
    if (r < 0)
        return r;
    /* Where one value or several may stand, several get one more and a single one is replaced. */
    if (word[0] != '[' && (list || !strcmp(type, "array")))
        r = list_with(cli, buf_str(&pointer), word, list, &value, err);
    if (r == 0 && !value)
        value = word_value(word, type);
    return r < 0 ? r : edit(cli, "set", buf_str(&pointer), value, true, err);
}

static int config_delete(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    AUTO(buf) struct buf pointer = {0};
    int r = cli_words(argc, argv, 1, -1, "config delete PATH...", err);

    if (r < 0)
        return r;
    cli_pointer(argc, argv, &pointer);
    return edit(cli, "delete", buf_str(&pointer), NULL, true, err);
}

/* ---- show ---- */

static void print_tree(const json_t *value, int depth)
{
    AUTO_FREE const char **keys = xcalloc(json_object_size(value) + 1, sizeof *keys);
    const char *key;
    json_t *member;
    size_t n = 0;

    json_object_foreach ((json_t *)value, key, member)
        keys[n++] = key;
    for (size_t i = 1; i < n; i++) /* few keys a level, or already in order */
        for (size_t k = i; k > 0 && key_compare(keys[k - 1], keys[k]) > 0; k--) {
            const char *swap = keys[k];

            keys[k] = keys[k - 1];
            keys[k - 1] = swap;
        }
    for (size_t i = 0; i < n; i++) {
        AUTO(buf) struct buf text = {0};

        member = json_object_get(value, keys[i]);
        if (json_is_object(member)) {
            printf("%*s%s {\n", depth * 4, "", keys[i]);
            print_tree(member, depth + 1);
            printf("%*s}\n", depth * 4, "");
            continue;
        }
        if (json_is_string(member))
            text_plain(json_string_value(member), &text);
        else
            tree_dump(member, &text);
        printf("%*s%s %s\n", depth * 4, "", keys[i], buf_str(&text));
    }
}

/* A word as a shell and `config set` take it. */
static void print_word(const char *word)
{
    if (*word && strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                              "_.:/@%+=,-") == strlen(word))
        printf(" %s", word);
    else {
        printf(" '");
        for (; *word; word++)
            if (*word == '\'')
                printf("'\\''");
            else
                putchar(*word);
        putchar('\'');
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
    printf("set");
    for (int i = 0; i < depth; i++)
        print_word(words[i]);
    if (json_is_string(value))
        print_word(json_string_value(value));
    else {
        AUTO(buf) struct buf text = {0};

        tree_dump(value, &text);
        print_word(buf_str(&text));
    }
    putchar('\n');
}

/* Big values come in slices; the whole text is put together here. */
static int get_text(struct cli *cli, const char *pointer, const char *source, long revision,
                    struct buf *ret_text, struct orb_err *err)
{
    long long bytes = -1;

    while (bytes < 0 || (long long)ret_text->len < bytes) {
        AUTO(buf) struct buf input = {0};
        AUTO(json_t) json_t *tree = NULL;
        const char *data;
        int r;

        buf_addf(&input, "{\"source\":\"%s\",\"offset\":%zu,", source, ret_text->len);
        if (revision >= 0)
            buf_addf(&input, "\"revision\":%ld,", revision);
        buf_adds(&input, "\"path\":");
        buf_add_json(&input, pointer, strlen(pointer));
        buf_addc(&input, '}');
        r = cli_tree(cli, "config@1", "get-part", buf_str(&input), &tree, err);
        if (r < 0)
            return r;
        data = member_text(tree, "data");
        if (bytes >= 0 && bytes != member_number(tree, "bytes"))
            return orb_fail(err, ORB_E_CONFLICT,
                            "the configuration changed while it was read; try again");
        bytes = member_number(tree, "bytes");
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
        fputs("nothing is configured here\n", stderr);
        return 0;
    }
    if (!strcmp(format, "json") || !json_is_object(value)) {
        tree_dump_pretty(value, &pretty);
        puts(buf_str(&pretty));
        return 0;
    }
    if (!strcmp(format, "tree")) {
        print_tree(value, 0);
        return 0;
    }
    if (argc == 1 && argv[0][0] == '/')
        depth = pointer_split(argv[0], words, 32, &storage);
    else
        for (; depth < argc && depth < 32; depth++)
            words[depth] = argv[depth];
    print_set(value, words, depth < 0 ? 0 : depth);
    return 0;
}

static int config_show(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    static const char expected[] =
        "config show [PATH...] [--format tree|set|json] [--candidate] [--revision N]";
    const char *format = cli_option(&argc, argv, "--format");
    const char *revision = cli_option(&argc, argv, "--revision");
    bool candidate = cli_flag(&argc, argv, "--candidate");
    AUTO(buf) struct buf pointer = {0}, text = {0};
    long n = -1;
    int r = cli_words(argc, argv, 0, -1, expected, err);

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

/* ---- load ---- */

/* The end of a slice must not cut a UTF-8 sequence. */
static size_t slice_end(const struct buf *text, size_t from)
{
    size_t end = from + LOAD_SLICE < text->len ? from + LOAD_SLICE : text->len;

    while (end < text->len && end > from && ((unsigned char)text->data[end] & 0xc0) == 0x80)
        end--;
    return end;
}

static int config_load(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    static const struct json_limits limits = {.depth = JSON_MAX_DEPTH, .keys = JSON_MAX_TREE_KEYS};
    bool merge = cli_flag(&argc, argv, "--merge");
    bool replace = cli_flag(&argc, argv, "--replace");
    AUTO(buf) struct buf text = {0}, reply = {0};
    size_t at = 0;
    int r = cli_words(argc, argv, 1, 1, "config load FILE [--merge|--replace]", err);

    if (r == 0 && merge && replace)
        r = orb_fail(err, ORB_E_INVALID, "--merge and --replace exclude each other");
    if (r == 0)
        r = file_read(strcmp(argv[0], "-") ? argv[0] : "/dev/stdin", LOAD_MAX, &text, err);
    if (r == 0 && json_scan(buf_str(&text), text.len, &limits, err) < 0)
        r = orb_wrap(err, "%s", argv[0]);
    while (r == 0 && at < text.len) {
        size_t end = slice_end(&text, at);
        AUTO(buf) struct buf input = {0};

        buf_addf(&input, "{\"offset\":%zu,\"last\":%s,\"mode\":\"%s\",\"data\":", at,
                 end == text.len ? "true" : "false", replace ? "replace" : "merge");
        buf_add_json(&input, text.data + at, end - at);
        buf_addc(&input, '}');
        r = cli_call(cli, "config@1", "load-part", buf_str(&input), &reply, err);
        at = end;
    }
    if (r == 0)
        cli_print_json(cli, buf_str(&reply));
    return r;
}

/* ---- what becomes of it ---- */

static void print_changes(const json_t *tree)
{
    json_t *change;
    size_t i;

    json_array_foreach (json_object_get(tree, "changes"), i, change) {
        const json_t *value = json_object_get(change, "value"),
                     *old = json_object_get(change, "old");
        AUTO(buf) struct buf to = {0}, from = {0};

        if (old)
            tree_dump(old, &from);
        if (value)
            tree_dump(value, &to);
        if (old)
            printf("- %s %s\n", member_text(change, "path"), buf_str(&from));
        if (value)
            printf("+ %s %s\n", member_text(change, "path"), buf_str(&to));
        if (!old && !value)
            printf("- %s\n", member_text(change, "path"));
    }
    if (json_is_true(json_object_get(tree, "truncated")))
        printf("… the first %zu of %lld changes; `config show --candidate` shows all\n", i,
               member_number(tree, "count"));
}

static int config_diff(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    AUTO(buf) struct buf input = {0}, text = {0};
    AUTO(json_t) json_t *tree = NULL;
    long from = 0, to = 0;
    int r = cli_words(argc, argv, 0, 2, "config diff [N [M]]", err);

    if (r == 0 && argc > 0)
        r = cli_number(argv[0], "revision", 0, 1000000000, &from, err);
    if (r == 0 && argc > 1)
        r = cli_number(argv[1], "revision", 0, 1000000000, &to, err);
    if (r < 0)
        return r;
    if (argc == 2)
        buf_addf(&input, "{\"from\":%ld,\"to\":%ld}", from, to);
    else if (argc == 1)
        buf_addf(&input, "{\"from\":%ld}", from);
    r = cli_call(cli, "config@1", "diff", input.len ? buf_str(&input) : NULL, &text, err);
    if (r < 0 || cli_print_json(cli, buf_str(&text)))
        return r;
    r = tree_parse(buf_str(&text), text.len, NULL, &tree, err);
    if (r == 0)
        print_changes(tree);
    return r;
}

static long long changes_of(const json_t *tree)
{
    const json_t *changes = json_object_get(tree, "changes");

    return json_is_array(changes) ? (long long)json_array_size(changes)
                                  : member_number(tree, "changes");
}

static int config_validate(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    AUTO(buf) struct buf text = {0};
    AUTO(json_t) json_t *tree = NULL;
    int r = cli_words(argc, argv, 0, 0, "config validate", err);

    if (r == 0)
        r = cli_call(cli, "config@1", "validate", NULL, &text, err);
    if (r < 0 || cli_print_json(cli, buf_str(&text)))
        return r;
    r = tree_parse(buf_str(&text), text.len, NULL, &tree, err);
    if (r == 0)
        printf("valid; %lld changes\n", changes_of(tree));
    return r;
}

static void print_plan(const json_t *tree)
{
    json_t *step;
    size_t i;

    json_array_foreach (json_object_get(tree, "plan"), i, step)
        printf("  %-12s %-8s %s\n", member_text(step, "service"), member_text(step, "kind"),
               member_text(step, "text"));
}

static int config_commit(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    const char *confirm = cli_option(&argc, argv, "--confirm");
    const char *comment = cli_option(&argc, argv, "--comment");
    bool dry_run = cli_flag(&argc, argv, "--dry-run");
    AUTO(buf) struct buf input = {0}, text = {0};
    AUTO(json_t) json_t *tree = NULL;
    long seconds = 0;
    int r = cli_words(argc, argv, 0, 0,
                      "config commit [--confirm SECONDS] [--comment TEXT] [--dry-run]", err);

    if (r == 0 && confirm)
        r = cli_number(confirm, "--confirm", 1, 86400, &seconds, err);
    if (r < 0)
        return r;
    buf_addf(&input, "{\"dry_run\":%s", dry_run ? "true" : "false");
    if (confirm)
        buf_addf(&input, ",\"confirm_s\":%ld", seconds);
    if (comment) {
        buf_adds(&input, ",\"comment\":");
        buf_add_json(&input, comment, strlen(comment));
    }
    buf_addc(&input, '}');
    r = cli_call(cli, "config@1", "commit", buf_str(&input), &text, err);
    if (r < 0 || cli_print_json(cli, buf_str(&text)))
        return r;
    r = tree_parse(buf_str(&text), text.len, NULL, &tree, err);
    if (r < 0)
        return r;
    if (dry_run)
        printf("nothing was changed; a commit of %lld changes would:\n", changes_of(tree));
    else
        printf("revision %lld, %lld changes\n", member_number(tree, "revision"), changes_of(tree));
    print_plan(tree);
    if (confirm && !dry_run)
        printf("undone in %ld s unless `orbctl config confirm` says it works\n", seconds);
    return 0;
}

static int simple(struct cli *cli, const char *method, const char *expected, const char *done,
                  int argc, char **argv, struct orb_err *err)
{
    AUTO(buf) struct buf text = {0};
    int r = cli_words(argc, argv, 0, 0, expected, err);

    if (r == 0)
        r = cli_call(cli, "config@1", method, NULL, &text, err);
    if (r == 0 && !cli_print_json(cli, buf_str(&text)))
        puts(done);
    return r;
}

static int config_confirm(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    return simple(cli, "confirm", "config confirm", "confirmed", argc, argv, err);
}

static int config_discard(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    return simple(cli, "discard", "config discard", "the candidate is empty", argc, argv, err);
}

static int config_lock(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    return simple(cli, "lock", "config lock", "locked", argc, argv, err);
}

static int config_unlock(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    return simple(cli, "unlock", "config unlock", "unlocked", argc, argv, err);
}

static int config_rollback(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    AUTO(buf) struct buf input = {0}, text = {0};
    AUTO(json_t) json_t *tree = NULL;
    long n = 0;
    int r = cli_words(argc, argv, 1, 1, "config rollback N (revisions back)", err);

    if (r == 0)
        r = cli_number(argv[0], "N", 0, 1000000, &n, err);
    if (r < 0)
        return r;
    buf_addf(&input, "{\"n\":%ld}", n);
    r = cli_call(cli, "config@1", "rollback", buf_str(&input), &text, err);
    if (r < 0 || cli_print_json(cli, buf_str(&text)))
        return r;
    r = tree_parse(buf_str(&text), text.len, NULL, &tree, err);
    if (r == 0)
        printf("%lld changes are in the candidate; `orbctl config commit` makes them so\n",
               changes_of(tree));
    return r;
}

static int config_history(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    static const char *const titles[] = {"REVISION", "TIME", "USER", "STATE", "CHANGES", "COMMENT"};
    AUTO(buf) struct buf text = {0};
    AUTO(json_t) json_t *tree = NULL;
    struct table t;
    const char *limit = cli_option(&argc, argv, "--limit");
    AUTO(buf) struct buf input = {0};
    json_t *e;
    size_t i;
    long n = 50;
    int r = cli_words(argc, argv, 0, 0, "config history [--limit N]", err);

    if (r == 0 && limit)
        r = cli_number(limit, "--limit", 1, 500, &n, err);
    buf_addf(&input, "{\"limit\":%ld}", n);
    if (r == 0)
        r = cli_call(cli, "config@1", "history", buf_str(&input), &text, err);
    if (r < 0 || cli_print_json(cli, buf_str(&text)))
        return r;
    r = tree_parse(buf_str(&text), text.len, NULL, &tree, err);
    if (r < 0)
        return r;
    table_start(&t, 6, titles);
    json_array_foreach (json_object_get(tree, "entries"), i, e) {
        long long when = member_number(e, "time");
        time_t s = (time_t)(when > 100000000000 ? when / 1000000 : when); /* µs or s */
        char stamp[32];

        strftime(stamp, sizeof stamp, "%Y-%m-%d %H:%M:%S", localtime(&s));
        table_cell(&t, "%lld", member_number(e, "revision"));
        table_cell(&t, "%s", stamp);
        table_cell(&t, "%s", member_text(e, "user"));
        table_cell(&t, "%s", member_text(e, "state"));
        table_cell(&t, "%lld", changes_of(e));
        table_cell(&t, "%s", member_text(e, "comment"));
    }
    table_print(&t);
    return 0;
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
    if (r == 0 && changes_of(diff))
        r = orb_fail(err, ORB_E_CONFLICT,
                     "your candidate holds %lld changes; commit or discard them first",
                     changes_of(diff));
    return r;
}

static int enable(struct cli *cli, bool on, int argc, char **argv, struct orb_err *err)
{
    AUTO(json_t) json_t *value = json_boolean(on);
    AUTO(buf) struct buf pointer = {0}, input = {0}, text = {0};
    struct orb_err ignored;
    int r = cli_words(argc, argv, 1, 1, on ? "service enable NAME" : "service disable NAME", err);

    if (r == 0)
        r = check_enable(cli, argv[0], err);
    if (r < 0)
        return r;
    buf_adds(&pointer, "/services");
    pointer_add(&pointer, argv[0]);
    buf_adds(&pointer, "/enabled");
    r = edit(cli, "set", buf_str(&pointer), value, false, err);
    if (r < 0)
        return r;
    buf_addf(&input, "{\"comment\":\"service %s %s\"}", on ? "enable" : "disable", argv[0]);
    r = cli_call(cli, "config@1", "commit", buf_str(&input), &text, err);
    if (r < 0) /* no trap in the next commit */
        cli_call(cli, "config@1", "discard", NULL, &text, &ignored);
    else
        cli_print_json(cli, buf_str(&text));
    return r;
}

static int service_enable(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    return enable(cli, true, argc, argv, err);
}

static int service_disable(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    return enable(cli, false, argc, argv, err);
}

const struct command config_commands[] = {
    {"service enable", "NAME", "run a service from now on (commits /services/NAME/enabled)",
     service_enable},
    {"service disable", "NAME", "do not run it, also after a restart", service_disable},
    {"config show", "[PATH...] [--format tree|set|json] [--candidate] [--revision N]",
     "the running configuration", config_show},
    {"config set", "PATH... VALUE", "set a value in your candidate (a list gets one more)",
     config_set},
    {"config delete", "PATH...", "delete from your candidate", config_delete},
    {"config load", "FILE [--merge|--replace]", "load a JSON file into your candidate (- stdin)",
     config_load},
    {"config diff", "[N [M]]", "candidate against running, or two revisions", config_diff},
    {"config validate", "", "check the candidate, change nothing", config_validate},
    {"config commit", "[--confirm SECONDS] [--comment TEXT] [--dry-run]",
     "make the candidate running, atomically", config_commit},
    {"config confirm", "", "keep what a commit --confirm made", config_confirm},
    {"config discard", "", "forget your candidate", config_discard},
    {"config rollback", "N", "load the revision N commits ago into your candidate",
     config_rollback},
    {"config history", "[--limit N]", "who committed what, when", config_history},
    {"config lock", "", "let nobody else commit", config_lock},
    {"config unlock", "", "let others commit again", config_unlock},
    {0},
};
