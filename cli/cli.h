/* Shared by the files of orbctl: the parsed command line and the table of commands. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>

#include "cli/client.h"
#include "cli/out.h"

struct command;

struct cli {
    struct client client;
    const struct command *command; /* that runs */
    const char *socket;
    unsigned wait_ms; /* for a daemon or service that is not there yet */
    bool wait_given;  /* by --wait */
    bool json;        /* --json: print replies unchanged */
    bool open;
    int status; /* exit status of a successful command; 0 unless it sets it */
};

/* A command; argv: arguments after its own words. Returns 0 or a code with err filled; prints its
 * result. */
typedef int command_fn(struct cli *cli, int argc, char **argv, struct orb_err *err);

struct command {
    const char *words;     /* "config set" */
    const char *arguments; /* "PATH... VALUE", read by cli/grammar.h; "" for none */
    const char *help;
    command_fn *run;
    bool plumbing; /* for programs: completion does not offer it */
};

/* Tables end with {0}; each in the file of its name. */
extern const struct command service_commands[], config_commands[], show_commands[], ipc_commands[],
    firewall_commands[], admin_commands[], health_commands[], logs_commands[], crashes_commands[],
    complete_commands[];

/* Runs a command with the arguments after its own words. */
int cli_run(struct cli *cli, const struct command *command, int argc, char **argv,
            struct orb_err *err);

/* ask_call() (cli/ask.h) with cli's client, which connects on first use. */
int cli_call(struct cli *cli, const char *to, const char *method, const char *input,
             struct buf *ret_text, struct orb_err *err);
/* ask_call_tree() with the client of cli, as cli_call(). The caller owns *ret_tree. */
int cli_tree(struct cli *cli, const char *to, const char *method, const char *input,
             json_t **ret_tree, struct orb_err *err);
/* As cli_tree, for a reply that is printed: with --json it is printed unchanged and *ret_tree,
 * which the caller sets to NULL, stays NULL. */
int cli_fetch(struct cli *cli, const char *to, const char *method, const char *input,
              json_t **ret_tree, struct orb_err *err);
/* --json: prints text as it is and returns true. */
bool cli_print_json(const struct cli *cli, const char *text);

/* Prints why a command failed, on both outputs with --json. Returns the exit status. */
int cli_refused(const struct cli *cli, const struct orb_err *err);

/* Option --NAME VALUE or --NAME=VALUE among argv: taken out, value returned; NULL when absent.
 * Without a value it stays among argv, where cli_words() refuses it. */
const char *cli_option(int *argc, char **argv, const char *name);
/* Option --NAME without a value among argv: taken out when it is there. */
bool cli_flag(int *argc, char **argv, const char *name);
/* Removes n words from argv. */
void cli_take_out(int *argc, char **argv, int at, int n);
/* Checks the number of arguments against the table and rejects options: ORB_E_INVALID with what the
 * command takes. */
int cli_words(const struct cli *cli, int argc, char **argv, struct orb_err *err);
/* An integer within bounds. */
int cli_number(const char *text, const char *what, long min, long max, long *ret_number,
               struct orb_err *err);
/* Appends {"key":"value"}. */
void cli_pair(struct buf *ret_json, const char *key, const char *value);
/* Appends {"key":value}. */
void cli_pair_number(struct buf *ret_json, const char *key, long long value);
/* Appends the JSON pointer of a path given as words, or as one pointer, of which a slash at the end
 * is taken away: completion writes one behind what has members. */
void cli_pointer(int argc, char **argv, struct buf *ret_pointer);

#endif
