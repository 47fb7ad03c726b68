/* orbctl show health: health of the appliance and the reasons, as text and as JSON. */
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/table.h"
#include "cli/when.h"
#include "core/base/json_write.h"
#include "core/base/own.h"

static void ago(long long since_us, char *to, size_t size)
{
    long long s = since_us ? (long long)time(NULL) - since_us / 1000000 : -1;

    if (s < 0)
        snprintf(to, size, "%s", "-");
    else
        when_seconds(s, to, size);
}

static void print_line(const char *title, const char *text)
{
    if (*text)
        out("            %s%s\n", title, text);
}

static void print_reason(const json_t *reason)
{
    char since[32];

    ago(table_number(reason, "since-us"), since, sizeof(since));
    out("  %-9s %s\n", table_text(reason, "level"), table_text(reason, "what"));
    if (strcmp(since, "-"))
        out("            since %s ago%s%s\n", since, *table_text(reason, "service") ? ", of " : "",
            table_text(reason, "service"));
    print_line("at ", table_text(reason, "path"));
    print_line("do: ", table_text(reason, "todo"));
}

/* 0 ok, 1 degraded, 2 failed. */
static int status_of(const char *verdict)
{
    return !strcmp(verdict, "ok") ? 0 : !strcmp(verdict, "degraded") ? 1 : 2;
}

/* A daemon that does not answer counts as failed, so that scripts get a result, too. */
static bool is_silent(const struct orb_err *err)
{
    return orb_code_exit(err->code) == orb_code_exit(ORB_E_UNAVAILABLE);
}

static void make_silent(const struct orb_err *err, struct buf *ret_text)
{
    struct json_write w = json_write_to(ret_text);

    buf_clear(ret_text);
    json_write_object(&w, NULL);
    json_write_string(&w, "verdict", "failed");
    json_write_array(&w, "reasons");
    json_write_object(&w, NULL);
    json_write_string(&w, "level", "failed");
    json_write_string(&w, "what", err->text);
    json_write_integer(&w, "since-us", 0);
    json_write_string(&w, "path", "");
    json_write_string(&w, "service", "");
    json_write_string(&w, "todo", "systemctl status orbitald; journalctl -u orbitald");
    json_write_end(&w);
    json_write_end(&w);
    json_write_string(&w, "phase", "unknown");
    json_write_end(&w);
}

static int show_health(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    AUTO(json_t) json_t *tree = NULL;
    AUTO(buf) struct buf text = {0};
    json_t *reason;
    size_t i;
    int r = cli_words(cli, argc, argv, err);

    if (r == 0)
        r = cli_call(cli, "host@1", "health", "{}", &text, err);
    else
        return r;
    if (r < 0 && is_silent(err)) {
        make_silent(err, &text);
        r = 0;
    }
    if (r == 0)
        r = tree_parse(text.data, text.len, NULL, &tree, err);
    if (r < 0)
        return r;
    cli->status = status_of(table_text(tree, "verdict"));
    if (cli_print_json(cli, buf_str(&text)))
        return 0;
    out("%s\n", table_text(tree, "verdict"));
    json_array_foreach (json_object_get(tree, "reasons"), i, reason)
        print_reason(reason);
    return 0;
}

const struct command health_commands[] = {
    {"show health", "", "health of the appliance: reasons, since when, what to do (exit 0, 1, 2)",
     show_health},
    {0},
};
