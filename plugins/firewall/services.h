/* Names of services for ports. */
#ifndef PLUGINS_FIREWALL_SERVICES_H
#define PLUGINS_FIREWALL_SERVICES_H

#include <cjson/cJSON.h>
#include <stddef.h>

/* The port of a service. -1: unknown name; why has a suggestion. */
int service_port(const char *name, char *why, size_t size);
/* Name of service number n, from 0 on; NULL behind the last. */
const char *services_name(size_t n);
/* Appends " (http is 80, …)" to text for the services an entry of the configuration names; what
 * does not fit is left out. */
void services_describe(const cJSON *entry, char *text, size_t size);

#endif
