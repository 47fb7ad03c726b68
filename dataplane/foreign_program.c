/* What a foreign BPF program at egress reads of a packet. Packets of the fast path have everything
 * that programs get, except a route: bpf_get_route_realm finds none.
 *
 * The kernel shows the instructions of a loaded program with its helpers as offsets in its own
 * memory, and only to the privileged (CAP_SYSLOG); so a probe program that calls the one helper is
 * loaded and read for comparison. Where helpers are not shown, a program that calls any helper may
 * call this one. */
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>

#include <bpf/bpf.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/foreign.h"

#define CALL (BPF_JMP | BPF_CALL)

/* The instructions of a program, NULL: it is gone, or they are not shown. */
static struct bpf_insn *instructions(int fd, unsigned *ret_count)
{
    struct bpf_prog_info info = {0};
    uint32_t len = sizeof(info), size;
    struct bpf_insn *code;

    if (bpf_obj_get_info_by_fd(fd, &info, &len) || !info.xlated_prog_len)
        return NULL;
    size = info.xlated_prog_len;
    code = xcalloc(1, size);
    info = (struct bpf_prog_info){.xlated_prog_len = size,
                                  .xlated_prog_insns = (uint64_t)(uintptr_t)code};
    len = sizeof(info);
    if (bpf_obj_get_info_by_fd(fd, &info, &len) || !info.xlated_prog_insns ||
        info.xlated_prog_len != size) {
        free(code);
        return NULL;
    }
    *ret_count = size / sizeof(*code);
    return code;
}

/* How the kernel shows a call of the helper; 0: it does not. */
static int32_t shown_call(void)
{
    static const struct bpf_insn code[] = {
        {.code = CALL, .imm = BPF_FUNC_get_route_realm},
        {.code = BPF_JMP | BPF_EXIT},
    };
    AUTO_FD int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "realm", "GPL", code,
                                   sizeof(code) / sizeof(*code), NULL);
    unsigned count = 0;
    AUTO_FREE struct bpf_insn *shown = fd < 0 ? NULL : instructions(fd, &count);

    for (unsigned i = 0; i < count; i++)
        if (shown[i].code == CALL)
            return shown[i].imm;
    return 0;
}

bool foreign_program_asks(uint32_t id)
{
    AUTO_FD int fd = bpf_prog_get_fd_by_id(id);
    unsigned count = 0;
    AUTO_FREE struct bpf_insn *code = fd < 0 ? NULL : instructions(fd, &count);
    int32_t asks = 0;
    bool calls = false;

    if (!code)
        return fd != -ENOENT; /* that one is gone, which is an event of its own */
    for (unsigned i = 0; i < count && !calls; i++)
        calls = code[i].code == CALL && code[i].src_reg == 0;
    asks = calls ? shown_call() : 0;
    if (calls && !asks)
        return true;
    for (unsigned i = 0; calls && i < count; i++)
        if (code[i].code == CALL && code[i].src_reg == 0 && code[i].imm == asks)
            return true;
    return false;
}
