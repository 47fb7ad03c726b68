/* Capabilities in a test: those of the manifest, and what the test adds. */
#include "core/worker/testing_grant.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"

void orb_test_grant(struct orb_test *test, const char *capability)
{
    test->limited = true;
    test->grants = xrealloc(test->grants, (test->grant_count + 1) * sizeof(*test->grants));
    test->grants[test->grant_count++] = xstrdup(capability);
}

void testing_grant_manifest(struct orb_test *test, const cJSON *manifest)
{
    const cJSON *item;

    test->limited = true;
    cJSON_ArrayForEach (item, cJSON_GetObjectItemCaseSensitive(manifest, "capabilities"))
        if (cJSON_IsString(item))
            orb_test_grant(test, item->valuestring);
}

static bool covers(const char *capability, enum grant_kind kind, const char *interface,
                   const char *name)
{
    if (grant_covers(capability, kind, interface, name))
        return true;
    for (const char *const *more = grant_implied(capability); *more; more++)
        if (grant_covers(*more, kind, interface, name))
            return true;
    return false;
}

int testing_grant_check(const struct orb_test *test, enum grant_kind kind, const char *name,
                        struct orb_err *err)
{
    AUTO_FREE char *interface = xstrndup(name, strcspn(name, "@/"));
    const char *slash = strchr(name, '/'), *what = slash ? slash + 1 : "";

    if (!test->limited)
        return 0;
    for (unsigned i = 0; i < test->grant_count; i++)
        if (covers(test->grants[i], kind, interface, what))
            return 0;
    return grant_refuse(test->plugin->name, kind, interface, what, err);
}

void testing_grant_fini(struct orb_test *test)
{
    for (unsigned i = 0; i < test->grant_count; i++)
        free(test->grants[i]);
    free(test->grants);
}
