/* See uids.h. Of two directories with one owner (a copy, a restored backup, versions before 0.2)
 * one keeps it: that of the name in the file, else of an installed package, else the first by name.
 * The other gets its new owner when its service starts. */
#include "core/sup/uids.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/file.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"

#define FILE_MOST (64u << 10)
#define FROM_FILE 2
#define INSTALLED 1

static bool in_pool(uint32_t uid)
{
    return uid >= UIDS_FIRST && uid <= UIDS_LAST;
}

uint32_t uids_of(const struct uids *uids, const char *name)
{
    for (unsigned i = 0; i < uids->count; i++)
        if (*name && !strcmp(uids->items[i].name, name))
            return uids->items[i].uid;
    return 0;
}

static bool has_uid(const struct uids *uids, uint32_t uid)
{
    for (unsigned i = 0; i < uids->count; i++)
        if (uids->items[i].uid == uid)
            return true;
    return false;
}

static void add(struct uids *uids, const char *name, uint32_t uid)
{
    if (uids->count == UIDS_MAX)
        return;
    snprintf(uids->items[uids->count].name, sizeof(uids->items[0].name), "%s", name);
    uids->items[uids->count++].uid = uid;
}

static bool is_among(const char *const *names, unsigned count, const char *name)
{
    for (unsigned i = 0; i < count; i++)
        if (!strcmp(names[i], name))
            return true;
    return false;
}

/* ---- the choice ---- */

struct choice {
    const struct uids *file, *owners;
    const char *const *names;
    unsigned count;
};

static int claim_of(const struct choice *c, const struct uid_entry *owner)
{
    return (uids_of(c->file, owner->name) == owner->uid ? FROM_FILE : 0) +
           (is_among(c->names, c->count, owner->name) ? INSTALLED : 0);
}

static bool keeps(const struct choice *c, const struct uid_entry *owner)
{
    int claim = claim_of(c, owner);

    if (!*owner->name || !in_pool(owner->uid))
        return false;
    for (unsigned i = 0; i < c->owners->count; i++) {
        const struct uid_entry *rival = &c->owners->items[i];
        int other = claim_of(c, rival);

        if (rival->uid != owner->uid || rival == owner || !*rival->name)
            continue;
        if (other > claim || (other == claim && strcmp(rival->name, owner->name) < 0))
            return false;
    }
    return true;
}

static uint32_t free_uid(const struct choice *c, const struct uids *taken)
{
    for (uint32_t uid = UIDS_FIRST; uid <= UIDS_LAST; uid++)
        if (!has_uid(taken, uid) && !has_uid(c->owners, uid))
            return uid;
    return 0;
}

/* A uid of a package that was removed and left no directory. */
static uint32_t given_up(const struct choice *c, struct uids *taken)
{
    for (unsigned i = 0; i < taken->count; i++) {
        struct uid_entry *e = &taken->items[i];
        uint32_t uid = e->uid;

        if (is_among(c->names, c->count, e->name) || has_uid(c->owners, uid))
            continue;
        *e = taken->items[--taken->count];
        return uid;
    }
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct uid_entry *)a)->name, ((const struct uid_entry *)b)->name);
}

void uids_choose(const struct uids *file, const struct uids *owners, const char *const *names,
                 unsigned count, struct uids *ret_uids)
{
    const struct choice c = {file, owners, names, count};
    struct uids *to = ret_uids;

    to->count = 0;
    for (unsigned i = 0; i < owners->count; i++)
        if (keeps(&c, &owners->items[i]))
            add(to, owners->items[i].name, owners->items[i].uid);
    for (unsigned i = 0; i < file->count; i++) {
        const struct uid_entry *e = &file->items[i];

        if (in_pool(e->uid) && !uids_of(to, e->name) && !has_uid(to, e->uid) &&
            !has_uid(owners, e->uid))
            add(to, e->name, e->uid);
    }
    for (unsigned i = 0; i < count; i++) {
        uint32_t uid = uids_of(to, names[i]);

        if (!uid)
            uid = free_uid(&c, to);
        if (!uid)
            uid = given_up(&c, to);
        if (uid && !uids_of(to, names[i]))
            add(to, names[i], uid);
    }
    qsort(to->items, to->count, sizeof(to->items[0]), by_name);
}

/* ---- the disk ---- */

static bool is_name(const char *name, size_t len)
{
    size_t n = 0;

    while (n < len && ((name[n] >= 'a' && name[n] <= 'z') ||
                       (n && ((name[n] >= '0' && name[n] <= '9') || name[n] == '-'))))
        n++;
    return n && n == len && len < PACKAGE_NAME;
}

/* Lines that fit are taken even when others do not. */
static int parse(const char *path, const char *text, struct uids *ret_uids, struct orb_err *err)
{
    unsigned line = 0;
    int r = 0;

    for (const char *p = text; *p; line++) {
        size_t len = strcspn(p, "\n"), name = strcspn(p, " \n");
        char *end = NULL;
        unsigned long uid = p[name] == ' ' ? strtoul(p + name + 1, &end, 10) : 0;
        AUTO_FREE char *word = xstrndup(p, name);

        if (is_name(p, name) && end == p + len && p[len] == '\n' && in_pool((uint32_t)uid) &&
            !has_uid(ret_uids, (uint32_t)uid) && !uids_of(ret_uids, word))
            add(ret_uids, word, (uint32_t)uid);
        else if (r == 0)
            r = orb_fail(err, ORB_E_INVALID,
                         "%s: line %u is no name with a number of its own from %u to %u", path,
                         line + 1, UIDS_FIRST, UIDS_LAST);
        p += len + (p[len] == '\n');
    }
    return r;
}

static int read_file(const char *path, struct uids *ret_uids, struct buf *ret_text,
                     struct orb_err *err)
{
    int r;

    ret_uids->count = 0;
    if (access(path, F_OK) < 0 && errno == ENOENT)
        return 0;
    r = file_read_regular(path, FILE_MOST, ret_text, err);
    return r < 0 ? r : parse(path, buf_str(ret_text), ret_uids, err);
}

static void read_owners(const char *services, struct uids *ret_owners)
{
    DIR *dir = opendir(services);
    const struct dirent *entry;
    struct stat st;

    ret_owners->count = 0;
    while (dir && (entry = readdir(dir))) {
        const char *name = entry->d_name;

        if (!strcmp(name, ".") || !strcmp(name, "..") ||
            fstatat(dirfd(dir), name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !in_pool(st.st_uid))
            continue;
        add(ret_owners, S_ISDIR(st.st_mode) && is_name(name, strlen(name)) ? name : "", st.st_uid);
    }
    if (dir)
        closedir(dir);
}

static void set_uids(const struct uids *uids, struct package_list *packages,
                     void (*on_error)(void *arg, const char *dir, const struct orb_err *err),
                     void *arg)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < packages->count; i++) {
        struct package *p = packages->items[i];
        struct orb_err err;

        p->uid = uids_of(uids, p->manifest.name);
        if (p->uid) {
            packages->items[kept++] = p;
            continue;
        }
        orb_fail(
            &err, ORB_E_LIMIT,
            "no user number is left: %u to %u belong to packages, or to directories of "
            "packages below services/ in the state directory; remove those that are not needed",
            UIDS_FIRST, UIDS_LAST);
        on_error(arg, p->dir, &err);
        package_free(p);
    }
    packages->count = kept;
}

int uids_assign(const char *state_dir, struct package_list *packages,
                void (*on_error)(void *arg, const char *dir, const struct orb_err *err), void *arg,
                struct orb_err *err)
{
    AUTO_FREE char *path = buf_format("%s/uids", state_dir);
    AUTO_FREE char *services = buf_format("%s/services", state_dir);
    AUTO_FREE struct uids *lists = xcalloc(3, sizeof(*lists));
    struct uids *file = &lists[0], *owners = &lists[1], *chosen = &lists[2];
    const char *names[PACKAGE_MAX];
    AUTO(buf) struct buf was = {0};
    AUTO(buf) struct buf text = {0};
    int r = read_file(path, file, &was, err);

    read_owners(services, owners);
    for (unsigned i = 0; i < packages->count; i++)
        names[i] = packages->items[i]->manifest.name;
    uids_choose(file, owners, names, packages->count, chosen);
    for (unsigned i = 0; i < chosen->count; i++)
        buf_addf(&text, "%s %" PRIu32 "\n", chosen->items[i].name, chosen->items[i].uid);
    set_uids(chosen, packages, on_error, arg);
    if (strcmp(buf_str(&was), buf_str(&text))) {
        struct orb_err why = {0};
        int w = file_replace(path, buf_str(&text), text.len, 0600, &why);

        if (w < 0 && r == 0) {
            *err = why;
            r = w;
        }
    }
    return r;
}
