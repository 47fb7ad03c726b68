/* Commands of the other config_*.c, for the table in config.c. */
#ifndef CLI_CONFIG_H
#define CLI_CONFIG_H

#include "cli/cli.h"

/* Commands of orbctl: see command_fn in cli/cli.h. */
int config_edit_set(struct cli *cli, int argc, char **argv, struct orb_err *err);
/* orbctl config delete PATH... */
int config_edit_delete(struct cli *cli, int argc, char **argv, struct orb_err *err);
/* orbctl config load FILE */
int config_edit_load(struct cli *cli, int argc, char **argv, struct orb_err *err);
/* orbctl config show */
int config_show(struct cli *cli, int argc, char **argv, struct orb_err *err);
/* orbctl config salvage */
int config_salvage(struct cli *cli, int argc, char **argv, struct orb_err *err);
/* orbctl service enable NAME */
int config_edit_enable(struct cli *cli, int argc, char **argv, struct orb_err *err);
/* orbctl service disable NAME */
int config_edit_disable(struct cli *cli, int argc, char **argv, struct orb_err *err);

#endif
