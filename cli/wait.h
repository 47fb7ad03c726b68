/* How long a call waits, and what it says of that: what is waited for is said on stderr once it
 * takes longer than a moment. */
#ifndef CLI_WAIT_H
#define CLI_WAIT_H

#include <stdbool.h>

struct client;

/* Is there time left? Says what is waited for, once it takes long. */
bool wait_more(struct client *client, const char *what);
/* Milliseconds that one frame may take. */
int wait_left_ms(const struct client *client);
/* Between two tries. */
void wait_rest(void);

#endif
