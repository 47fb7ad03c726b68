/* What links were before: see link_state.h. The file is written before the kernel is changed and
 * replaced whole; it is not synced, because what makes it vanish, a power cut, gives links their
 * MTU back. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugins/interfaces/link_state.h"

#define FILE_MAX (256 * 1024)

struct link_state *link_state_find(struct link_states *saved, const char *name)
{
    for (unsigned i = 0; i < saved->count; i++) {
        if (!strcmp(saved->items[i].name, name))
            return &saved->items[i];
    }
    return NULL;
}

static struct link_state *add(struct link_states *saved)
{
    struct link_state *items = realloc(saved->items, (saved->count + 1) * sizeof(*saved->items));

    if (!items)
        return NULL;
    saved->items = items;
    return &items[saved->count++];
}

struct link_state *link_state_get(struct link_states *saved, const struct rtnl_link *link,
                                  bool *fresh)
{
    struct link_state *b = link_state_find(saved, link->name);

    *fresh = !b || b->index != link->index;
    if (!*fresh)
        return b;
    if (!b)
        b = add(saved);
    if (!b)
        return NULL;
    *b = (struct link_state){.index = link->index,
                             .mac_len = link->mac_len,
                             .mtu = link->mtu,
                             .up = link->flags & IFF_UP,
                             .settings_known = link->has_inet,
                             .promote = link->promote_secondaries,
                             .linkdown = link->ignore_linkdown};
    memcpy(b->name, link->name, sizeof(b->name));
    memcpy(b->mac, link->mac, sizeof(b->mac));
    return b;
}

/* The link that the note is about. By index alone it might be another one, after a reboot. */
static const struct rtnl_link *link_of(const struct link_state *b, const struct rtnl_links *links)
{
    const struct rtnl_link *link = rtnl_link_of(links, b->index);

    if (!link || (strcmp(link->name, b->name) && (!b->mac_len || b->mac_len != link->mac_len ||
                                                  memcmp(b->mac, link->mac, b->mac_len) != 0)))
        return NULL;
    return link;
}

bool link_state_rename(struct link_states *saved, const struct rtnl_links *links)
{
    bool renamed = false;

    for (unsigned i = 0; i < saved->count; i++) {
        const struct rtnl_link *link = link_of(&saved->items[i], links);

        if (!link || !strcmp(link->name, saved->items[i].name))
            continue;
        memcpy(saved->items[i].name, link->name, sizeof(saved->items[i].name));
        saved->items[i].fresh = renamed = true;
    }
    /* The previous link of that name is gone, or was renamed. */
    for (unsigned i = saved->count; renamed && i-- > 0;) {
        struct link_state *b = &saved->items[i];

        for (unsigned k = 0; k < saved->count; k++) {
            if (k == i || strcmp(saved->items[k].name, b->name) || link_of(b, links))
                continue;
            link_state_drop(saved, b);
            break;
        }
    }
    return renamed;
}

void link_state_drop(struct link_states *saved, struct link_state *state)
{
    *state = saved->items[--saved->count];
}

void link_state_fini(struct link_states *saved)
{
    free(saved->items);
    *saved = (struct link_states){0};
}

static void read_mac(struct link_state *b, const char *text)
{
    unsigned byte;

    for (; text && b->mac_len < sizeof(b->mac) && sscanf(text, "%2x", &byte) == 1 && text[1];
         text += 2)
        b->mac[b->mac_len++] = (uint8_t)byte;
}

static void read_item(struct link_states *saved, const cJSON *item)
{
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "name"));
    const cJSON *index = cJSON_GetObjectItemCaseSensitive(item, "index");
    const cJSON *mtu = cJSON_GetObjectItemCaseSensitive(item, "mtu");
    const cJSON *promote;
    struct link_state *b;

    if (!name || !*name || strlen(name) >= sizeof(b->name) || !cJSON_IsNumber(index) ||
        !cJSON_IsNumber(mtu) || link_state_find(saved, name) || !(b = add(saved)))
        return;
    *b = (struct link_state){.index = index->valueint, .mtu = (unsigned)mtu->valueint};
    snprintf(b->name, sizeof(b->name), "%s", name);
    read_mac(b, cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "mac")));
    b->up = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(item, "up"));
    b->mtu_changed = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(item, "mtu-changed"));
    promote = cJSON_GetObjectItemCaseSensitive(item, "promote-secondaries");
    b->settings_known = cJSON_IsBool(promote);
    b->promote = cJSON_IsTrue(promote);
    b->linkdown = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(item, "ignore-linkdown"));
}

/* The list in the file; NULL: there is none, or lost has the reason why it cannot be read. */
static cJSON *read_list(struct link_states *saved)
{
    int fd = open(saved->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    char *text = fd < 0 ? NULL : malloc(FILE_MAX);
    struct stat st = {0};
    cJSON *list = NULL;
    ssize_t n = -1;

    if (fd < 0 && errno == ENOENT)
        return NULL;
    if (text && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        n = read(fd, text, FILE_MAX);
    if (n >= 0)
        list = cJSON_ParseWithLength(text, (size_t)n);
    if (!cJSON_IsArray(list))
        snprintf(saved->lost, sizeof(saved->lost), "before.json: %s",
                 n >= 0                               ? "it is damaged"
                 : st.st_mode && !S_ISREG(st.st_mode) ? "it is no regular file"
                                                      : strerror(errno));
    free(text);
    if (fd >= 0)
        close(fd);
    return list;
}

void link_state_load(struct link_states *saved, const char *dir)
{
    char aside[sizeof(saved->file) + 16];
    cJSON *list, *item;

    *saved = (struct link_states){0};
    if (!dir || strlen(dir) + sizeof("/before.json.new") > sizeof(saved->file))
        return;
    snprintf(saved->file, sizeof(saved->file), "%s/before.json", dir);
    list = read_list(saved);
    cJSON_ArrayForEach (item, list)
        read_item(saved, item);
    cJSON_Delete(list);
    snprintf(aside, sizeof(aside), "%s.damaged", saved->file);
    if (saved->lost[0])
        rename(saved->file, aside);
}

static bool replace(const char *file, const char *text)
{
    char new[sizeof(((struct link_states *)0)->file) + 8];
    size_t len = strlen(text);
    bool ok;
    int fd, why;

    snprintf(new, sizeof(new), "%s.new", file);
    unlink(new); /* whatever it is: a FIFO would block */
    fd = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    errno = ENOSPC; /* of a short write */
    ok = write(fd, text, len) == (ssize_t)len;
    why = errno;
    close(fd);
    errno = why;
    return ok && rename(new, file) == 0;
}

void link_state_save(struct link_states *saved)
{
    cJSON *list;
    char *text;

    if (!saved->file[0])
        return;
    list = cJSON_CreateArray();
    for (unsigned i = 0; i < saved->count; i++) {
        const struct link_state *b = &saved->items[i];
        char mac[2 * sizeof(b->mac) + 1] = "";
        cJSON *item = cJSON_CreateObject();

        cJSON_AddStringToObject(item, "name", b->name);
        cJSON_AddNumberToObject(item, "index", b->index);
        for (unsigned k = 0; k < b->mac_len && k < sizeof(b->mac); k++)
            snprintf(mac + 2 * k, 3, "%02x", b->mac[k]);
        cJSON_AddStringToObject(item, "mac", mac);
        cJSON_AddNumberToObject(item, "mtu", b->mtu);
        cJSON_AddBoolToObject(item, "up", b->up);
        cJSON_AddBoolToObject(item, "mtu-changed", b->mtu_changed);
        if (b->settings_known) {
            cJSON_AddBoolToObject(item, "promote-secondaries", b->promote);
            cJSON_AddBoolToObject(item, "ignore-linkdown", b->linkdown);
        }
        cJSON_AddItemToArray(list, item);
    }
    text = cJSON_PrintUnformatted(list);
    cJSON_Delete(list);
    saved->unsaved[0] = 0;
    errno = ENOMEM;
    if (!text || !replace(saved->file, text))
        snprintf(saved->unsaved, sizeof(saved->unsaved), "before.json: %s", strerror(errno));
    cJSON_free(text);
}
