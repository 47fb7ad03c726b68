/* nftables' named counters across a daemon's death. The new daemon does not know what the table
 * holds, so it replaces the table in one transaction; the counters start where the old ones stood.
 * What is counted between reading and the transaction is lost. */
#include <inttypes.h>
#include <string.h>

#include "core/base/own.h"
#include "dataplane/fast.h"

struct carried {
    char name[64];
    uint64_t packets, bytes;
};

bool carry_next(const char **text, char name[64], uint64_t *ret_packets, uint64_t *ret_bytes)
{
    const char *at = *text;

    while ((at = strstr(at, "counter "))) {
        at += strlen("counter ");
        if (sscanf(at, "%63s { packets %" SCNu64 " bytes %" SCNu64, name, ret_packets, ret_bytes) ==
            3) {
            *text = at;
            return true;
        }
    }
    return false;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct carried *)a)->name, ((const struct carried *)b)->name);
}

void carry_counters(const char *listing, const char *text, struct buf *ret_text)
{
    static const char begin[] = "\ncounter ", end[] = " { }";
    AUTO_FREE struct carried *old = NULL;
    struct carried one = {0};
    size_t count = 0;
    const char *at;

    while (carry_next(&listing, one.name, &one.packets, &one.bytes)) {
        if (count % 256 == 0)
            old = xrealloc(old, (count + 256) * sizeof(*old));
        old[count++] = one;
    }
    if (count)
        qsort(old, count, sizeof(*old), by_name);
    while ((at = strstr(text, begin))) {
        const char *name = at + strlen(begin);
        size_t len = strcspn(name, " \n");
        const struct carried *found = NULL;

        buf_add(ret_text, text, (size_t)(name - text) + len);
        text = name + len;
        if (len >= sizeof(one.name) || strncmp(text, end, strlen(end)) != 0)
            continue;
        memcpy(one.name, name, len);
        one.name[len] = 0;
        if (count)
            found = bsearch(&one, old, count, sizeof(*old), by_name);
        if (!found)
            continue;
        buf_addf(ret_text, " { packets %" PRIu64 " bytes %" PRIu64 "; }", found->packets,
                 found->bytes);
        text += strlen(end);
    }
    buf_adds(ret_text, text);
}
