/* manifest.json of a foreign package, and every capability string in it. */
#include <stddef.h>
#include <stdint.h>

#include "core/pkg/package.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct manifest m;
    struct orb_err err;

    if (manifest_parse((const char *)data, size, &m, &err) == 0)
        manifest_fini(&m);
    return 0;
}
