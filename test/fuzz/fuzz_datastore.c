/* Files of the config service as any program may have left them. The first byte selects one: 's'
 * subscribers, 'e' edits of a candidate, 'n' a snapshot. Reading ends in time, with a
 * configuration or an error, and answers after it are JSON. */
#include <ftw.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/file.h"
#include "core/base/now.h"
#include "core/base/own.h"
#include "core/json/scan.h"
#include "plugins/config/engine.h"
#include "test/fuzz/bounds.h"

#define MOST_MS 500.0 /* for an input of 4 KB, with sanitizers */
/* Bytes of all answers, and of all files that are there afterwards. */
#define MOST_SOME 16384
#define MOST_EACH 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t answered, kept; /* of this input */

static int on_entry(const char *path, const struct stat *stat, int type, struct FTW *at)
{
    kept += type == FTW_F ? (size_t)stat->st_size : 0;
    return remove(path);
}

static uint64_t now(void *arg)
{
    return 1000000;
}

static int call(void *arg, const char *to, const char *method, const char *text, size_t len,
                uint32_t deadline_ms, engine_done *done, void *done_arg, struct orb_err *err)
{
    return orb_fail(err, ORB_E_UNAVAILABLE, "no such service");
}

static void reply(void *arg, void *req, const char *text, size_t len)
{
    must(scan_json(text, len, &(struct json_limits){.depth = 64, .keys = 1 << 20}, NULL) == 0,
         "an answer that is no JSON");
    answered += len;
}

static void refuse(void *arg, void *req, const struct orb_err *err)
{
    must(err->text[0] != '\0', "refused without a word");
}

static void publish(void *arg, uint64_t revision, const char *const *paths, size_t count)
{
}

static void wake(void *arg, uint64_t after_ms)
{
}

static void config(const char *dir)
{
    static const char schemas[] =
        "{\"schemas\":[{\"package\":\"a\",\"text\":\"{\\\"interface\\\":\\\"a\\\",\\\"version\\\":"
        "\\\"1.0\\\",\\\"config\\\":{\\\"type\\\":\\\"object\\\",\\\"properties\\\":{\\\"b\\\":{"
        "\\\"type\\\":\\\"integer\\\"},\\\"m\\\":{\\\"additionalProperties\\\":true}}}}\"}],"
        "\"third-party\":[]}";
    struct engine_host host = {.call = call,
                               .reply = reply,
                               .refuse = refuse,
                               .publish = publish,
                               .wake = wake,
                               .now_ms = now,
                               .now_us = now,
                               .wall_us = now};
    static const char *const questions[][2] = {
        {"get", "{}"}, {"diff", "{}"}, {"subscribers", "{}"}, {"history", "{}"}, {"salvage", "{}"}};
    struct engine_caller kim = {.peer = 1, .kind = CALLER_USER, .name = "kim"};
    struct orb_err err = {0};
    struct engine *engine;
    bool fresh;

    if (engine_open(&host, dir, schemas, sizeof(schemas) - 1, &engine, &fresh, &err) < 0) {
        must(err.text[0] != '\0', "refused without a word");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(questions); i++)
        engine_request(engine, &kim, questions[i][0], questions[i][1], strlen(questions[i][1]),
                       &host);
    engine_free(engine);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *file;
    AUTO_FREE char *dir = NULL, *path = NULL;
    double before;

    if (!size)
        return 0;
    file = data[0] == 's'   ? "subscribers.json"
           : data[0] == 'e' ? "candidate-kim.ops"
           : data[0] == 'n' ? "snapshot-1.json"
                            : NULL;
    if (!file)
        return 0;
    dir = buf_format("/dev/shm/orbital-fuzz-config-%d", (int)getpid());
    path = buf_format("%s/%s", dir, file);
    must(file_make_dir(dir, 0700, NULL) == 0, "no directory");
    must(file_replace(path, (const char *)data + 1, size - 1, 0600, NULL) == 0, "no file");
    answered = kept = 0;
    before = cpu_ms();
    config(dir);
    must_end(before, MOST_MS, size);
    must_fit(answered, MOST_SOME, MOST_EACH, size);
    nftw(dir, on_entry, 8, FTW_DEPTH | FTW_PHYS);
    must_fit(kept, MOST_SOME, MOST_EACH, size);
    return 0;
}
