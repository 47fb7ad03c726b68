/* What may stand for each kind of argument, asked of the daemon: without the right to read it, or
 * while the daemon is away, nothing is offered. */
#include "cli/kinds.h"

#include <dirent.h>
#include <string.h>

#include "cli/kinds_config.h"
#include "cli/table.h"
#include "core/base/own.h"

#define HISTORY 50 /* revisions that are offered */

static void service(struct offer *o)
{
    AUTO(json_t) json_t *tree = offer_ask(o, "host@1", "services", NULL);
    json_t *s;
    size_t i;

    json_array_foreach (json_object_get(tree, "services"), i, s)
        offer_add(o, table_text(s, "name"), table_text(s, "state"));
}

/* back: the number is that of commits before the newest one. */
static void offer_revisions(struct offer *o, bool back)
{
    AUTO(buf) struct buf input = {0};
    AUTO(json_t) json_t *tree = NULL;
    long long newest = -1;
    json_t *e;
    size_t i;

    cli_pair_number(&input, "limit", HISTORY);
    tree = offer_ask(o, "config@1", "history", buf_str(&input));
    json_array_foreach (json_object_get(tree, "entries"), i, e) {
        long long n = table_number(e, "revision"), when = table_number(e, "time");
        AUTO_FREE char *word = NULL, *help = NULL;
        char stamp[32];

        newest = newest < 0 ? n : newest;
        word = buf_format("%lld", back ? newest - n : n);
        table_time(when > 100000000000 ? when / 1000000 : when, TIME_FULL, stamp, sizeof(stamp));
        help = buf_format("%s %s %s", stamp, table_text(e, "user"), table_text(e, "comment"));
        offer_add(o, word, help);
    }
}

static void revision(struct offer *o)
{
    offer_revisions(o, false);
}

static void commits(struct offer *o)
{
    offer_revisions(o, true);
}

static void token(struct offer *o)
{
    AUTO(json_t) json_t *tree = offer_ask(o, "auth@1", "token-list", NULL);
    json_t *t;
    size_t i;

    json_array_foreach (json_object_get(tree, "tokens"), i, t)
        offer_add(o, table_text(t, "name"), table_text(t, "role"));
}

static void interface(struct offer *o)
{
    AUTO(json_t) json_t *tree = offer_ask(o, "host@1", "interfaces", NULL);
    json_t *e;
    size_t i;

    json_array_foreach (json_object_get(tree, "interfaces"), i, e)
        offer_add(o, table_text(e, "interface"), table_text(e, "state"));
}

/* members: "methods" or "events" of the interface that is named before. */
static void offer_contract(struct offer *o, const char *members)
{
    AUTO(buf) struct buf input = {0};
    AUTO(json_t) json_t *tree = NULL;
    json_t *m;
    size_t i;

    if (!o->count)
        return;
    o->words[0][strcspn(o->words[0], "@")] = '\0';
    cli_pair(&input, "interface", o->words[0]);
    tree = offer_ask(o, "host@1", "describe", buf_str(&input));
    json_array_foreach (json_object_get(tree, members), i, m)
        offer_add(o, table_text(m, "name"), table_text(m, "description"));
}

static void method(struct offer *o)
{
    offer_contract(o, "methods");
}

static void topic(struct offer *o)
{
    offer_contract(o, "events");
}

static void run(struct offer *o)
{
    AUTO(json_t) json_t *tree = offer_ask(o, "host@1", "log-runs", NULL);
    const json_t *runs = json_object_get(tree, "runs");
    size_t count = json_array_size(runs);

    for (size_t i = count; i > 0; i--) {
        const json_t *one = json_array_get(runs, i - 1);
        AUTO_FREE char *word = buf_format("%lld", (long long)i - (long long)count);
        char stamp[40];

        table_time(table_number(one, "time-us") / 1000000, TIME_FULL, stamp, sizeof(stamp));
        offer_add(o, word, stamp);
    }
}

static void level(struct offer *o)
{
    static const char *const levels[] = {"debug", "info", "notice", "warning", "error"};

    for (unsigned i = 0; i < ARRAY_LEN(levels); i++)
        offer_add(o, levels[i], "this and what is worse");
}

static void file(struct offer *o)
{
    const char *slash = strrchr(o->word, '/');
    size_t len = slash ? (size_t)(slash - o->word) + 1 : 0;
    AUTO_FREE char *folder = buf_format("%.*s", len ? (int)len : 1, len ? o->word : ".");
    DIR *dir = opendir(folder);
    const struct dirent *e;

    while (dir && (e = readdir(dir))) {
        AUTO_FREE char *path =
            buf_format("%.*s%s%s", (int)len, o->word, e->d_name, e->d_type == DT_DIR ? "/" : "");

        if (e->d_name[0] != '.' || o->word[len] == '.')
            offer_add(o, path, NULL);
    }
    if (dir)
        closedir(dir);
}

/* Zones of the running configuration, then interfaces. */
static void zone(struct offer *o)
{
    AUTO(json_t) json_t *links = offer_ask(o, "interfaces@1", "list", NULL);
    AUTO(json_t) json_t *tree = NULL;
    AUTO(buf) struct buf input = {0};
    const char *name;
    json_t *e;
    size_t i;

    cli_pair(&input, "path", "/firewall/zones");
    tree = offer_ask(o, "config@1", "get", buf_str(&input));
    json_object_foreach (json_object_get(tree, "value"), name, e)
        offer_add(o, name, "zone");
    offer_add(o, "local", "the appliance itself");
    json_array_foreach (json_object_get(links, "interfaces"), i, e)
        offer_add(o, table_text(e, "name"), "interface");
}

static void protocol(struct offer *o)
{
    static const char *const names[] = {"tcp", "udp", "icmp", "icmpv6"};

    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        offer_add(o, names[i], "");
}

static const struct kind kinds[] = {
    {"SERVICE", "a service", service},
    {"PATH", "a place in the configuration", kinds_config_path},
    {"VALUE", "what the place takes", kinds_config_value},
    {"FILE", "a file", file},
    {"REVISION", "a revision of the configuration", revision},
    {"COMMITS", "a number of commits before the newest one", commits},
    {"TOKEN", "a token of the HTTP API", token},
    {"INTERFACE", "an interface of the daemon", interface},
    {"METHOD", "a method of the interface", method},
    {"TOPIC", "an event of the interface", topic},
    {"RUN", "a run of the daemon: 0 this one, -1 the one before", run},
    {"LEVEL", "a level of the log", level},
    {"ZONE", "a zone, an interface, or local for the appliance", zone},
    {"PROTOCOL", "a protocol, by name or number", protocol},
    {"ADDRESS", "an IPv4 or IPv6 address", NULL},
    {"PORT", "a port, 1 to 65535", NULL},
    {"RULE", "the number of a rule", NULL},
    {"TYPE", "an ICMP type such as echo-request, 8 or 3/4", NULL},
    {"MAC", "a MAC address", NULL},
    {"NAME", "a new name", NULL},
    {"SECONDS", "a number of seconds", NULL},
    {"COUNT", "a number", NULL},
    {"TIME", "how long ago (10m, 2h30m, 1d), a time of day, a date, or both", NULL},
    {"LIFETIME", "hours or days such as 12h or 90d, or never", NULL},
    {"TEXT", "a text", NULL},
    {"PATTERN", "a Perl-compatible pattern", NULL},
    {"JSON", "a JSON value", NULL},
    {"LINE", "a line of a shell up to the cursor", NULL},
    {"CHARACTERS", "characters", NULL},
    {"WORD", "a word", NULL},
};

const struct kind *kinds_find(struct grammar_text name)
{
    for (unsigned i = 0; i < ARRAY_LEN(kinds); i++)
        if (grammar_is(name, kinds[i].name))
            return &kinds[i];
    return NULL;
}

void kinds_offer(struct grammar_text word, struct offer *o)
{
    const struct kind *kind = kinds_find(word);
    struct grammar_text choice;

    if (kind) {
        unsigned before = o->found;

        if (kind->complete)
            kind->complete(o);
        if (!kind->complete || o->found > before)
            offer_hint(o, kind->help);
        return;
    }
    while (grammar_choice(&word, &choice)) {
        AUTO_FREE char *one = buf_format("%.*s", (int)choice.len, choice.p);

        offer_add(o, one, NULL);
    }
}
