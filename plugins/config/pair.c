/* A journal's two files in memory: see pair.h. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/own.h"
#include "plugins/config/files.h"
#include "plugins/config/journal.h"
#include "plugins/config/pair.h"

#define MAX_JOURNAL (JOURNAL_MAX_FILE + JOURNAL_MAX_FILE / 4)

void pair_read(const struct store *store, uint64_t generation, struct pair *ret_pair)
{
    *ret_pair = (struct pair){.path = files_journal_path(store, generation),
                              .copy_path = files_copy_path(store, generation)};
    files_read(store, ret_pair->path, MAX_JOURNAL, &ret_pair->main, &ret_pair->main_err);
    files_read(store, ret_pair->copy_path, MAX_JOURNAL, &ret_pair->copy, &ret_pair->copy_err);
}

void pair_fini(struct pair *pair)
{
    free(pair->path);
    free(pair->copy_path);
    buf_fini(&pair->main);
    buf_fini(&pair->copy);
}

struct journal_image pair_image(const struct buf *data)
{
    return (struct journal_image){data->data, data->len};
}

uint64_t pair_same_bytes(const struct pair *pair, uint64_t limit)
{
    const struct buf *a = &pair->main, *b = &pair->copy;
    uint64_t n = 0;

    while (n < limit && n < a->len && n < b->len && a->data[n] == b->data[n])
        n++;
    return n;
}

static bool read_head(const char *path, uint8_t *ret_chain)
{
    size_t size;
    AUTO_FD int fd = file_open_regular(path, SIZE_MAX / 2, &size, NULL);
    char data[JOURNAL_HEAD];
    struct journal_image head = {data, JOURNAL_HEAD};
    const uint8_t *chain;

    if (fd < 0 || read(fd, data, sizeof(data)) != (ssize_t)sizeof(data))
        return false;
    chain = journal_scan_head(&head);
    if (chain)
        memcpy(ret_chain, chain, JOURNAL_CHAIN);
    return chain;
}

void pair_heads(const struct store *store, uint64_t generation, struct journal_heads *ret_heads)
{
    AUTO_FREE char *path = files_journal_path(store, generation);
    AUTO_FREE char *copy = files_copy_path(store, generation);
    const char *files[2] = {path, copy};

    ret_heads->count = 0;
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        if (read_head(files[i], ret_heads->chain[ret_heads->count]))
            ret_heads->count++;
}

static bool begins_with(struct later *later, uint64_t number, const uint8_t *chain)
{
    if (!later->heads_read || later->asked != number)
        pair_heads(later->store, number, &later->heads);
    later->heads_read = true;
    later->asked = number;
    for (size_t i = 0; i < later->heads.count; i++)
        if (memcmp(later->heads.chain[i], chain, JOURNAL_CHAIN) == 0)
            return true;
    return false;
}

bool pair_take_over(struct later *later, uint64_t at, const uint8_t *chain, bool at_end)
{
    for (size_t i = 0; i < later->count; i++) {
        uint64_t number = later->numbers[i];

        if ((number == at || (at_end && number > at)) && begins_with(later, number, chain)) {
            later->taken_by = number;
            return true;
        }
    }
    return false;
}

void pair_scan(const struct store *store, const struct pair *pair, const uint64_t *next,
               struct journal_heads *heads, struct journal_scan *ret_scan)
{
    ret_scan->main = pair_image(&pair->main);
    ret_scan->copy = pair_image(&pair->copy);
    heads->count = 0;
    if (next)
        pair_heads(store, *next, heads);
    for (size_t i = 0; i < heads->count; i++)
        ret_scan->heads[i] = heads->chain[i];
}
