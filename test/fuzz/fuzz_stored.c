/* Files of the host as any program may have left them. The first byte selects one: 't' tokens, 'c'
 * a crash report. Reading ends in time, with a value or an error, and a value that was read is
 * written unchanged. */
#include <ftw.h>
#include <sodium.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/auth/tokens.h"
#include "core/base/file.h"
#include "core/base/own.h"
#include "core/ipc/frame.h"
#include "core/json/scan.h"
#include "core/sup/report.h"
#include "core/sup/supervisor_internal.h"
#include "test/fuzz/bounds.h"

#define MOST_MS 500.0 /* for an input of 4 KB, with sanitizers */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_entry(const char *path, const struct stat *stat, int type, struct FTW *at)
{
    return remove(path);
}

static void tokens(const char *path, size_t size)
{
    static struct tokens read, again;
    AUTO(buf) struct buf text = {0};
    struct orb_err err = {0};

    if (tokens_read(path, &read, &err) < 0) {
        must(err.text[0] != '\0', "refused without a word");
        return;
    }
    tokens_text(&read, &text);
    must_fit(text.len, 4096, 8, size);
    must(file_replace(path, text.data, text.len, 0600, &err) == 0, "not written");
    must(tokens_read(path, &again, &err) == 0 && read.count == again.count,
         "what was read is not written the same");
    for (unsigned i = 0; i < read.count; i++)
        must(!strcmp(read.items[i].name, again.items[i].name) &&
                 tokens_role_known(again.items[i].role) &&
                 read.items[i].expires_us == again.items[i].expires_us &&
                 memcmp(read.items[i].hash, again.items[i].hash, TOKEN_HASH) == 0,
             "another token");
}

static void crashes(const char *dir, size_t size)
{
    struct package package = {.manifest = {.name = "a"}};
    struct supervisor sup = {.setup.state_dir = dir, .count = 1};
    struct service service = {.sup = &sup, .package = &package};
    AUTO(buf) struct buf text = {0};

    sup.services[0] = &service;
    crash_log_read(dir, "a", &service.crashes);
    must(report_crashes(&sup, "a", &text, NULL) == 0, "no crashes");
    must_fit(text.len, 4096, 8, size);
    must(text.len < FRAME_MAX && scan_json(text.data, text.len, NULL, NULL) == 0,
         "reports that are no JSON");
    crash_log_fini(&service.crashes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_FREE char *dir = NULL, *below = NULL, *path = NULL;
    double before;

    if (!size || (data[0] != 't' && data[0] != 'c') || sodium_init() < 0)
        return 0;
    dir = buf_format("/dev/shm/orbital-fuzz-%d", (int)getpid());
    below = buf_format("%s/crashes", dir);
    path = buf_format("%s/%s", dir, data[0] == 't' ? "tokens.json" : "crashes/a-0.json");
    must(file_make_dir(dir, 0700, NULL) == 0 && file_make_dir(below, 0700, NULL) == 0,
         "no directory");
    must(file_replace(path, (const char *)data + 1, size - 1, 0600, NULL) == 0, "no file");
    before = cpu_ms();
    if (data[0] == 't')
        tokens(path, size);
    else
        crashes(dir, size);
    must(cpu_ms() - before < MOST_MS * (1 + (double)size / 4096), "it took too long");
    nftw(dir, on_entry, 8, FTW_DEPTH | FTW_PHYS);
    return 0;
}
