/* Features the appliance runs without, as a list for users. */
#ifndef CORE_HOST_GIVEN_UP_H
#define CORE_HOST_GIVEN_UP_H

struct json_write;
struct orbitald;

/* Appends a JSON list of {feature, reason}. */
void given_up_write(const struct orbitald *host, struct json_write *w, const char *key);

#endif
