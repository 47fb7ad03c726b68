/* Runs the public JSON-Schema-Test-Suite against the validator. Debian's package ends at draft 7:
 * the newest draft in the directory is taken (2020-12 where there is one), with "definitions" read
 * as "$defs" for the old one. A group may only be skipped because its schema does not compile; that
 * keyword is counted. Groups skipped for another reason are named in the table below. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/own.h"
#include "core/json/schema.h"
#include "core/json/tree.h"

#define SUITE "/usr/share/json-schema-test-suite"
#define MAX_REASONS 64
#define FILE_BYTES (4u << 20)

struct reason {
    char text[160];
    int groups;
};

struct run {
    const char *draft;
    int passed, failed, skipped, files;
    struct reason reasons[MAX_REASONS];
};

/* file, group (NULL: all), draft 7 only, why */
static const struct exception {
    const char *file;
    const char *group;
    bool old;
    const char *why;
} exceptions[] = {
    {"ref", "ref overrides any sibling keywords", true, "2020-12 applies the siblings of $ref"},
    {"optional/bignum", NULL, false, "integers are limited to 64 bits by scan_json"},
};

static const char *excepted(const struct run *run, const char *file, const char *group)
{
    bool old = !strcmp(run->draft, "draft7");

    for (size_t i = 0; i < ARRAY_LEN(exceptions); i++) {
        const struct exception *e = &exceptions[i];

        if (!strcmp(e->file, file) && (!e->group || !strcmp(e->group, group)) && (old || !e->old))
            return e->why;
    }
    return NULL;
}

static void skip(struct run *run, int cases, const char *why)
{
    run->skipped += cases;
    for (int i = 0; i < MAX_REASONS; i++) {
        struct reason *r = &run->reasons[i];

        if (r->groups && strncmp(r->text, why, sizeof(r->text) - 1))
            continue;
        snprintf(r->text, sizeof(r->text), "%.*s", (int)sizeof(r->text) - 1, why);
        r->groups++;
        return;
    }
}

static char *replaced(const char *text, const char *from, const char *to)
{
    struct buf b = {0};
    const char *at;

    for (; (at = strstr(text, from)); text = at + strlen(from)) {
        buf_add(&b, text, (size_t)(at - text));
        buf_adds(&b, to);
    }
    buf_adds(&b, text);
    return buf_take(&b);
}

static void run_case(struct run *run, const struct schema *schema, const char *where,
                     const json_t *one)
{
    AUTO(buf) struct buf text = {0};
    struct orb_err err = {0};
    bool valid = json_is_true(json_object_get(one, "valid"));
    int r;

    tree_dump(json_object_get(one, "data"), &text);
    r = scan_json(text.data, text.len, NULL, &err);
    if (r == 0)
        r = schema_check(schema, text.data, text.len, "", &err);
    if ((r == 0) == valid && (r == 0 || r == ORB_E_SCHEMA)) {
        run->passed++;
        return;
    }
    run->failed++;
    printf("FAIL %s: %s\n  data %s\n  %s: %s %s\n", where,
           json_string_value(json_object_get(one, "description")), text.data,
           valid ? "refused" : "not refused", err.path, err.text);
}

static void run_group(struct run *run, const char *file, const json_t *group)
{
    const char *name = json_string_value(json_object_get(group, "description"));
    const json_t *tests = json_object_get(group, "tests");
    const char *why = excepted(run, file, name);
    AUTO_FREE char *where = buf_format("%s: %s", file, name);
    AUTO_FREE char *text = json_dumps(json_object_get(group, "schema"), JSON_ENCODE_ANY);
    AUTO(schema) struct schema *schema = NULL;
    struct orb_err err = {0};

    if (why) {
        skip(run, (int)json_array_size(tests), why);
        return;
    }
    if (!strcmp(run->draft, "draft7")) {
        AUTO_FREE char *half = replaced(text, "\"definitions\"", "\"$defs\"");

        free(text);
        text = replaced(half, "#/definitions/", "#/$defs/");
    }
    if (schema_compile(text, strlen(text), false, &schema, &err) < 0) {
        if (getenv("VERBOSE"))
            printf("skip %s: %s %s\n", where, err.path, err.text);
        err.text[strcspn(err.text, ";")] = '\0'; /* what was expected, not what was found */
        skip(run, (int)json_array_size(tests), err.text);
        return;
    }
    for (size_t i = 0; i < json_array_size(tests); i++)
        run_case(run, schema, where, json_array_get(tests, i));
}

static int run_file(struct run *run, const char *root, const char *file)
{
    AUTO_FREE char *path = buf_format("%s/tests/%s/%s.json", root, run->draft, file);
    AUTO(json_t) json_t *groups = json_load_file(path, 0, NULL);

    if (!groups)
        return -1;
    for (size_t i = 0; i < json_array_size(groups); i++)
        run_group(run, file, json_array_get(groups, i));
    run->files++;
    return 0;
}

static int run_directory(struct run *run, const char *root)
{
    static const char *const optional[] = {
        "optional/bignum",      "optional/ecmascript-regex", "optional/zeroTerminatedFloats",
        "optional/format/ipv4", "optional/format/ipv6",      "optional/format/hostname"};
    AUTO_FREE char *path = buf_format("%s/tests/%s", root, run->draft);
    struct dirent **names;
    int n = scandir(path, &names, NULL, alphasort);

    if (n < 0)
        return -1;
    for (int i = 0; i < n; i++) {
        char *dot = strstr(names[i]->d_name, ".json");

        if (dot) {
            *dot = '\0';
            if (run_file(run, root, names[i]->d_name) < 0) {
                printf("FAIL %s cannot be read\n", names[i]->d_name);
                run->failed++;
            }
        }
        free(names[i]);
    }
    free(names);
    for (size_t i = 0; i < ARRAY_LEN(optional); i++)
        if (run_file(run, root, optional[i]) < 0)
            printf("skipped %s: %s\n", optional[i],
                   excepted(run, optional[i], "") ? excepted(run, optional[i], "") : "not there");
    return 0;
}

int main(int argc, char **argv)
{
    static const char *const drafts[] = {"draft2020-12", "draft7"};
    const char *root = argc > 1 ? argv[1] : SUITE;
    struct run run = {0};

    for (size_t i = 0; i < ARRAY_LEN(drafts) && !run.files; i++) {
        run.draft = drafts[i];
        run_directory(&run, root);
    }
    if (!run.files) {
        printf("skipped: %s is missing (Debian package json-schema-test-suite)\n", root);
        return 77;
    }
    for (int i = 0; i < MAX_REASONS && run.reasons[i].groups; i++)
        printf("skipped %3d groups: %s\n", run.reasons[i].groups, run.reasons[i].text);
    printf("%s: %d files, %d cases passed, %d failed, %d skipped\n", run.draft, run.files,
           run.passed, run.failed, run.skipped);
    return run.failed || run.passed < 300;
}
