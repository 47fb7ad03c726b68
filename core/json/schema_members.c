/* Names a schema mentions (properties, required, dependentRequired), unique and found by a keyed
 * hash, because names and the objects checked against them come from packages. */
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/json/json.h"
#include "core/json/scan_keys.h"
#include "core/json/schema_compile.h"

#define NAMES_MAX 4096 /* of one object schema */

static void make_seed(uint64_t seed[2])
{
    const char *random = (const char *)getauxval(AT_RANDOM);

    seed[0] = random ? json_load8(random) : 0;
    seed[1] = (random ? json_load8(random + 8) : 0x9e3779b9u) | 1;
}

static uint32_t hash(const struct schema *s, const char *name, size_t len)
{
    const struct key_source source = {.seed = {s->member_seed[0], s->member_seed[1]}};

    return (uint32_t)scan_keys_hash(&source, name, len);
}

static struct member *find(const struct schema *s, const char *name, size_t len, uint32_t *ret_at)
{
    uint32_t at = hash(s, name, len) & s->member_mask;

    for (; s->member_index[at]; at = (at + 1) & s->member_mask) {
        struct member *m = &s->members[s->member_index[at] - 1];

        if (m->len == len && memcmp(m->name, name, len) == 0)
            return m;
    }
    *ret_at = at;
    return NULL;
}

const struct member *schema_member(const struct schema *s, const char *name, size_t len)
{
    uint32_t ignored;

    return s->member_index ? find(s, name, len, &ignored) : NULL;
}

/* Room for a quarter of the slots. */
static void grow(struct schema *s)
{
    uint32_t slots = s->member_index ? (s->member_mask + 1) * 4 : 16, at = 0;

    if (!s->member_index)
        make_seed(s->member_seed);
    free(s->member_index);
    s->member_index = xcalloc(slots, sizeof(*s->member_index));
    s->member_mask = slots - 1;
    s->members = xrealloc(s->members, slots / 4 * sizeof(*s->members));
    for (size_t i = 0; i < s->member_count; i++) {
        find(s, s->members[i].name, s->members[i].len, &at);
        s->member_index[at] = (uint16_t)(i + 1);
    }
}

int schema_member_add(struct compile *c, struct schema *s, const char *name,
                      struct member **ret_member)
{
    size_t len = strlen(name);
    uint32_t at = 0;
    int r = schema_compile_spend(c, 1 + len / 64);

    if (r < 0)
        return r;
    if (!s->member_index)
        grow(s);
    *ret_member = find(s, name, len, &at);
    if (*ret_member)
        return 0;
    if (s->member_count == NAMES_MAX)
        return schema_compile_wrong(c, "more than %d names in one schema", NAMES_MAX);
    if (s->member_count == (s->member_mask + 1) / 4) {
        grow(s);
        find(s, name, len, &at);
    }
    *ret_member = &s->members[s->member_count++];
    **ret_member = (struct member){.name = name, .len = len};
    s->member_index[at] = (uint16_t)s->member_count;
    return 0;
}
