/* The daemon's command line; also `--check-package`, which needs no daemon. */
#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/text.h"
#include "core/host/host_internal.h"
#include "core/host/options.h"
#include "core/host/statedir.h"
#include "core/sandbox/sandbox.h"
#include "dataplane/dataplane.h"

static const char usage[] =
    "orbitald - the Orbital appliance daemon\n"
    "\n"
    "usage: orbitald [OPTION]...\n"
    "\n"
    "  --state DIR        datastore, keys, crash reports         (/var/lib/orbital)\n"
    "  --run DIR          control socket                         (/run/orbital)\n"
    "  --packages DIR     packages; the first is the shipped one, repeat for more\n"
    "                     (/usr/lib/orbital/packages, then STATE/packages)\n"
    "  --bpffs DIR        pins of the data plane                 (/sys/fs/bpf/orbital)\n"
    "  --instance NAME    name of this instance                  (main)\n"
    "  --first-config FILE  configuration of a new appliance     (/etc/orbital/config.json)\n"
    "  --cgroup DIR       cgroup v2 directory for the workers; \"\" for none  (found)\n"
    "  --no-dataplane     do not touch BPF or nftables\n"
    "  --safe-mode        run the last good configuration with the shipped packages only\n"
    "  --log-level L      debug, info, notice, warning, error    (info)\n"
    "  --log-output O     stderr, journal, quiet  (journal under systemd, else stderr)\n"
    "  --detach           take filter, fast path and settings of a daemon that does not run\n"
    "                     away from the kernel, and exit\n"
    "  --check-package DIR  check a package directory, and exit\n"
    "  --version, --help\n"
    "\n"
    "Exit status: 0 stopped on request, 1 could not start, 2 invalid command line.\n";

enum option_id {
    OPT_STATE = 256,
    OPT_RUN,
    OPT_PACKAGES,
    OPT_BPFFS,
    OPT_INSTANCE,
    OPT_FIRST,
    OPT_CGROUP,
    OPT_NO_DATAPLANE,
    OPT_SAFE,
    OPT_LOG_LEVEL,
    OPT_LOG_OUTPUT,
    OPT_CHECK,
    OPT_DETACH,
    OPT_VERSION,
    OPT_HELP
};

static const struct option options[] = {
    {"state", required_argument, NULL, OPT_STATE},
    {"run", required_argument, NULL, OPT_RUN},
    {"packages", required_argument, NULL, OPT_PACKAGES},
    {"bpffs", required_argument, NULL, OPT_BPFFS},
    {"instance", required_argument, NULL, OPT_INSTANCE},
    {"first-config", required_argument, NULL, OPT_FIRST},
    {"cgroup", required_argument, NULL, OPT_CGROUP},
    {"no-dataplane", no_argument, NULL, OPT_NO_DATAPLANE},
    {"safe-mode", no_argument, NULL, OPT_SAFE},
    {"log-level", required_argument, NULL, OPT_LOG_LEVEL},
    {"log-output", required_argument, NULL, OPT_LOG_OUTPUT},
    {"check-package", required_argument, NULL, OPT_CHECK},
    {"detach", no_argument, NULL, OPT_DETACH},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

/* Strings made here live as long as the options. */
static const char *keep(struct host_options *o, char *text)
{
    o->owned[o->owned_count++] = text;
    return text;
}

static int add_packages(struct host_options *o, const char *dir)
{
    for (unsigned i = 0; i < HOST_PACKAGE_DIRS; i++)
        if (!o->package_dirs[i]) {
            o->package_dirs[i] = dir;
            return 0;
        }
    fprintf(stderr, "orbitald: --packages %s: at most %d directories\n", dir, HOST_PACKAGE_DIRS);
    return -1;
}

static int set_level(struct host_options *o, const char *name)
{
    int level = log_level_parse(name);

    if (level < 0) {
        fprintf(stderr,
                "orbitald: --log-level: expected debug, info, notice, warning or error; got "
                "\"%s\"\n",
                name);
        return -1;
    }
    o->level = (enum log_level)level;
    return 0;
}

static int set_output(struct host_options *o, const char *name)
{
    if (!strcmp(name, "stderr"))
        o->output = LOGS_STDERR;
    else if (!strcmp(name, "journal"))
        o->output = LOGS_JOURNAL;
    else if (!strcmp(name, "quiet"))
        o->output = LOGS_QUIET;
    else {
        fprintf(stderr, "orbitald: --log-output: expected stderr, journal or quiet; got \"%s\"\n",
                name);
        return -1;
    }
    return 0;
}

static int set_instance(struct host_options *o, const char *name)
{
    size_t len = strlen(name);

    if (!len || len > 24 || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != len) {
        fprintf(stderr, "orbitald: --instance: expected 1 to 24 of a-z, 0-9 and -; got \"%s\"\n",
                name);
        return -1;
    }
    o->instance = name;
    return 0;
}

/* What the description alone cannot show: would the worker find what it loads? */
static int check_libraries(const struct package *package, struct orb_err *err)
{
    AUTO_FREE char *path = buf_format("%s/%s", package->dir, package->manifest.library);

    if (access(path, R_OK) < 0)
        return orb_fail_at(err, -errno, "/library", "cannot read %s", path);
    for (unsigned i = 0; package->manifest.libraries[i]; i++) {
        AUTO_FREE char *at = buf_format("/libraries/%u", i);

        if (!launch_plan_library_allowed(package->manifest.libraries[i]))
            return orb_fail_at(err, ORB_E_DENIED, at,
                               "\"%s\" is not on the list of system libraries; put it into the "
                               "package's lib/",
                               package->manifest.libraries[i]);
    }
    return 0;
}

void options_say(const struct orb_err *err)
{
    AUTO(buf) struct buf text = {0};

    text_plain(err->path, &text);
    buf_adds(&text, err->path[0] ? ": " : "");
    text_plain(err->text, &text);
    fprintf(stderr, "orbitald: %s\n", buf_str(&text));
}

static int check_package(const char *dir)
{
    AUTO_FREE char *real = realpath(dir, NULL);
    struct package *package = NULL;
    struct orb_err err = {0};

    if (package_load(real ? real : dir, false, &package, &err) < 0 ||
        check_libraries(package, &err) < 0) {
        package_free(package);
        options_say(&err);
        return orb_code_exit(err.code);
    }
    printf("%s %s: interface %s %s, fine\n", package->manifest.name, package->manifest.version,
           contract_interface(package->contract), contract_version(package->contract));
    package_free(package);
    return 0;
}

/* 0: continue, 1: done with *ret_code, -1: invalid. */
static int parse_one(struct host_options *o, int id, const char *value, int *ret_code)
{
    *ret_code = 0;
    switch (id) {
    case OPT_STATE:
        o->state_dir = value;
        return 0;
    case OPT_RUN:
        o->run_dir = value;
        return 0;
    case OPT_PACKAGES:
        return add_packages(o, value);
    case OPT_BPFFS:
        o->bpffs = value;
        return 0;
    case OPT_INSTANCE:
        return set_instance(o, value);
    case OPT_FIRST:
        o->first_config = value;
        return 0;
    case OPT_CGROUP:
        o->cgroup = value;
        return 0;
    case OPT_NO_DATAPLANE:
        o->no_dataplane = true;
        return 0;
    case OPT_SAFE:
        o->safe_mode = true;
        return 0;
    case OPT_LOG_LEVEL:
        return set_level(o, value);
    case OPT_LOG_OUTPUT:
        return set_output(o, value);
    case OPT_CHECK:
        *ret_code = check_package(value);
        return 1;
    case OPT_DETACH:
        o->detach = true;
        return 0;
    case OPT_VERSION:
        puts("orbitald " ORBITAL_VERSION);
        return 1;
    case OPT_HELP:
        fputs(usage, stdout);
        return 1;
    default:
        return -1; /* getopt has printed the error */
    }
}

/* Only where no daemon would put everything back at once. The exit status. */
static int detach(struct host_options *o)
{
    AUTO_FREE char *found = NULL;
    struct dataplane_options paths;
    struct statedir dir;
    struct orb_err err = {0};
    int r;

    options_absolute(o);
    found = buf_format("%s/found-settings", o->state_dir);
    paths = (struct dataplane_options){.bpffs = o->bpffs, .found = found};
    r = statedir_open(o, &dir, &err);
    if (r == 0) {
        r = dataplane_detach(&paths, &err);
        statedir_close(&dir);
    }
    if (r < 0)
        fprintf(stderr, "orbitald: %s%s\n", err.text,
                r == ORB_E_STATE ? "; for a running daemon use orbctl dataplane detach" : "");
    return r < 0;
}

int options_parse(struct host_options *o, int argc, char **argv, int *ret_code)
{
    int id, r = 0;

    while (r == 0 && (id = getopt_long(argc, argv, "", options, NULL)) != -1)
        r = parse_one(o, id, optarg, ret_code);
    if (r == 0 && optind < argc) {
        fprintf(stderr, "orbitald: unexpected argument \"%s\"; options begin with --\n",
                argv[optind]);
        r = -1;
    }
    if (r < 0) {
        fputs("Try `orbitald --help`.\n", stderr);
        *ret_code = 2;
        return -1;
    }
    if (r == 0 && !o->package_dirs[0]) {
        o->package_dirs[0] = "/usr/lib/orbital/packages";
        o->package_dirs[1] = keep(o, buf_format("%s/packages", o->state_dir));
    }
    if (r == 0 && o->detach) {
        *ret_code = detach(o);
        return 1;
    }
    return r;
}

static void absolute(struct host_options *o, const char **path)
{
    AUTO_FREE char *cwd = NULL;

    if ((*path)[0] == '/')
        return;
    cwd = getcwd(NULL, 0);
    *path = keep(o, buf_format("%s/%s", cwd ? cwd : "", *path));
}

void options_absolute(struct host_options *o)
{
    absolute(o, &o->state_dir);
    absolute(o, &o->run_dir);
    absolute(o, &o->bpffs);
    for (unsigned i = 0; o->package_dirs[i]; i++)
        absolute(o, &o->package_dirs[i]);
}

void options_fini(struct host_options *o)
{
    for (unsigned i = 0; i < o->owned_count; i++)
        free(o->owned[i]);
    o->owned_count = 0;
}
