/* manifest.json → struct manifest. The shape is checked by the schema beside this file, so that
 * what is left here is only reading. */
#include "core/pkg/package.h"

#include <string.h>

#include "core/base/own.h"
#include "core/base/strings.h"
#include "core/base/xalloc.h"
#include "core/json/schema.h"
#include "core/json/tree.h"
#include "core/pkg/capability.h"

extern const char pkg_manifest_schema[];
extern const size_t pkg_manifest_schema_len;

static const char *const phase_names[] = {"early", "core", "control", "features", "operational"};

const char *manifest_phase_name(enum boot_phase phase)
{
    return phase_names[phase];
}

static char **strings_of(const json_t *array)
{
    char **list = xcalloc(json_array_size(array) + 1, sizeof(*list));

    for (size_t i = 0; i < json_array_size(array); i++)
        list[i] = xstrdup(json_string_value(json_array_get(array, i)));
    return list;
}

static char **uses_of(const json_t *object)
{
    char **list = xcalloc(json_object_size(object) + 1, sizeof(*list));
    size_t n = 0;

    for (void *i = json_object_iter((json_t *)object); i;
         i = json_object_iter_next((json_t *)object, i))
        list[n++] = buf_format("%s@%s", json_object_iter_key(i),
                               json_string_value(json_object_iter_value(i)));
    return list;
}

static uint32_t number(const json_t *object, const char *key, uint32_t fallback)
{
    const json_t *value = json_object_get(object, key);

    return value ? (uint32_t)json_integer_value(value) : fallback;
}

static void text(const json_t *object, const char *key, char *to, size_t size)
{
    const char *value = json_string_value(json_object_get(object, key));

    snprintf(to, size, "%s", value ? value : "");
}

uint64_t manifest_memory(const char *text)
{
    char *end;
    uint64_t n = strtoull(text, &end, 10);

    return n << (*end == 'K' ? 10 : *end == 'M' ? 20 : 30);
}

static void read_restart(const json_t *restart, struct manifest *m)
{
    const json_t *breaker = json_object_get(restart, "breaker");
    const char *policy = json_string_value(json_object_get(restart, "policy"));

    m->restart = !policy || !strcmp(policy, "always") ? RESTART_ALWAYS
                 : !strcmp(policy, "never")           ? RESTART_NEVER
                                                      : RESTART_ON_FAILURE;
    m->backoff_ms = number(restart, "backoff-ms", 100);
    m->backoff_max_ms = number(restart, "backoff-max-ms", 30000);
    m->breaker_failures = number(breaker, "failures", 5);
    m->breaker_window_s = number(breaker, "window-s", 60);
    m->breaker_cooldown_s = number(breaker, "cooldown-s", 30);
    m->breaker_cooldown_max_s = number(breaker, "cooldown-max-s", 600);
    m->breaker_healthy_s = number(breaker, "healthy-s", 10);
}

static void read_rest(const json_t *tree, struct manifest *m)
{
    const json_t *limits = json_object_get(tree, "limits");
    const json_t *deadlines = json_object_get(tree, "deadlines");
    const char *memory = json_string_value(json_object_get(limits, "memory"));
    const char *state = json_string_value(json_object_get(limits, "state"));
    const char *phase = json_string_value(json_object_get(tree, "phase"));
    const json_t *enabled = json_object_get(tree, "enabled");

    m->phase = PHASE_FEATURES;
    for (unsigned i = 0; phase && i < ARRAY_LEN(phase_names); i++)
        if (!strcmp(phase, phase_names[i]))
            m->phase = (enum boot_phase)i;
    m->enabled = !enabled || json_is_true(enabled);
    m->critical = json_is_true(json_object_get(tree, "critical"));
    m->limits = (struct limits){
        .memory_bytes = memory ? manifest_memory(memory) : 128u << 20,
        .state_bytes = state ? manifest_memory(state) : 64u << 20,
        .files = number(limits, "files", 64),
        .threads = number(limits, "threads", 16),
        .ready_ms = number(deadlines, "ready-ms", 10000),
        .ping_every_ms = number(deadlines, "ping-every-ms", 1000),
        .ping_ms = number(deadlines, "ping-ms", 5000),
        .stop_ms = number(deadlines, "stop-ms", 3000),
        .progress_ms = number(deadlines, "progress-ms", 60000),
    };
    m->min_tier = (int)number(tree, "min-tier", 2);
}

static int check(const char *data, size_t len, struct orb_err *err)
{
    AUTO(schema) struct schema *schema = NULL;
    int r;

    r = scan_json(data, len, NULL, err);
    if (r < 0)
        return r;
    r = schema_compile(pkg_manifest_schema, pkg_manifest_schema_len, true, &schema, err);
    if (r < 0)
        return orb_wrap(err, "the built-in manifest schema");
    return schema_check(schema, data, len, "", err);
}

int manifest_parse(const char *data, size_t len, struct manifest *ret_manifest, struct orb_err *err)
{
    AUTO(json_t) json_t *tree = NULL;
    struct manifest m = {0};
    int r;

    r = check(data, len, err);
    if (r < 0)
        return r;
    r = tree_parse(data, len, NULL, &tree, err);
    if (r < 0)
        return r;
    text(tree, "name", m.name, sizeof(m.name));
    text(tree, "version", m.version, sizeof(m.version));
    text(tree, "description", m.description, sizeof(m.description));
    text(tree, "library", m.library, sizeof(m.library));
    m.libraries = strings_of(json_object_get(tree, "libraries"));
    m.requires = strings_of(json_object_get(tree, "requires"));
    m.capabilities = strings_of(json_object_get(tree, "capabilities"));
    m.uses = uses_of(json_object_get(tree, "uses"));
    read_restart(json_object_get(tree, "restart"), &m);
    read_rest(tree, &m);
    for (unsigned i = 0; m.capabilities[i]; i++) {
        r = capability_check(m.capabilities[i], err);
        if (r < 0) {
            if (err)
                snprintf(err->path, sizeof(err->path), "/capabilities/%u", i);
            manifest_fini(&m);
            return r;
        }
    }
    *ret_manifest = m;
    return 0;
}

void manifest_fini(struct manifest *m)
{
    strings_free(m->libraries);
    strings_free(m->requires);
    strings_free(m->uses);
    strings_free(m->capabilities);
    *m = (struct manifest){0};
}
