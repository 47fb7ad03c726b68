/* Log records, of this run of the daemon and of those before. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/table.h"
#include "cli/when.h"
#include "core/base/json_write.h"
#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"

#define PAGE 1000  /* records of one answer */
#define NEWEST 200 /* default number of records */
#define NEWEST_MOST 100000
#define FOLLOW_MS 200                      /* between questions */
#define FOLLOW_WAIT_MS (7u * 86400 * 1000) /* for a daemon that is being restarted */

enum style { STYLE_SHORT, STYLE_FULL, STYLE_JSON };

struct request {
    const char *service, *level, *grep;
    int64_t since_us, until_us;
    int64_t after, before; /* of the next question */
    enum style style;
    long newest; /* 0: all there are */
    bool follow, ranged, audit;
    int64_t skipped;
    int64_t began; /* number of the first record of the daemon's run */
};

/* ---- one record ---- */

static void add_pairs(const json_t *record, struct buf *line)
{
    const char *key;
    json_t *value;

    json_object_foreach (json_object_get(record, "kv"), key, value) {
        buf_addc(line, ' ');
        text_plain(key, line);
        buf_addc(line, '=');
        table_plain(value, line);
    }
}

static void print_record(const json_t *record, enum style style)
{
    long long us = table_number(record, "time-us");
    AUTO(buf) struct buf line = {0};
    char text[40], zone[8];

    if (style == STYLE_JSON) {
        tree_dump(record, &line);
        out_json(buf_str(&line));
        return;
    }
    add_pairs(record, &line);
    table_time(us / 1000000, style == STYLE_FULL ? TIME_FULL : TIME_CLOCK, text, sizeof(text));
    table_time(us / 1000000, TIME_ZONE, zone, sizeof(zone));
    if (style == STYLE_FULL)
        out("%s.%06lld%s %-7s %-12s %s%s\n", text, us % 1000000, zone, table_text(record, "level"),
            table_text(record, "service"), table_text(record, "event"), buf_str(&line));
    else
        out("%s.%03lld %-7s %-12s %s%s\n", text, us / 1000 % 1000, table_text(record, "level"),
            table_text(record, "service"), table_text(record, "event"), buf_str(&line));
}

/* ---- requests ---- */

static void write_text(struct json_write *w, const char *key, const char *text)
{
    if (text)
        json_write_string(w, key, text);
}

static void write_number(struct json_write *w, const char *key, int64_t n)
{
    if (n > 0)
        json_write_integer(w, key, n);
}

/* limit 0: the oldest ones after `after`, else that many of the newest. */
static int ask(struct cli *cli, struct request *q, long limit, json_t **ret_tree,
               struct orb_err *err)
{
    AUTO(buf) struct buf input = {0};
    struct json_write w = json_write_to(&input);
    int r;

    json_write_object(&w, NULL);
    json_write_integer(&w, "limit", limit && limit < PAGE ? limit : PAGE);
    json_write_boolean(&w, "newest", limit != 0);
    write_number(&w, "after", q->after);
    write_number(&w, "before", q->before);
    write_number(&w, "since-us", q->since_us);
    write_number(&w, "until-us", q->until_us);
    write_text(&w, "service", q->service);
    write_text(&w, "level", q->level);
    write_text(&w, "grep", q->grep);
    if (q->audit)
        json_write_boolean(&w, "audit", true);
    json_write_end(&w);
    r = cli_tree(cli, "host@1", "logs", buf_str(&input), ret_tree, err);
    if (r == 0)
        q->skipped += table_number(*ret_tree, "skipped");
    return r;
}

static int print_page(const json_t *page, enum style style, struct orb_err *err)
{
    const json_t *record;
    size_t i;

    json_array_foreach (json_object_get(page, "records"), i, record)
        print_record(record, style);
    return out_flush() ? 0 : orb_fail(err, ORB_E_IO, "the output is closed");
}

/* Numbers rise over restarts of the daemon, unless its files were lost and the clock was set back:
 * then those of the new run are below what was seen, and are taken from its first one on. */
static bool began_anew(const json_t *page, struct request *q)
{
    int64_t began = table_number(page, "began"), before = q->began;

    q->began = began;
    if (!before || began == before || began > q->after)
        return false;
    q->after = began - 1;
    return true;
}

/* From q->after on, until there is no more. */
static int forward(struct cli *cli, struct request *q, struct orb_err *err)
{
    bool more = true;
    int r = 0;

    while (r == 0 && more) {
        AUTO(json_t) json_t *page = NULL;
        int64_t next;

        r = ask(cli, q, 0, &page, err);
        if (r == 0 && began_anew(page, q))
            continue;
        if (r == 0)
            r = print_page(page, q->style, err);
        next = table_number(page, "next");
        more = json_is_true(json_object_get(page, "more")) && next > q->after;
        if (next > q->after)
            q->after = next;
    }
    return r;
}

struct pages {
    json_t **list;
    size_t count;
};

/* The newest records: pages from the newest back, then printed from the oldest on. */
static int newest(struct cli *cli, struct request *q, struct pages *pages, struct orb_err *err)
{
    long left = q->newest;
    int64_t next = 0;
    bool more = true;
    int r = 0;

    while (r == 0 && more && left > 0) {
        json_t *page = NULL;

        r = ask(cli, q, left, &page, err);
        if (r < 0)
            break;
        pages->list = xrealloc(pages->list, (pages->count + 1) * sizeof(pages->list[0]));
        pages->list[pages->count++] = page;
        left -= (long)json_array_size(json_object_get(page, "records"));
        if (pages->count == 1) {
            next = table_number(page, "next");
            q->began = table_number(page, "began");
        }
        more = json_is_true(json_object_get(page, "more")) &&
               (!q->before || table_number(page, "first") < q->before);
        q->before = table_number(page, "first");
    }
    for (size_t i = pages->count; r == 0 && i > 0; i--)
        r = print_page(pages->list[i - 1], q->style, err);
    q->before = 0;
    q->after = next;
    return r;
}

static int show_newest(struct cli *cli, struct request *q, struct orb_err *err)
{
    struct pages pages = {0};
    int r = newest(cli, q, &pages, err);

    for (size_t i = 0; i < pages.count; i++)
        json_decref(pages.list[i]);
    free(pages.list);
    return r;
}

/* ---- runs of the daemon ---- */

/* boot: 0 this run of the daemon, -1 the one before, 1 the first one that is known. */
static int pick_run(struct cli *cli, long boot, struct request *q, struct orb_err *err)
{
    AUTO(json_t) json_t *tree = NULL;
    const json_t *runs;
    long count, at;
    int r = cli_tree(cli, "host@1", "log-runs", "{}", &tree, err);

    if (r < 0)
        return r;
    runs = json_object_get(tree, "runs");
    count = (long)json_array_size(runs);
    at = boot > 0 ? boot - 1 : count - 1 + boot;
    if (at < 0 || at >= count)
        return orb_fail(err, ORB_E_NOT_FOUND,
                        "--boot %ld: the log has %ld run%s of the daemon; expected %ld to 0", boot,
                        count, table_plural(count), 1 - count);
    q->after = table_number(json_array_get(runs, (size_t)at), "seq") - 1;
    if (at + 1 < count)
        q->before = table_number(json_array_get(runs, (size_t)at + 1), "seq");
    return 0;
}

static int list_boots(struct cli *cli, struct orb_err *err)
{
    static const char *const titles[] = {"BOOT", "BEGAN", "ID"};
    AUTO(json_t) json_t *tree = NULL;
    struct table t;
    const json_t *run;
    size_t i, count;
    int r = cli_fetch(cli, "host@1", "log-runs", "{}", &tree, err);

    if (r < 0 || !tree)
        return r;
    table_start(&t, 3, titles);
    count = json_array_size(json_object_get(tree, "runs"));
    json_array_foreach (json_object_get(tree, "runs"), i, run) {
        char text[40];

        table_time(table_number(run, "time-us") / 1000000, TIME_FULL, text, sizeof(text));
        table_cell(&t, "%ld", (long)i + 1 - (long)count);
        table_cell(&t, "%s", text);
        table_cell(&t, "%s", table_text(run, "run"));
    }
    table_print(&t);
    return 0;
}

/* ---- the command ---- */

static int parse_boot(const char *text, long *ret_boot, struct orb_err *err)
{
    char *end;
    long n = strtol(text, &end, 10);

    if (!*text || *end || n < -100000 || n > 100000)
        return orb_fail(err, ORB_E_INVALID,
                        "--boot: expected 0 (this run of the daemon), -1 (the one before) and so "
                        "on; got \"%s\"",
                        text);
    *ret_boot = n;
    return 0;
}

static int parse_style(const char *text, enum style *ret_style, struct orb_err *err)
{
    static const char *const names[] = {"short", "full", "json"};

    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (!strcmp(names[i], text)) {
            *ret_style = (enum style)i;
            return 0;
        }
    return orb_fail(err, ORB_E_INVALID, "-o: expected short, full or json; got \"%s\"", text);
}

struct words {
    const char *since, *until, *boot, *style;
    const char *count, *count_word; /* and which of its two names was used */
    bool list;
};

static void take_words(struct cli *cli, int *argc, char **argv, struct request *q, struct words *w)
{
    q->follow = cli_flag(argc, argv, "-f") || cli_flag(argc, argv, "--follow");
    q->audit = cli_flag(argc, argv, "--audit");
    w->list = cli_flag(argc, argv, "--list-boots");
    w->since = cli_option(argc, argv, "--since");
    w->until = cli_option(argc, argv, "--until");
    w->boot = cli_option(argc, argv, "--boot");
    w->count_word = "--limit";
    w->count = cli_option(argc, argv, "--limit");
    if (!w->count) {
        w->count_word = "-n";
        w->count = cli_option(argc, argv, w->count_word);
    }
    w->style = cli_option(argc, argv, "-o");
    q->service = cli_option(argc, argv, "--service");
    q->level = cli_option(argc, argv, "--level");
    q->grep = cli_option(argc, argv, "--grep");
    q->style = cli->json ? STYLE_JSON : STYLE_SHORT;
    q->ranged = w->since || w->until || w->boot || q->grep;
}

static int read_words(struct cli *cli, const struct words *w, struct request *q,
                      struct orb_err *err)
{
    int64_t now = (int64_t)now_wall_us();
    long boot = 0;
    int r = 0;

    if (w->count)
        r = cli_number(w->count, w->count_word, 1, NEWEST_MOST, &q->newest, err);
    else if (!q->ranged)
        q->newest = NEWEST;
    if (r == 0 && w->style)
        r = parse_style(w->style, &q->style, err);
    if (r == 0 && w->since)
        r = when_parse(w->since, "--since", now, &q->since_us, err);
    if (r == 0 && w->until)
        r = when_parse(w->until, "--until", now, &q->until_us, err);
    if (r == 0 && w->since && w->until && q->until_us < q->since_us)
        return orb_fail(err, ORB_E_INVALID, "--until %s is before --since %s", w->until, w->since);
    if (r == 0 && q->follow && w->until)
        return orb_fail(err, ORB_E_INVALID, "-f has no end: leave --until away");
    if (r == 0 && q->grep && !*q->grep)
        q->grep = NULL;
    if (r == 0 && w->boot)
        r = parse_boot(w->boot, &boot, err);
    if (r == 0 && w->boot)
        r = pick_run(cli, boot, q, err);
    return r;
}

static int follow(struct cli *cli, struct request *q, struct orb_err *err)
{
    const struct timespec pause = {.tv_nsec = FOLLOW_MS * 1000000};
    int r = 0;

    if (cli->wait_ms)
        cli->client.wait_ms = FOLLOW_WAIT_MS;
    q->before = 0;
    while (r == 0) {
        nanosleep(&pause, NULL);
        r = forward(cli, q, err);
    }
    return r;
}

static int logs(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    struct request q = {0};
    struct words words;
    int r;

    take_words(cli, &argc, argv, &q, &words);
    r = cli_words(cli, argc, argv, err);
    if (r == 0 && words.list)
        return list_boots(cli, err);
    if (r == 0)
        r = read_words(cli, &words, &q, err);
    if (r < 0)
        return r;
    if (!q.newest && !q.after)
        q.after = 1; /* from the first one on */
    r = q.newest ? show_newest(cli, &q, err) : forward(cli, &q, err);
    if (r == 0 && q.skipped)
        out_err("orbctl: %" PRId64 " line%s of the log files could not be read: damaged, or "
                "not of orbitald\n",
                q.skipped, table_plural(q.skipped));
    return r == 0 && q.follow ? follow(cli, &q, err) : r;
}

const struct command logs_commands[] = {
    {"logs",
     "[-f|--follow] [-n|--limit COUNT] [--service SERVICE] [--level LEVEL] [--since TIME] "
     "[--until TIME] [--boot RUN] [--grep PATTERN] [-o short|full|json] [--audit] [--list-boots]",
     "log records, also of earlier runs of the daemon", logs},
    {0},
};
