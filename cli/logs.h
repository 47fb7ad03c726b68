/* What other commands print of logs.c. */
#ifndef CLI_LOGS_H
#define CLI_LOGS_H

#include "core/json/tree.h"

/* Prints one crash report as text. report: from host@1. */
void logs_print_crash(const json_t *report);

#endif
