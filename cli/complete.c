/* orbctl complete: what the last of some words may become. The completion of bash, zsh and fish
 * calls it, so it is quick or silent: it waits a second at most, or as --wait has it, and no error
 * is shown. */
#include <string.h>

#include "cli/grammar.h"
#include "cli/kinds.h"
#include "cli/lex.h"
#include "cli/offer.h"
#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"

#define LIMIT_MS 1000

/* The words before the one that is typed. */
struct typed {
    char **before; /* as they are */
    int before_count;
    char **words; /* without options */
    int count;
    const struct command *command; /* NULL: not known yet */
    int own;                       /* words of the command's name */
    struct grammar_item option;    /* the typed word is its value */
    bool takes_value, ended;       /* ended: behind "--" */
};

static bool find_option(const struct typed *t, const char *word, struct grammar_item *ret_item)
{
    size_t len = strcspn(word, "=");

    return (t->command && grammar_option(t->command->arguments, word, len, ret_item)) ||
           grammar_option(grammar_globals, word, len, ret_item);
}

static void take_global(struct cli *cli, struct grammar_item item, char *value)
{
    if (grammar_is(item.word, "--socket"))
        cli->socket = value;
}

/* An option and, when it is a word of its own, its value. Returns the number of words, 0: it is
 * none. */
static int take_option(struct typed *t, struct cli *cli, int at)
{
    char *word = t->before[at], *equals = strchr(word, '=');

    if (t->ended || *word != '-' || !find_option(t, word, &t->option))
        return 0;
    if (!t->option.value.len)
        return 1;
    if (equals) {
        take_global(cli, t->option, equals + 1);
        return 1;
    }
    if (at + 1 < t->before_count)
        take_global(cli, t->option, t->before[at + 1]);
    t->takes_value = at + 1 == t->before_count;
    return 2;
}

static void read_words(struct typed *t, struct cli *cli)
{
    for (int at = 0, n; at < t->before_count; at += n) {
        n = take_option(t, cli, at);
        if (n)
            continue;
        n = 1;
        if (!t->ended && !strcmp(t->before[at], "--")) {
            t->ended = true;
            continue;
        }
        if (!t->count && !t->command && !strcmp(t->before[at], "help"))
            continue;
        t->words[t->count++] = t->before[at];
        t->command = grammar_find(t->count, t->words, &t->own);
    }
}

/* ---- what may follow ---- */

/* The word of a command's name that follows those typed; len 0: its name is another one. */
static struct grammar_text next_word(const struct command *c, const struct typed *t)
{
    struct grammar_text none = {0};
    const char *p = c->words;

    for (int i = 0; i < t->count; i++) {
        struct grammar_text word = {p, strcspn(p, " ")};

        if (!grammar_is(word, t->words[i]))
            return none;
        p += word.len + strspn(p + word.len, " ");
    }
    return (struct grammar_text){p, strcspn(p, " ")};
}

/* The words that follow one of a command's name, as its description: "show, set, delete". */
static void describe_group(const struct typed *t, struct grammar_text word, struct buf *ret_help)
{
    for (unsigned i = 0; grammar_tables[i]; i++)
        for (const struct command *c = grammar_tables[i]; c->words; c++) {
            struct grammar_text next = next_word(c, t);

            if (next.len == word.len && !memcmp(next.p, word.p, word.len) && next.p[next.len])
                buf_addf(ret_help, "%s%s", ret_help->len ? ", " : "", next.p + next.len + 1);
        }
}

static void offer_commands(struct offer *o, const struct typed *t)
{
    for (unsigned i = 0; grammar_tables[i]; i++)
        for (const struct command *c = grammar_tables[i]; c->words; c++) {
            struct grammar_text next = next_word(c, t);
            AUTO_FREE char *word = buf_format("%.*s", (int)next.len, next.len ? next.p : "");
            AUTO(buf) struct buf help = {0};

            if (!next.len || c->plumbing)
                continue;
            if (next.p[next.len])
                describe_group(t, next, &help);
            offer_add(o, word, help.len ? buf_str(&help) : c->help);
        }
}

static bool is_given(const struct typed *t, struct grammar_text names)
{
    struct grammar_text name;

    while (grammar_choice(&names, &name))
        for (int i = 0; i < t->before_count; i++)
            if (strcspn(t->before[i], "=") == name.len && !memcmp(t->before[i], name.p, name.len))
                return true;
    return false;
}

static void offer_options(struct offer *o, const struct typed *t, const char *arguments)
{
    struct grammar_item item;
    struct grammar_text name;

    while (grammar_next(&arguments, &item)) {
        struct grammar_text names = item.word;
        const struct kind *kind = kinds_find(item.value);

        if (!item.option || is_given(t, item.word))
            continue;
        while (grammar_choice(&names, &name)) {
            AUTO_FREE char *word = buf_format("%.*s", (int)name.len, name.p);

            offer_add(o, word, kind ? kind->help : NULL);
        }
    }
}

static void offer_all_options(struct offer *o, const struct typed *t)
{
    if (t->command)
        offer_options(o, t, t->command->arguments);
    offer_options(o, t, t->command ? "[--json] [--help]" : grammar_globals);
}

/* Of the arguments that are words, those that may stand at the present place: behind a repeated one
 * the next may come at any time. */
static void offer_arguments(struct offer *o, const struct typed *t)
{
    const char *rest = t->command->arguments;
    struct grammar_item item, last = {0};
    bool loose = false;
    int at = 0;

    o->words = t->words + t->own;
    o->count = t->count - t->own;
    grammar_last(rest, &last);
    o->only_there = last.optional || !grammar_is(last.word, "VALUE");
    while (grammar_next(&rest, &item)) {
        if (item.option)
            continue;
        if (at == o->count || (at < o->count && (loose || item.repeated)))
            kinds_offer(item.word, o);
        loose |= item.repeated;
        at++;
    }
}

static void offer_option_value(struct offer *o, struct grammar_item item)
{
    o->only_there = true;
    kinds_offer(item.value, o);
}

static void offer_what_fits(struct offer *o, struct typed *t, char *word)
{
    struct grammar_item item;
    char *equals = strchr(word, '=');
    AUTO_FREE char *lead = NULL;

    o->word = word;
    if (t->takes_value) {
        offer_option_value(o, t->option);
    } else if (*word == '-' && !t->ended && equals && find_option(t, word, &item)) {
        lead = xstrndup(word, (size_t)(equals + 1 - word));
        o->lead = lead;
        o->word = equals + 1;
        offer_option_value(o, item);
    } else if (*word == '-' && !t->ended) {
        offer_all_options(o, t);
    } else {
        offer_commands(o, t);
        if (t->command)
            offer_arguments(o, t);
        if (t->command && !o->found && !*word && !t->ended)
            offer_options(o, t, t->command->arguments);
    }
    offer_print(o);
}

/* words: count of them, the last one is being typed. */
static void complete_words(struct offer *o, int count, char **words)
{
    char none[] = "";
    struct typed t = {.before = words, .before_count = count ? count - 1 : 0};

    t.words = xcalloc((size_t)count + 1, sizeof(t.words[0]));
    read_words(&t, o->cli);
    offer_what_fits(o, &t, count ? words[count - 1] : none);
    free(t.words);
}

static void complete_line(struct offer *o, const char *line, const char *breaks)
{
    AUTO(lex) struct lex lex = {0};

    lex_line(line, breaks, &lex);
    o->in_line = true;
    o->quote = lex.quote;
    o->skip = lex.skip;
    complete_words(o, lex.count - 1, lex.words + 1); /* the first one is orbctl itself */
}

/* Its own options stand first: the words behind them may have the same. */
static const char *leading(int *argc, char **argv, const char *name)
{
    const char *value = NULL;

    if (*argc > 1 && !strcmp(argv[0], name)) {
        value = argv[1];
        cli_take_out(argc, argv, 0, 2);
    }
    return value;
}

static int complete(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    struct offer o = {.cli = cli, .lead = ""};
    const char *line = leading(&argc, argv, "--line");
    const char *breaks = leading(&argc, argv, "--breaks");

    cli->client.until_ms = now_ms() + (cli->wait_given ? cli->wait_ms : LIMIT_MS);
    cli->wait_ms = 0;
    if (line)
        complete_line(&o, line, breaks ? breaks : "");
    else
        complete_words(&o, argc, argv);
    return 0;
}

const struct command complete_commands[] = {
    {"complete", "[--line LINE] [--breaks CHARACTERS] [WORD...]",
     "what the last word may become, for the completion of shells", complete, true},
    {0},
};
