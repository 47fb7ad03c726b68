/* Files of the datastore: names, numbers, and reading in pieces, so that progress is reported on a
 * slow disk. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/files.h"

#define CHUNK (256u * 1024)
#define MORE 4096u                     /* read beyond the size at the time of opening */
#define MAX_NUMBER 1000000000000000ull /* of a revision: fits a JSON number everywhere */

char *files_journal_path(const struct store *store, uint64_t generation)
{
    return buf_format("%s/journal-%" PRIu64, store->dir, generation);
}

char *files_copy_path(const struct store *store, uint64_t generation)
{
    return buf_format("%s/last-good-%" PRIu64, store->dir, generation);
}

int files_read(const struct store *store, const char *path, size_t limit, struct buf *ret_data,
               struct orb_err *err)
{
    size_t size = 0;
    AUTO_FD int fd = file_open_regular(path, limit, &size, err);
    AUTO(buf) struct buf b = {0};
    ssize_t n = 1;

    if (fd < 0)
        return fd;
    buf_reserve(&b, size + MORE);
    while (n && b.len <= limit) {
        size_t want = size > b.len + CHUNK ? CHUNK : size > b.len ? size - b.len : MORE;

        n = read(fd, buf_reserve(&b, want), want);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return orb_fail(err, -errno, "cannot read %s", path);
        b.len += (size_t)n;
        b.data[b.len] = '\0';
        if (store->progress)
            store->progress(store->step_arg);
    }
    if (b.len > limit)
        return orb_fail(err, ORB_E_LIMIT, "%s is larger than %zu bytes", path, limit);
    buf_fini(ret_data);
    *ret_data = b;
    b = (struct buf){0};
    return 0;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* N of PREFIX N SUFFIX in canonical form; other spellings are no files of the store. */
static bool number_of(const char *name, const char *prefix, const char *suffix,
                      uint64_t *ret_number)
{
    const char *digits = name + strlen(prefix);
    AUTO_FREE char *ours = NULL;

    if (strncmp(name, prefix, strlen(prefix)) || *digits < '0' || *digits > '9')
        return false;
    *ret_number = strtoull(digits, NULL, 10);
    ours = buf_format("%s%" PRIu64 "%s", prefix, *ret_number, suffix);
    return *ret_number <= MAX_NUMBER && !strcmp(ours, name);
}

uint64_t *files_numbers(struct store *store, const char *prefix, const char *suffix,
                        size_t *ret_count)
{
    DIR *dir = opendir(store->dir);
    struct dirent *entry;
    uint64_t *list = NULL;
    size_t n = 0;

    if (!dir)
        store->list_error = -errno;
    for (errno = 0; dir && (entry = readdir(dir)); errno = 0) {
        uint64_t number;

        if (!number_of(entry->d_name, prefix, suffix, &number))
            continue;
        list = xrealloc(list, (n + 1) * sizeof(*list));
        list[n++] = number;
    }
    if (dir && errno)
        store->list_error = -errno;
    if (dir)
        closedir(dir);
    if (n)
        qsort(list, n, sizeof(*list), compare);
    *ret_count = n;
    return list;
}

uint64_t *files_journals(struct store *store, size_t *ret_count)
{
    size_t a, b, n = 0;
    AUTO_FREE uint64_t *first = files_numbers(store, "journal-", "", &a);
    AUTO_FREE uint64_t *second = files_numbers(store, "last-good-", "", &b);
    uint64_t *list = xcalloc(a + b + 1, sizeof(*list));

    memcpy(list, first ? first : list, a * sizeof(*list));
    memcpy(list + a, second ? second : list, b * sizeof(*list));
    qsort(list, a + b, sizeof(*list), compare);
    for (size_t i = 0; i < a + b; i++)
        if (n == 0 || list[n - 1] != list[i])
            list[n++] = list[i];
    *ret_count = n;
    return list;
}
