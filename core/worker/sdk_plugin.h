/* A package's descriptor, read by the sizes it records: what was built with another header of the
 * same ABI becomes structs of this one. */
#ifndef CORE_WORKER_SDK_PLUGIN_H
#define CORE_WORKER_SDK_PLUGIN_H

#include "orbital/orbital.h"

/* Plain data; config and methods point into it. */
struct sdk_plugin {
    struct orb_plugin head;
    struct orb_config config;
    struct orb_method *methods; /* ends with {0} */
};

/* Reads given into ret. Members beyond given's size are NULL; members unknown to this host must be
 * zero. Errors: ORB_E_VERSION, with what to rebuild or to update. given must outlive ret. */
int sdk_plugin_read(const struct orb_plugin *given, struct sdk_plugin *ret, struct orb_err *err);
/* Frees what reading allocated; fine on zeroed memory. */
void sdk_plugin_fini(struct sdk_plugin *plugin);

#endif
