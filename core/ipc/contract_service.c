/* The one contract that is built in: service.NAME@1, through which the config service prepares and
 * applies changes. */
#include "core/ipc/contract_service.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/ipc/contract_internal.h"

/* The payloads are described in docs/config.md, "Transaction". */
extern const char service_schema[];
extern const size_t service_schema_len;

struct contract *contract_service(const char *name)
{
    struct contract *c = NULL;
    struct orb_err err;

    if (contract_compile(service_schema, service_schema_len, &c, &err) < 0) {
        fprintf(stderr, "orbital: built-in contract: %s: %s\n", err.path, err.text);
        abort(); /* a defect of this program */
    }
    free(c->interface);
    c->interface = buf_format("service.%s", name);
    return c;
}
