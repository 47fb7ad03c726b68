
#include "core/host/confpart.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/json_write.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/host/host_internal.h"
#include "core/ipc/host.h"

#define PART_MOST (8 << 20) /* bytes of one part */
#define ASK_MS 5000

struct confpart {
    struct orbitald *host;
    const char *path;
    confpart_fn *fn;
    bool asking, again;
    struct buf text; /* the slices so far */
};

static void done(struct confpart *part, const json_t *value, const struct orb_err *err)
{
    part->asking = false;
    buf_fini(&part->text);
    if (part->again) {
        part->again = false;
        confpart_refresh(part);
        return;
    }
    part->fn(part->host, value, value ? NULL : err);
}

static void ask(struct confpart *part, const char *method, host_done *answer)
{
    AUTO(buf) struct buf input = {0};
    struct json_write w = json_write_to(&input);
    struct orb_err err = {0};

    json_write_object(&w, NULL);
    json_write_string(&w, "path", part->path);
    if (!strcmp(method, "get-part"))
        json_write_integer(&w, "offset", (int64_t)part->text.len);
    json_write_end(&w);
    if (host_call(part->host->broker, "config@1", method, input.data, input.len, ASK_MS, answer,
                  part, &err) < 0)
        answer(part, NULL, 0, &err);
}

/* A slice: the text of the value grows by it. */
static void on_slice(void *arg, const char *text, size_t len, const struct orb_err *err)
{
    struct confpart *part = arg;
    AUTO(json_t) json_t *slice = NULL, *value = NULL;
    struct orb_err parse = {0};

    if (!err && tree_parse(text, len, NULL, &slice, &parse) == 0) {
        const char *data = json_string_value(json_object_get(slice, "data"));
        json_int_t bytes = json_integer_value(json_object_get(slice, "bytes"));

        buf_adds(&part->text, data ? data : "");
        if (data && *data && (json_int_t)part->text.len < bytes && bytes <= PART_MOST) {
            ask(part, "get-part", on_slice);
            return;
        }
        if (bytes > PART_MOST)
            orb_fail(&parse, ORB_E_LIMIT, "it has %lld bytes, at most %d are read",
                     (long long)bytes, PART_MOST);
        else
            tree_parse(buf_str(&part->text), part->text.len, NULL, &value, &parse);
    }
    done(part, value, err ? err : &parse);
}

static void on_value(void *arg, const char *text, size_t len, const struct orb_err *err)
{
    struct confpart *part = arg;
    AUTO(json_t) json_t *reply = NULL;
    struct orb_err parse = {0};

    if (err && err->code == ORB_E_LIMIT && !part->again) { /* too large for one frame */
        ask(part, "get-part", on_slice);
        return;
    }
    if (!err && tree_parse(text, len, NULL, &reply, &parse) == 0 &&
        !json_object_get(reply, "value"))
        orb_fail(&parse, ORB_E_SCHEMA, "the answer has no member value");
    done(part, reply ? json_object_get(reply, "value") : NULL, err ? err : &parse);
}

void confpart_refresh(struct confpart *part)
{
    if (part->asking) {
        part->again = true;
        return;
    }
    part->asking = true;
    ask(part, "get", on_value);
}

bool confpart_is_being_read(const struct confpart *part)
{
    return part->asking;
}

static void on_committed(void *arg, const char *interface, const char *topic, const char *text,
                         size_t len)
{
    confpart_refresh(arg);
}

int confpart_new(struct orbitald *host, const char *path, confpart_fn *fn,
                 struct confpart **ret_part, struct orb_err *err)
{
    struct confpart *part = xcalloc(1, sizeof(*part));
    int r;

    part->host = host;
    part->path = path;
    part->fn = fn;
    r = host_subscribe(host->broker, "config", "committed", on_committed, part, err);
    if (r < 0) {
        free(part);
        return r;
    }
    *ret_part = part;
    return 0;
}

void confpart_free(struct confpart *part)
{
    if (part)
        buf_fini(&part->text);
    free(part);
}
