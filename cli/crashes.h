/* What other commands print of crashes. */
#ifndef CLI_CRASHES_H
#define CLI_CRASHES_H

#include "core/json/tree.h"

/* Prints one crash report as text. report: from host@1. */
void crashes_print(const json_t *report);

#endif
