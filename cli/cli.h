/* What the files of orbctl share: the parsed command line and the table of words. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>

#include "cli/client.h"
#include "cli/out.h"

struct cli {
    struct client client;
    const char *socket;
    unsigned wait_ms; /* for a daemon or service that is not there yet */
    bool json;        /* --json: the reply as it came */
    bool open;
    int status; /* exit status of a command that did what it was asked; 0 unless it says so */
};

/* A command: words after its own. Returns 0 or a code with err filled; prints its own result. */
typedef int command_fn(struct cli *cli, int argc, char **argv, struct orb_err *err);

struct command {
    const char *words;     /* "config set" */
    const char *arguments; /* "PATH... VALUE", "" for none */
    const char *help;
    command_fn *run;
};

/* Tables end with {0}; each in the file of its name. */
extern const struct command service_commands[], config_commands[], show_commands[], ipc_commands[],
    admin_commands[], health_commands[], logs_commands[];

/* Connects on first use. */
int cli_call(struct cli *cli, const char *to, const char *method, const char *input,
             struct buf *ret_text, struct orb_err *err);
int cli_tree(struct cli *cli, const char *to, const char *method, const char *input,
             json_t **ret_tree, struct orb_err *err);
/* As cli_tree, for a reply that is shown: with --json it is printed as it came and *ret_tree, which
 * the caller sets to NULL, stays so. */
int cli_fetch(struct cli *cli, const char *to, const char *method, const char *input,
              json_t **ret_tree, struct orb_err *err);
/* --json: prints text as it is and returns true. */
bool cli_print_json(const struct cli *cli, const char *text);

/* Tells why a command failed, on both outputs when JSON is wanted. Returns the exit status. */
int cli_refused(const struct cli *cli, const struct orb_err *err);

/* Option --NAME VALUE or --NAME=VALUE among argv: taken out, value returned; NULL when absent.
 * Without a value it stays among argv, where cli_words() refuses it. */
const char *cli_option(int *argc, char **argv, const char *name);
bool cli_flag(int *argc, char **argv, const char *name);
/* Takes n words out of argv. */
void cli_take_out(int *argc, char **argv, int at, int n);
/* Wrong number of words or an unknown option: ORB_E_INVALID saying what was expected. max < 0: any
 */
int cli_words(int argc, char **argv, int min, int max, const char *expected, struct orb_err *err);
/* An integer within bounds. */
int cli_number(const char *text, const char *what, long min, long max, long *ret_number,
               struct orb_err *err);
/* {"key":"value"} */
void cli_pair(struct buf *ret_json, const char *key, const char *value);
/* {"key":value} */
void cli_pair_number(struct buf *ret_json, const char *key, long long value);
/* Path words or a JSON pointer → JSON pointer. */
void cli_pointer(int argc, char **argv, struct buf *ret_pointer);

/* A value as JSON in one line, nothing in it for the terminal to act on. */
void table_plain(const json_t *value, struct buf *ret_text);

/* Local time; "?" for a time that no calendar has. s: since the epoch. */
enum time_part { TIME_FULL, TIME_CLOCK, TIME_ZONE }; /* 2026-11-27 10:45:30, 10:45:30, +0100 */
void table_time(long long s, enum time_part part, char *to, size_t size);
/* "3m20s" */
void when_duration(long long ms, char *to, size_t size);
/* The same in whole seconds. */
void when_seconds(long long s, char *to, size_t size);
/* logs.c: one crash report, for people. */
void logs_print_crash(const json_t *report);

/* when.c: a point in time as people write it: 10m, 2h30m (ago), 03:00 (the last one there was),
 * 2026-11-27, "2026-11-27 03:00", 2026-11-27T03:00:00Z, yesterday, now. what: for the error. In
 * microseconds since the epoch; now_us: the present. */
int when_parse(const char *text, const char *what, int64_t now_us, int64_t *ret_us,
               struct orb_err *err);

/* Text table: columns as wide as their longest cell. */
struct table {
    unsigned columns;
    struct buf *cells;
    unsigned count;
};
void table_start(struct table *table, unsigned columns, const char *const *titles);
void table_cell(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
void table_print(struct table *table); /* and frees */

/* "s" for any number but one. */
const char *table_plural(long long number);

/* Members of a reply, with safe fallbacks. */
const char *table_text(const json_t *object, const char *key);
long long table_number(const json_t *object, const char *key);
/* How many changes a reply tells of: a list, or a number. */
long long table_changes(const json_t *tree);

#endif
