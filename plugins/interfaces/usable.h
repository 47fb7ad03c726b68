/* What is as configured and does not work: part of applying (run.h). */
#ifndef PLUGINS_INTERFACES_USABLE_H
#define PLUGINS_INTERFACES_USABLE_H

#include "plugins/interfaces/run.h"

/* What is there and does not work all the same; fills applied->twins. */
void usable_run(struct run *run);

#endif
