/* Commits the candidate. While that takes longer than a second a progress bar shows how far it is,
 * and Ctrl-C asks what to do: a commit does not end with the command that began it. */
#include "cli/config_commit.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli/bar.h"
#include "cli/table.h"
#include "core/base/json_write.h"
#include "core/base/own.h"

struct commit {
    struct bar bar;
    bool left; /* not waited for any more */
};

static void on_progress(void *arg, const struct progress_state *state)
{
    bar_update(&((struct commit *)arg)->bar, state);
}

/* The first letter of a line of standard input; 'l' when there is none, or on a second Ctrl-C. */
static char answer_of(int signals)
{
    struct pollfd p[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    char line[64];
    ssize_t n;

    while (poll(p, ARRAY_LEN(p), -1) < 0)
        ;
    if (p[1].revents)
        return 'l';
    n = read(STDIN_FILENO, line, sizeof(line));
    return n > 0 ? line[0] : 'l';
}

static char ask(struct commit *commit, int signals)
{
    const struct progress_state *state = &commit->bar.state;
    char answer;

    bar_remove(&commit->bar);
    if (isatty(STDIN_FILENO) != 1 || isatty(STDERR_FILENO) != 1)
        return 'l';
    out_err("\nThe commit is in progress%s%s.\n", state->phase[0] ? ", " : "", state->phase);
    for (;;) {
        out_err("[w]ait for it, [c]ancel it, or [l]eave it to end without you? [w] ");
        answer = answer_of(signals);
        if (answer == '\n')
            return 'w';
        if (strchr("wcl", answer))
            return answer;
    }
}

/* Ctrl-C. */
static int on_signal(void *arg, struct client *client, struct orb_err *err)
{
    struct commit *commit = arg;
    int signals = client->observer->fd;
    struct signalfd_siginfo info;

    if (read(signals, &info, sizeof(info)) != sizeof(info))
        return 0;
    switch (ask(commit, signals)) {
    case 'c':
        return client_send(client, "config@1", "cancel", err);
    case 'l':
        commit->left = true;
        return orb_fail(err, ORB_E_STATE, "not waited for");
    default:
        return 0;
    }
}

int config_commit_call(struct cli *cli, const char *input, struct buf *ret_text,
                       struct orb_err *err)
{
    struct commit commit = {0};
    struct client_observer observer = {
        .progress = on_progress, .readable = on_signal, .arg = &commit};
    sigset_t interrupt, before;
    int r;

    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    sigprocmask(SIG_BLOCK, &interrupt, &before);
    observer.fd = signalfd(-1, &interrupt, SFD_CLOEXEC);
    bar_begin(&commit.bar);
    cli->client.observer = &observer;
    r = cli_call(cli, "config@1", "commit", input, ret_text, err);
    cli->client.observer = NULL;
    bar_remove(&commit.bar);
    if (observer.fd >= 0)
        close(observer.fd);
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (!commit.left)
        return r;
    out_err("orbctl: the commit continues; `orbctl config history` shows when it has ended\n");
    cli->status = 130; /* as a shell has it for SIGINT */
    return CONFIG_COMMIT_LEFT;
}

static void print_plan(const json_t *tree)
{
    json_t *step;
    size_t i;

    json_array_foreach (json_object_get(tree, "plan"), i, step)
        out("  %-12s %-8s %s\n", table_text(step, "service"), table_text(step, "kind"),
            table_text(step, "text"));
}

int config_commit_commit(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    const char *confirm = cli_option(&argc, argv, "--confirm");
    const char *comment = cli_option(&argc, argv, "--comment");
    bool dry_run = cli_flag(&argc, argv, "--dry-run");
    AUTO(buf) struct buf input = {0}, text = {0};
    AUTO(json_t) json_t *tree = NULL;
    long seconds = 0;
    int r = cli_words(cli, argc, argv, err);
    struct json_write w = json_write_to(&input);

    if (r == 0 && confirm)
        r = cli_number(confirm, "--confirm", 1, 86400, &seconds, err);
    if (r < 0)
        return r;
    json_write_object(&w, NULL);
    json_write_boolean(&w, "dry-run", dry_run);
    if (confirm)
        json_write_integer(&w, "confirm-s", seconds);
    if (comment)
        json_write_string(&w, "comment", comment);
    json_write_end(&w);
    r = config_commit_call(cli, buf_str(&input), &text, err);
    if (r == CONFIG_COMMIT_LEFT)
        return 0;
    if (r < 0 || cli_print_json(cli, buf_str(&text)))
        return r;
    r = tree_parse(buf_str(&text), text.len, NULL, &tree, err);
    if (r < 0)
        return r;
    if (dry_run)
        out("nothing was changed; a commit of %lld change%s would:\n", table_changes(tree),
            table_plural(table_changes(tree)));
    else
        out("revision %lld, %lld change%s\n", table_number(tree, "revision"), table_changes(tree),
            table_plural(table_changes(tree)));
    print_plan(tree);
    if (confirm && !dry_run)
        out("undone in %ld s without `orbctl config confirm`\n", seconds);
    return 0;
}

int config_commit_cancel(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    AUTO(buf) struct buf text = {0};
    int r = cli_words(cli, argc, argv, err);

    if (r == 0)
        r = cli_call(cli, "config@1", "cancel", NULL, &text, err);
    if (r == 0 && !cli_print_json(cli, buf_str(&text)))
        out("canceled; nothing was changed\n");
    return r;
}
