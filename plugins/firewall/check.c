/* What no single entry shows: see check_translation in translate.h. */
#include <stdio.h>
#include <string.h>

#include "core/base/suggest.h"
#include "plugins/firewall/check.h"
#include "plugins/firewall/resolve.h"
#include "plugins/firewall/translate.h"
#include "orbital/read.h"
#include "plugins/lib/near.h"

/* Interface number index of zone: known, and in no other zone before? */
static int check_interface(const struct view *view, const cJSON *zone, const cJSON *item, int index,
                           struct orb_err *err)
{
    const char *name = cJSON_GetStringValue(item);
    char path[ORB_ERR_PATH], hint[64];
    const cJSON *other, *theirs;
    struct suggest near;

    snprintf(path, sizeof(path), "/firewall/zones");
    orb_pointer_add(path, sizeof(path), zone->string);
    snprintf(path + strlen(path), sizeof(path) - strlen(path), "/interfaces/%d", index);
    if (!name || !cJSON_GetObjectItemCaseSensitive(view->interfaces, name)) {
        suggest_init(&near, name ? name : "");
        near_offer_keys(&near, view->interfaces);
        return orb_fail_at(err, ORB_E_VETO, path, "interface \"%s\" is not configured%s",
                           name ? name : "", near_text(&near, hint, sizeof(hint)));
    }
    cJSON_ArrayForEach (other, view->zones) {
        if (other == zone)
            break;
        cJSON_ArrayForEach (theirs, cJSON_GetObjectItemCaseSensitive(other, "interfaces")) {
            if (!cJSON_IsString(theirs) || strcmp(theirs->valuestring, name))
                continue;
            return orb_fail_at(err, ORB_E_VETO, path,
                               "%s is in zone %s already; an interface is in one zone", name,
                               other->string);
        }
    }
    return 0;
}

int check_translation(const struct view *view, struct orb_err *err)
{
    const cJSON *zone, *item, *group;
    int r;

    cJSON_ArrayForEach (zone, view->zones) {
        int index = 0;

        if (!strcmp(zone->string, "local") || !strcmp(zone->string, "any")) {
            char path[ORB_ERR_PATH] = "/firewall/zones";

            orb_pointer_add(path, sizeof(path), zone->string);
            return orb_fail_at(err, ORB_E_VETO, path,
                               "%s has a meaning of its own; name the zone "
                               "otherwise",
                               zone->string);
        }
        cJSON_ArrayForEach (item, cJSON_GetObjectItemCaseSensitive(zone, "interfaces")) {
            r = check_interface(view, zone, item, index++, err);
            if (r < 0)
                return r;
        }
    }
    cJSON_ArrayForEach (group, view->groups) {
        r = resolve_check_group(group, err);
        if (r < 0)
            return r;
    }
    return 0;
}
