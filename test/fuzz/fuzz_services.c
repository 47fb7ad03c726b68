/* The schema of /services is composed of every manifest there is. Pieces, each up to a NUL byte,
 * are manifests; those that are accepted are all installed. Whatever they contain, the schema
 * compiles in time and within its size; and it accepts the requested capabilities of each
 * package. */
#include <stdint.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/host/host_internal.h"
#include "core/host/svcconf.h"
#include "core/json/schema.h"
#include "core/pkg/package.h"
#include "test/fuzz/bounds.h"

#define MOST_MS 500.0 /* for an input of 4 KB, with sanitizers */
#define MOST_BYTES (200u << 10)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_there(const struct package_list *list, const char *name)
{
    for (unsigned i = 0; i < list->count; i++)
        if (!strcmp(list->items[i]->manifest.name, name))
            return true;
    return false;
}

static void add(struct package_list *list, const char *text, size_t len)
{
    struct package *p;
    struct manifest m;

    if (list->count == PACKAGE_MAX || manifest_parse(text, len, &m, NULL) < 0)
        return;
    if (is_there(list, m.name)) { /* a directory has one name */
        manifest_fini(&m);
        return;
    }
    p = xcalloc(1, sizeof(*p));
    p->manifest = m;
    p->shipped = len % 5 == 0;
    list->items[list->count++] = p;
}

/* The schema is that of the contract's "config"; the checker of commits compiles it likewise. */
static void compose(const struct package_list *list)
{
    AUTO(buf) struct buf left_out = {0};
    AUTO(schema) struct schema *schema = NULL;
    struct contract *contract = NULL;
    struct orb_err err = {0};
    const char *text;
    size_t len;

    must(svcconf_contract(list, &contract, &left_out, &err) == 0, "it cannot be composed");
    text = contract_text(contract, &len);
    must(len < MOST_BYTES, "it is too large");
    must(schema_compile_in(text, len, "/config", true, &schema, &err) == 0, "it does not compile");
    for (unsigned i = 0; i < list->count; i++) {
        AUTO(buf) struct buf value = {0};
        const struct manifest *m = &list->items[i]->manifest;

        buf_addf(&value, "{\"%s\":{\"enabled\":true,\"grants\":[", m->name);
        if (m->capabilities[0])
            buf_add_json(&value, m->capabilities[0], strlen(m->capabilities[0]));
        buf_adds(&value, "]}}");
        must(schema_check(schema, value.data, value.len, "", &err) == 0,
             "it refuses what was asked for");
    }
    contract_free(contract);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct package_list list = {0};
    double before = cpu_ms();

    for (size_t at = 0; at < size;) {
        const uint8_t *nul = memchr(data + at, 0, size - at);
        size_t len = nul ? (size_t)(nul - data) - at : size - at;

        add(&list, (const char *)data + at, len);
        at += len + 1;
    }
    compose(&list);
    for (unsigned i = 0; i < list.count; i++) {
        manifest_fini(&list.items[i]->manifest);
        free(list.items[i]);
    }
    must(cpu_ms() - before < MOST_MS * (1 + (double)size / 4096), "it took too long");
    return 0;
}
