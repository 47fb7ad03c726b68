/* How long a call waits, and its messages: after a moment stderr shows what is waited for. */
#ifndef CLI_WAIT_H
#define CLI_WAIT_H

#include <stdbool.h>

struct client;

/* Whether time is left. Prints what is waited for, once it takes long. */
bool wait_more(struct client *client, const char *what);
/* Milliseconds that one frame may take. */
int wait_left_ms(const struct client *client);
/* Between two tries. */
void wait_rest(void);

#endif
