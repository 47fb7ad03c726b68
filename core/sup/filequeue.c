/* See filequeue.h. */
#include "core/sup/filequeue.h"

#include <string.h>

#include "core/base/file.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "orbital/error.h"

struct filequeue_item {
    struct filequeue_item *next;
    struct filequeue *queue;
    char *path;
    struct buf text;
    uv_work_t work;
    struct orb_err err; /* code 0: written */
};

static void write_first(struct filequeue *queue);

static void on_write(uv_work_t *work)
{
    struct filequeue_item *item = container_of(work, struct filequeue_item, work);
    AUTO_FREE char *dir = xstrndup(item->path, (size_t)(strrchr(item->path, '/') - item->path));

    if (file_make_dir(dir, 0700, &item->err) == 0)
        file_replace(item->path, buf_str(&item->text), item->text.len, 0600, &item->err);
}

static void on_written(uv_work_t *work, int status)
{
    struct filequeue_item *item = container_of(work, struct filequeue_item, work);
    struct filequeue *queue = item->queue;

    if (item->err.code)
        log_warn(queue->log, "crash.not-kept", KV("error", item->err.text));
    queue->first = item->next;
    queue->count--;
    free(item->path);
    buf_fini(&item->text);
    free(item);
    if (queue->first)
        write_first(queue);
    else if (queue->emptied)
        queue->emptied(queue->arg);
}

static void write_first(struct filequeue *queue)
{
    uv_queue_work(queue->loop, &queue->first->work, on_write, on_written);
}

bool filequeue_add(struct filequeue *queue, char *path, struct buf *text)
{
    struct filequeue_item *item, **end = &queue->first;

    if (queue->count == FILEQUEUE_MAX) {
        log_warn(queue->log, "crash.not-kept", KV("error", "too many reports wait for the disk"));
        free(path);
        buf_fini(text);
        return false;
    }
    item = xcalloc(1, sizeof(*item));
    item->queue = queue;
    item->path = path;
    item->text = *text;
    *text = (struct buf){0};
    while (*end)
        end = &(*end)->next;
    *end = item;
    if (queue->count++ == 0)
        write_first(queue);
    return true;
}
