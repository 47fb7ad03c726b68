#include "test/unit/dataplane/nft_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/own.h"
#include "test/lib/harness.h"

/* Before any test: without root there is nothing to run. */
__attribute__((constructor)) static void skip_without_root(void)
{
    if (geteuid() == 0)
        return;
    puts("1..0 # SKIP not root: no network namespace for nft");
    exit(0);
}

int nft_run(const char *arguments, const char *text, struct buf *ret_output)
{
    char path[] = "/tmp/orbt-nft-XXXXXX", part[4096];
    AUTO_FD int fd = mkstemp(path);
    AUTO_FREE char *line = buf_format("nft %s %s 2>&1", arguments, text ? path : "");
    FILE *pipe;
    size_t n;

    ck_assert_int_ge(fd, 0);
    if (text)
        ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    pipe = popen(line, "r");
    ck_assert_ptr_nonnull(pipe);
    while ((n = fread(part, 1, sizeof(part), pipe)) > 0)
        buf_add(ret_output, part, n);
    unlink(path);
    return pclose(pipe);
}
