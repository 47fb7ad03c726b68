/* See grammar.h. */
#include "cli/grammar.h"

#include <ctype.h>
#include <string.h>

const struct command *const grammar_tables[] = {show_commands,
                                                firewall_commands,
                                                service_commands,
                                                logs_commands,
                                                crashes_commands,
                                                config_commands,
                                                ipc_commands,
                                                health_commands,
                                                admin_commands,
                                                complete_commands,
                                                NULL};

const char grammar_globals[] = "[--socket FILE] [--wait SECONDS] [--json] [--version] [--help]";

static struct grammar_text token(const char **at)
{
    struct grammar_text t;

    *at += strspn(*at, " ");
    t = (struct grammar_text){*at, strcspn(*at, " ")};
    *at += t.len;
    return t;
}

/* Takes brackets and dots away. open: whether a bracket is opened here and closed behind it. */
static struct grammar_text bare(struct grammar_text t, struct grammar_item *item, bool *ret_open)
{
    *ret_open = t.len && *t.p == '[';
    if (*ret_open) {
        item->optional = true;
        t.p++;
        t.len--;
    }
    while (t.len && t.p[t.len - 1] == ']') {
        t.len--;
        *ret_open = false;
        item->optional = true;
    }
    if (t.len > 3 && !memcmp(t.p + t.len - 3, "...", 3)) {
        item->repeated = true;
        t.len -= 3;
    }
    return t;
}

bool grammar_next(const char **at, struct grammar_item *ret_item)
{
    struct grammar_text t = token(at);
    bool open, ignored;

    if (!t.len)
        return false;
    *ret_item = (struct grammar_item){0};
    ret_item->word = bare(t, ret_item, &open);
    ret_item->option = *ret_item->word.p == '-';
    if (ret_item->option && (open || *t.p == '-')) /* one that must be given has a value */
        ret_item->value = bare(token(at), ret_item, &ignored);
    return true;
}

void grammar_count(const char *arguments, int *ret_min, int *ret_max)
{
    struct grammar_item item;

    *ret_min = *ret_max = 0;
    while (grammar_next(&arguments, &item)) {
        if (item.option)
            continue;
        *ret_min += !item.optional;
        *ret_max = item.repeated || *ret_max < 0 ? -1 : *ret_max + 1;
    }
}

bool grammar_last(const char *arguments, struct grammar_item *ret_item)
{
    struct grammar_item item;
    bool found = false;

    while (grammar_next(&arguments, &item))
        if (!item.option) {
            *ret_item = item;
            found = true;
        }
    return found;
}

bool grammar_choice(struct grammar_text *rest, struct grammar_text *ret_choice)
{
    const char *bar = memchr(rest->p, '|', rest->len);
    size_t len = bar ? (size_t)(bar - rest->p) : rest->len;

    if (!rest->len)
        return false;
    *ret_choice = (struct grammar_text){rest->p, len};
    rest->p += len + (bar != NULL);
    rest->len -= len + (bar != NULL);
    return true;
}

bool grammar_option(const char *arguments, const char *name, size_t len,
                    struct grammar_item *ret_item)
{
    struct grammar_item item;
    struct grammar_text choice;

    while (grammar_next(&arguments, &item)) {
        struct grammar_text names = item.word;

        while (item.option && grammar_choice(&names, &choice))
            if (choice.len == len && !memcmp(choice.p, name, len)) {
                *ret_item = item;
                return true;
            }
    }
    return false;
}

bool grammar_is(struct grammar_text text, const char *word)
{
    return strlen(word) == text.len && !memcmp(text.p, word, text.len);
}

/* Number of words of argv that the command's name takes, 0 when they do not match. */
static int matches(const struct command *c, int argc, char **argv)
{
    const char *p = c->words;
    int n = 0;

    for (struct grammar_text t; (t = token(&p)).len; n++)
        if (n == argc || !grammar_is(t, argv[n]))
            return 0;
    return n;
}

const struct command *grammar_find(int argc, char **argv, int *ret_words)
{
    const struct command *best = NULL;

    *ret_words = 0;
    for (unsigned i = 0; grammar_tables[i]; i++)
        for (const struct command *c = grammar_tables[i]; c->words; c++) {
            int n = matches(c, argc, argv);

            if (n > *ret_words) {
                best = c;
                *ret_words = n;
            }
        }
    return best;
}
