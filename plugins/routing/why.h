/* Why something is not in the kernel, as text that its owner frees; NULL: it is. */
#ifndef PLUGINS_ROUTING_WHY_H
#define PLUGINS_ROUTING_WHY_H

/* Sets a reason, keeping the text when it is the same: most reasons last. */
void why_set(char **why, const char *text);

#endif
