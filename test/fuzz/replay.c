/* Runs a fuzz target over a directory of recorded inputs, without libFuzzer: so every build and
 * every compiler checks that inputs which once mattered still pass. An empty or missing directory
 * fails, since a test of nothing proves nothing. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/file.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "orbital/error.h"

#define INPUT_BYTES (16u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
    AUTO(buf) struct buf input = {0};
    AUTO_FREE uint8_t *exact = NULL;
    struct orb_err err;

    if (file_read(path, INPUT_BYTES, &input, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return -1;
    }
    /* A block of exactly its size, so that the address sanitizer detects one byte beyond it. */
    exact = xcalloc(1, input.len);
    if (input.len)
        memcpy(exact, input.data, input.len);
    fprintf(stderr, "%s (%zu bytes)\n", path, input.len);
    LLVMFuzzerTestOneInput(exact, input.len);
    return 0;
}

int main(int argc, char **argv)
{
    struct dirent *entry;
    int ran = 0;
    DIR *dir;

    if (argc != 2) {
        fprintf(stderr, "usage: %s CORPUS-DIRECTORY\n", argv[0]);
        return 2;
    }
    dir = opendir(argv[1]);
    if (!dir) {
        perror(argv[1]);
        return 1;
    }
    while ((entry = readdir(dir))) {
        AUTO_FREE char *path = buf_format("%s/%s", argv[1], entry->d_name);

        if (entry->d_name[0] == '.')
            continue;
        if (replay(path) < 0) {
            closedir(dir);
            return 1;
        }
        ran++;
    }
    closedir(dir);
    if (ran == 0) {
        fprintf(stderr, "%s: no inputs\n", argv[1]);
        return 1;
    }
    printf("%d inputs\n", ran);
    return 0;
}
