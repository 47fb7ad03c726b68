/* The smallest package: what bench/spawn.c starts. */
#include "orbital/orbital.h"

ORB_PLUGIN(.name = "guest");
