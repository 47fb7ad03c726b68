/* The commands that commit, and `config cancel`. */
#ifndef CLI_CONFIG_COMMIT_H
#define CLI_CONFIG_COMMIT_H

#include "cli/cli.h"

#define CONFIG_COMMIT_LEFT 1 /* the user does not wait for it any more; it continues */

/* `config commit`: prints the revision and the plan. Exit status 130 if the user does not wait. */
int config_commit_commit(struct cli *cli, int argc, char **argv, struct orb_err *err);
/* `config cancel`: ends the caller's commit that is not being applied yet. */
int config_commit_cancel(struct cli *cli, int argc, char **argv, struct orb_err *err);
/* Calls commit with input (JSON) and shows how far it is; Ctrl-C asks what to do. 0: ret_text has
 * the answer; CONFIG_COMMIT_LEFT, which is exit status 130; below 0: refused, or canceled. */
int config_commit_call(struct cli *cli, const char *input, struct buf *ret_text,
                       struct orb_err *err);

#endif
