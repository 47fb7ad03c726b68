/* See offer.h. */
#include "cli/offer.h"

#include <stdlib.h>
#include <string.h>

#include "cli/lex.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"

#define HELP_MOST 72 /* columns of a description */

struct offered {
    char *word, *help;
};

static bool is_offered(const struct offer *o, const char *candidate)
{
    for (unsigned i = 0; i < o->found; i++)
        if (!strcmp(o->list[i].word, candidate))
            return true;
    return false;
}

void offer_add(struct offer *o, const char *candidate, const char *help)
{
    if (!*candidate || strncmp(candidate, o->word, strlen(o->word)) || !text_is_plain(candidate) ||
        is_offered(o, candidate))
        return;
    if (o->found == OFFER_MOST) {
        o->more = true;
        return;
    }
    o->list = xrealloc(o->list, (o->found + 1) * sizeof(o->list[0]));
    o->list[o->found++] = (struct offered){xstrdup(candidate), xstrdup(help ? help : "")};
}

void offer_hint(struct offer *o, const char *text)
{
    if (!o->hint.len)
        buf_adds(&o->hint, text);
}

static void print_one(const struct offer *o, const struct offered *one)
{
    AUTO(buf) struct buf whole = {0}, quoted = {0};
    const char *cut = text_width(one->help) > HELP_MOST ? "…" : "";

    buf_addf(&whole, "%s%s", o->lead, one->word);
    if (o->in_line)
        lex_quote(buf_str(&whole) + o->skip, o->quote, &quoted);
    out("%s\t%.*s%s\n", o->in_line ? buf_str(&quoted) : buf_str(&whole),
        *cut ? HELP_MOST - 1 : HELP_MOST, one->help, cut);
}

void offer_print(struct offer *o)
{
    bool shows_hint = o->hint.len && (!o->found || o->open);

    for (unsigned i = 0; i < o->found; i++) {
        print_one(o, &o->list[i]);
        free(o->list[i].word);
        free(o->list[i].help);
    }
    if (shows_hint)
        out("\t%s\n", buf_str(&o->hint));
    if (o->more)
        out("\t… more; type the beginning of the name\n");
    free(o->list);
    o->list = NULL;
    o->found = 0;
    buf_fini(&o->hint);
}

json_t *offer_ask(struct offer *o, const char *to, const char *method, const char *input)
{
    json_t *tree = NULL;
    struct orb_err ignored = {0};

    return cli_tree(o->cli, to, method, input, &tree, &ignored) < 0 ? NULL : tree;
}
