/* Exports names that the host, the SDK and the C library use themselves. If trusted code of the
 * worker ever calls one of these, it prints that and exits. No header declares them here: the
 * types are wrong on purpose. */
#include <sys/syscall.h>

long syscall(long number, ...);
void _exit(int status) __attribute__((noreturn));

#define STEAL(name)                                                                                \
    __attribute__((visibility("default"))) void name(void);                                        \
    __attribute__((visibility("default"))) void name(void)                                         \
    {                                                                                              \
        static const char told[] = "attack succeeded: " #name " was interposed\n";                 \
        syscall(SYS_write, 2, told, sizeof(told) - 1);                                             \
        _exit(9);                                                                                  \
    }
STEAL(uv_run)
STEAL(uv_loop_init)
STEAL(cJSON_Parse)
STEAL(cJSON_Delete)
STEAL(orb_reply)
STEAL(orb_ready)
STEAL(sdk_run)
STEAL(sdk_frame)
STEAL(stub_main)
STEAL(enter_filter_b)
STEAL(scan_json)
STEAL(malloc)
STEAL(free)
STEAL(write)
STEAL(read)
STEAL(epoll_wait)
STEAL(prctl)
STEAL(memcpy)
