/* Package directories: manifest and contract read once, by name. */
#include "core/pkg/package.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "core/base/file.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"

#define MANIFEST_MAX (64u << 10)
#define SCHEMA_MAX (256u << 10)
#define SCHEMA_OTHERS_MAX (64u << 10) /* of a package that does not ship with the appliance */

void package_free(struct package *package)
{
    if (!package)
        return;
    manifest_fini(&package->manifest);
    contract_free(package->contract);
    free(package->dir);
    free(package);
}

static inline void own_package(struct package **package)
{
    package_free(*package);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static int load_contract(struct package *package, struct orb_err *err)
{
    AUTO(buf) struct buf data = {0};
    AUTO_FREE char *path = buf_format("%s/schema.json", package->dir);
    int r;

    r = file_read_regular(path, package->shipped ? SCHEMA_MAX : SCHEMA_OTHERS_MAX, &data, err);
    if (r < 0)
        return r;
    r = contract_compile(buf_str(&data), data.len, &package->contract, err);
    if (r < 0)
        return orb_wrap(err, "package %s: %s", package->manifest.name, path);
    return 0;
}

int package_load(const char *dir, bool shipped, struct package **ret_package, struct orb_err *err)
{
    AUTO(package) struct package *package = xcalloc(1, sizeof(*package));
    AUTO(buf) struct buf data = {0};
    AUTO_FREE char *path = buf_format("%s/manifest.json", dir);
    int r;

    package->dir = xstrdup(dir);
    package->shipped = shipped;
    r = file_read_regular(path, MANIFEST_MAX, &data, err);
    if (r < 0)
        return r;
    r = manifest_parse(buf_str(&data), data.len, &package->manifest, err);
    if (r < 0)
        return orb_wrap(err, "%s", path);
    if (strcmp(package->manifest.name, base_name(dir)))
        return orb_fail_at(err, ORB_E_INVALID, "/name",
                           "%s: the name is \"%s\", expected \"%s\" as its directory is called",
                           path, package->manifest.name, base_name(dir));
    if (!shipped && package->manifest.phase < PHASE_FEATURES) {
        package->asked_phase = package->manifest.phase;
        package->manifest.phase = PHASE_FEATURES;
        package->phase_raised = true;
    }
    r = load_contract(package, err);
    if (r < 0)
        return r;
    *ret_package = take_ptr(package);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    const struct package *const *x = a, *const *y = b;

    return strcmp((*x)->manifest.name, (*y)->manifest.name);
}

static const struct package *find(const struct package_list *list, const char *name)
{
    for (unsigned i = 0; i < list->count; i++)
        if (!strcmp(list->items[i]->manifest.name, name))
            return list->items[i];
    return NULL;
}

/* The host's own interfaces and parts of the configuration, and the names by which its log records,
 * metrics and audit log are kept: a package of that name would be taken for it. */
static bool is_of_host(const char *name)
{
    static const char *const names[] = {"host",      "auth",     "arp",   "audit",
                                        "dataplane", "services", "system"};

    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (!strcmp(names[i], name))
            return true;
    return false;
}

/* An interface has one owner: another package that claims it would be called in its place as soon
 * as the owner does not run, and would describe its part of the configuration. */
static int check_interface(const struct package_list *list, const struct package *package,
                           struct orb_err *err)
{
    const char *interface = contract_interface(package->contract);

    if (is_of_host(interface))
        return orb_fail_at(err, ORB_E_CONFLICT, "/interface",
                           "%s/schema.json: the interface %s belongs to the host", package->dir,
                           interface);
    for (unsigned i = 0; i < list->count; i++)
        if (!strcmp(contract_interface(list->items[i]->contract), interface))
            return orb_fail_at(err, ORB_E_CONFLICT, "/interface",
                               "%s/schema.json: the interface %s belongs to package %s",
                               package->dir, interface, list->items[i]->manifest.name);
    return 0;
}

static int add(struct package_list *list, const char *path, bool shipped, struct orb_err *err)
{
    AUTO(package) struct package *package = NULL;
    const struct package *other = find(list, base_name(path));
    int r;

    if (list->count == PACKAGE_MAX)
        return orb_fail(err, ORB_E_LIMIT, "more than %d packages are installed", PACKAGE_MAX);
    if (is_of_host(base_name(path)))
        return orb_fail(err, ORB_E_CONFLICT,
                        "%s: the name \"%s\" belongs to the host; give the package another one",
                        path, base_name(path));
    if (other)
        return orb_fail(err, ORB_E_CONFLICT, "%s: a package of this name is in %s already", path,
                        other->dir);
    r = package_load(path, shipped, &package, err);
    if (r == 0)
        r = check_interface(list, package, err);
    if (r < 0)
        return r;
    list->items[list->count++] = take_ptr(package);
    return 0;
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* In the order of names: of two that claim the same, the same one is refused at every start. */
static void scan_dir(const char *dir, bool shipped, struct package_list *list,
                     void (*on_error)(void *arg, const char *dir, const struct orb_err *err),
                     void *arg)
{
    struct orb_err err = {0};
    struct dirent **entries;
    int n = scandir(dir, &entries, is_visible, alphasort);

    if (n < 0) {
        if (errno == ENOENT)
            return;
        orb_fail(&err, -errno, "cannot list %s", dir);
        on_error(arg, dir, &err);
        return;
    }
    for (int i = 0; i < n; i++) {
        AUTO_FREE char *path = buf_format("%s/%s", dir, entries[i]->d_name);
        AUTO_FREE char *manifest = buf_format("%s/manifest.json", path);

        if (access(manifest, F_OK) == 0 && add(list, path, shipped, &err) < 0)
            on_error(arg, path, &err);
        free(entries[i]);
    }
    free(entries);
}

void package_scan_all(const char *const *dirs, struct package_list *ret_list,
                      void (*on_error)(void *arg, const char *dir, const struct orb_err *err),
                      void *arg)
{
    *ret_list = (struct package_list){0};
    for (unsigned i = 0; dirs[i]; i++)
        scan_dir(dirs[i], i == 0, ret_list, on_error, arg);
    qsort(ret_list->items, ret_list->count, sizeof(ret_list->items[0]), by_name);
}

void package_fini_all(struct package_list *list)
{
    for (unsigned i = 0; i < list->count; i++)
        package_free(list->items[i]);
    *list = (struct package_list){0};
}
