/* Reasons: see why.h. */
#include <stdlib.h>
#include <string.h>

#include "plugins/routing/why.h"

void why_set(char **why, const char *text)
{
    if (*why && text && !strcmp(*why, text))
        return;
    free(*why);
    *why = text ? strdup(text) : NULL;
}
