/* Shared between the host and the worker's trusted stub: descriptor numbers, the launch record, the
 * crash records and the addresses of the seccomp filters. Both ends are the same binary, so plain
 * structs are exchanged; nothing here is read from a package. */
#ifndef CORE_SANDBOX_LAUNCH_H
#define CORE_SANDBOX_LAUNCH_H

#include <linux/filter.h>
#include <stdint.h>

#include "core/sandbox/sandbox.h"

/* The sanitizers' run time reserves terabytes and checks for leaks at exit: such builds go without
 * the memory limits and keep everything else. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define SANDBOX_SANITIZED 1
#endif
#endif
#ifndef SANDBOX_SANITIZED
#define SANDBOX_SANITIZED 0
#endif

/* Descriptors of a fresh worker; everything above is closed before exec. */
enum launch_fd {
    LAUNCH_FD_NULL,   /* /dev/null */
    LAUNCH_FD_OUT,    /* the stderr pipe */
    LAUNCH_FD_ERR,    /* the same */
    LAUNCH_FD_IPC,    /* the socketpair */
    LAUNCH_FD_RECORD, /* sealed memfd with struct launch */
    LAUNCH_FD_CRASH,  /* struct crash_record */
    LAUNCH_FD_FILTER_A,
    LAUNCH_FD_FILTER_B,
    LAUNCH_FD_VOID, /* the empty network namespace; /dev/null when the worker stays in the host's */
    LAUNCH_FD_ROOT, /* the mount namespace to copy; /dev/null below tier 2 */
    LAUNCH_FD_BIND, /* and the next ones: the sockets of binds; /dev/null where there is none */
    LAUNCH_FD_EXE = LAUNCH_FD_BIND + LAUNCH_MAX_BINDS, /* closed by exec */
    LAUNCH_FDS
};

#define LAUNCH_MAGIC 0x4f52424cu
#define LAUNCH_PATH 1024
#define LAUNCH_MEMORY (128u << 20) /* default of a plan */
#define LAUNCH_FILES 64u
#define LAUNCH_MIN_FILES 32u /* the stub and the loop hold about 12 */
#define LAUNCH_THREADS 16u
#define LAUNCH_STATE_FILE (256u << 20) /* largest single file in /state, RLIMIT_FSIZE */
#define LAUNCH_EXIT_STEP 120           /* exit code of a worker that did not get through a step */

struct launch {
    uint32_t magic;
    uint32_t size;
    uint32_t tier;
    uint32_t uid;
    uint64_t kernel_caps;
    uint64_t bounding; /* bounding set of the worker */
    uint64_t memory_bytes;
    uint32_t files;
    uint32_t threads;
    uint32_t host_net;
    uint32_t sealed_title; /* the kernel can move the arguments (enter_title) */
    uint32_t observe_net;
    uint32_t bind_count;
    uint32_t library_count;
    struct launch_bind binds[LAUNCH_MAX_BINDS];
    char libraries[LAUNCH_MAX_LIBRARIES][64];
    char service[32];
    char library[256];
    char package_dir[LAUNCH_PATH];
    char state_dir[LAUNCH_PATH]; /* "": none */
};

/* Fills record from plan, all but bounding. Errors: ORB_E_INVALID, ORB_E_LIMIT. */
int launch_plan_record(const struct launch_plan *plan, int tier, struct launch *ret_record,
                       struct orb_err *err);

enum crash_kind {
    CRASH_STEP = 1, /* a step of the sandbox failed: text = step, number = errno */
    CRASH_CLOSED,   /* the sandbox is complete; what follows may come from the package */
    CRASH_LOAD,     /* loading the package failed: text = why */
    CRASH_FAULT,    /* a signal: number, code, addr, frames */
    CRASH_LOADED,   /* the library is loaded: what ends it now is no fault of loading */
};

#define CRASH_MAGIC 0x4f524243u
#define CRASH_FRAMES 16
#define CRASH_TEXT 400 /* error texts of the loader name a library and a symbol */

/* Smaller than PIPE_BUF, so a record arrives whole. */
struct crash_record {
    uint32_t magic;
    uint32_t kind;
    int32_t number;
    int32_t code;
    uint64_t addr;
    uint32_t frame_count;
    uint32_t thread;
    char text[CRASH_TEXT];
    uint64_t frames[CRASH_FRAMES];
};

/* The stub maps both filter files at these addresses before it loads A. Filter A then allows
 * seccomp(2) only with the pointer of B and refuses every call that could change the mapping. So
 * while package code runs in constructors, filter B is the only one that can be loaded, and a
 * filter count of 2 proves to the host that B is in force. PIE binaries, heaps and libraries are
 * never mapped this low. */
#define FILTER_ADDRESS(phase) (0x10000000ul + (phase)*0x100000ul)
#define TITLE_ADDRESS (FILTER_ADDRESS(2)) /* the arguments a list of processes shows: one page */
#define FILTER_GUARD 0x20000000ul         /* memory calls below this address are refused */

/* Layout of a filter file. */
struct filter_file {
    struct sock_fprog program; /* program.filter points after this struct */
    struct sock_filter code[];
};

#endif
