/* Reads the descriptor of a package (sdk_plugin.h). Every size comes from the package, so it is
 * compared with limits first; a wrong one only harms its own worker. */
#include "core/worker/sdk_plugin.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"

#define SIZE_MAX_READ 1024u /* no struct of an ABI grows beyond */
#define METHODS_MAX 4096u
#define PLUGIN_MIN (offsetof(struct orb_plugin, name) + sizeof(const char *))
#define METHOD_MIN (offsetof(struct orb_method, handle) + sizeof(orb_handler *))
#define CONFIG_MIN (offsetof(struct orb_config, paths) + sizeof(const char *const *))
#define FLAGS_KNOWN ((unsigned)ORB_RAW)

struct part {
    const char *name;
    size_t min; /* smallest of this ABI */
    size_t own; /* size known to this host */
};

static const struct part plugin_part = {"orb_plugin", PLUGIN_MIN, sizeof(struct orb_plugin)};
static const struct part method_part = {"orb_method", METHOD_MIN, sizeof(struct orb_method)};
static const struct part config_part = {"orb_config", CONFIG_MIN, sizeof(struct orb_config)};

static int check_size(const struct part *part, size_t size, struct orb_err *err)
{
    if (size >= part->min && size <= SIZE_MAX_READ)
        return 0;
    return orb_fail(
        err, ORB_E_VERSION,
        "the package was built with struct %s of %zu bytes, expected %zu to %u; describe it "
        "with ORB_PLUGIN",
        part->name, size, part->min, SIZE_MAX_READ);
}

/* Copies size bytes at from to a struct of this host. */
static int copy_part(const struct part *part, const void *from, size_t size, void *to,
                     struct orb_err *err)
{
    const unsigned char *bytes = from;

    memset(to, 0, part->own);
    memcpy(to, from, size < part->own ? size : part->own);
    for (size_t i = part->own; i < size; i++)
        if (bytes[i])
            return orb_fail(err, ORB_E_VERSION,
                            "the package uses a member of struct %s that this host lacks: "
                            "update Orbital, or build the package with the headers of this host",
                            part->name);
    return 0;
}

static int read_methods(const struct orb_plugin *given, size_t size, struct sdk_plugin *ret,
                        struct orb_err *err)
{
    const unsigned char *from = (const unsigned char *)given->methods;
    size_t count = 0;
    int r;

    while (*(const char *const *)(const void *)(from + count * size))
        if (++count > METHODS_MAX)
            return orb_fail(err, ORB_E_LIMIT,
                            "the package has more than %u methods; end the table "
                            "with {0}",
                            METHODS_MAX);
    ret->methods = xcalloc(count + 1, sizeof(*ret->methods));
    for (size_t i = 0; i < count; i++) {
        r = copy_part(&method_part, from + i * size, size, &ret->methods[i], err);
        if (r < 0)
            return r;
        if (ret->methods[i].flags & ~FLAGS_KNOWN)
            return orb_fail(err, ORB_E_VERSION,
                            "method %s has flags that this host lacks (%#x): update Orbital",
                            ret->methods[i].name, ret->methods[i].flags & ~FLAGS_KNOWN);
    }
    ret->head.methods = ret->methods;
    return 0;
}

static int read_parts(const struct orb_plugin *given, struct sdk_plugin *ret, struct orb_err *err)
{
    int r = check_size(&plugin_part, given->size, err);

    if (r >= 0)
        r = check_size(&method_part, given->method_size, err);
    if (r >= 0)
        r = check_size(&config_part, given->config_size, err);
    if (r >= 0)
        r = copy_part(&plugin_part, given, given->size, &ret->head, err);
    if (r >= 0 && ret->head.methods)
        r = read_methods(given, given->method_size, ret, err);
    if (r >= 0 && ret->head.config) {
        r = copy_part(&config_part, ret->head.config, given->config_size, &ret->config, err);
        ret->head.config = &ret->config;
    }
    return r;
}

int sdk_plugin_read(const struct orb_plugin *given, struct sdk_plugin *ret, struct orb_err *err)
{
    int r;

    memset(ret, 0, sizeof(*ret));
    if (given->abi != ORB_PLUGIN_ABI)
        return orb_fail(err, ORB_E_VERSION,
                        "the package was built for another version of orbital.h: its ABI is %u, "
                        "this host has %u; rebuild the package with the headers of this host",
                        given->abi, ORB_PLUGIN_ABI);
    r = read_parts(given, ret, err);
    if (r < 0)
        sdk_plugin_fini(ret);
    return r;
}

void sdk_plugin_fini(struct sdk_plugin *plugin)
{
    free(plugin->methods);
    memset(plugin, 0, sizeof(*plugin));
}
