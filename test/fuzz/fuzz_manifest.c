/* manifest.json of a foreign package, and every capability string in it. An accepted one has valid
 * names and capabilities, and no more of them than its text; a refusal has a reason. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/pkg/capability.h"
#include "core/pkg/package.h"
#include "test/fuzz/bounds.h"

#define MOST_MS 200.0

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t bytes_of(char *const *list)
{
    size_t bytes = 0;

    for (; *list; list++)
        bytes += strlen(*list) + 1;
    return bytes;
}

static void check(const struct manifest *m, size_t size)
{
    must(m->name[0] && strspn(m->name, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(m->name),
         "a name that is none");
    must(m->library[0] != '/' && !strstr(m->library, ".."), "a library somewhere else");
    for (char *const *c = m->capabilities; *c; c++)
        must(capability_check(*c, NULL) == 0, "a capability that is none");
    must_fit(bytes_of(m->capabilities) + bytes_of(m->libraries) + bytes_of(m->requires) +
                 bytes_of(m->uses),
             64, 2, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    double before = cpu_ms();
    struct orb_err err = {0};
    struct manifest m;

    if (manifest_parse((const char *)data, size, &m, &err) == 0) {
        check(&m, size);
        manifest_fini(&m);
    } else {
        must(err.text[0] != '\0', "refused without a word");
    }
    must_end(before, MOST_MS, size);
    return 0;
}
