/* Which parts of the configuration a package is shown. */
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/worker/sdk_internal.h"
#include "core/worker/sdk_paths.h"

/* True when a granted path is path or an ancestor of it. */
static bool is_granted(const cJSON *granted, const char *path)
{
    const cJSON *item;

    cJSON_ArrayForEach (item, granted) {
        const char *above = cJSON_GetStringValue(item);
        size_t len = above ? strlen(above) : 0;

        if (len && above[len - 1] == '/')
            len--;
        if (above && !strncmp(path, above, len) && (path[len] == '\0' || path[len] == '/'))
            return true;
    }
    return false;
}

int sdk_paths_choose(struct orb_ctx *ctx, struct orb_err *err)
{
    const char *const *wanted = ctx->plugin->config->paths;
    const cJSON *granted = cJSON_GetObjectItemCaseSensitive(ctx->welcome, "config");
    size_t count = 0;
    const cJSON *item;

    while (wanted && wanted[count])
        count++;
    ctx->conf.paths = xcalloc(count + (size_t)cJSON_GetArraySize(granted) + 1, sizeof(char *));
    if (!wanted) {
        cJSON_ArrayForEach (item, granted)
            ctx->conf.paths[count++] = cJSON_IsString(item) ? item->valuestring : "/";
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (granted && !is_granted(granted, wanted[i]))
            return orb_fail_at(err, ORB_E_DENIED, wanted[i],
                               "the capability config.read:%s was not granted", wanted[i]);
        ctx->conf.paths[i] = wanted[i];
    }
    return 0;
}
