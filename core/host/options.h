/* Options of the command line. */
#ifndef CORE_HOST_OPTIONS_H
#define CORE_HOST_OPTIONS_H

#include <stdbool.h>

#include "core/base/log.h"
#include "core/obs/logs.h"

struct orb_err;

#define HOST_PACKAGE_DIRS 8

struct host_options {
    const char *state_dir;
    const char *run_dir;
    const char *package_dirs[HOST_PACKAGE_DIRS + 1]; /* NULL ends */
    const char *bpffs;
    const char *instance;
    const char *first_config; /* file, need not exist */
    const char *cgroup;       /* NULL: detected */
    enum logs_output output;
    enum log_level level;
    bool no_dataplane;
    bool detach;                        /* take everything away and exit */
    bool safe_mode;                     /* requested; see struct orbitald */
    char *owned[HOST_PACKAGE_DIRS + 4]; /* strings made for the fields above */
    unsigned owned_count;
};

/* Parses argv into options, which hold the defaults. 0: continue; 1: done (help, version, a check),
 * exit with *ret_code; -1: an invalid argument, which was reported; *ret_code is set as well. */
int options_parse(struct host_options *options, int argc, char **argv, int *ret_code);
/* The error on stderr; what it quotes of packages and files does nothing to the terminal. */
void options_say(const struct orb_err *err);
/* Workers have another root: every directory becomes an absolute path. */
void options_absolute(struct host_options *options);
void options_fini(struct host_options *options);

#endif
