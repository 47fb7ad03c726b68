/* Functions that can be suspended: see fiber.h. The C library's contexts switch the stacks; the
 * address sanitizer is notified of each switch, since it tracks the stack in use. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "core/base/xalloc.h"
#include "plugins/config/fiber.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define STACK_BYTES (2048u * 1024)
#else
#define STACK_BYTES (512u * 1024) /* of addresses; of memory what was used */
#endif
#define GUARD_BYTES 65536u /* below it: what overflows meets a fault; a page on every machine */
#define IDLE_MAX 2u

struct fiber {
    struct fiber *next; /* idle */
    ucontext_t here, caller;
    char *stack; /* with the guard */
    fiber_fn *fn;
    void *arg;
    bool ended;
    void *fake; /* of the sanitizer, as the next two */
    const void *caller_bottom;
    size_t caller_bytes;
};

/* ---- the sanitizer ---- */

#ifdef __SANITIZE_ADDRESS__
static void leave(void **fake, const void *bottom, size_t bytes)
{
    __sanitizer_start_switch_fiber(fake, bottom, bytes);
}

static void arrive(void *fake, const void **bottom, size_t *bytes)
{
    __sanitizer_finish_switch_fiber(fake, bottom, bytes);
}

static void forget(const struct fiber *fiber)
{
    ASAN_UNPOISON_MEMORY_REGION(fiber->stack, GUARD_BYTES + STACK_BYTES);
}
#else
static void leave(void **fake, const void *bottom, size_t bytes)
{
}

static void arrive(void *fake, const void **bottom, size_t *bytes)
{
}

static void forget(const struct fiber *fiber)
{
}
#endif

/* ---- switches ---- */

static void to_caller(struct fiber *f)
{
    leave(&f->fake, f->caller_bottom, f->caller_bytes);
    swapcontext(&f->here, &f->caller);
    arrive(f->fake, &f->caller_bottom, &f->caller_bytes);
}

/* makecontext() passes integers of 32 bits. One that ended is used again from there. */
static void on_begin(unsigned high, unsigned low)
{
    struct fiber *f = (struct fiber *)(uintptr_t)((uint64_t)high << 32 | low);

    arrive(NULL, &f->caller_bottom, &f->caller_bytes);
    for (;;) {
        f->fn(f->arg);
        f->ended = true;
        to_caller(f);
    }
}

bool fiber_run(struct fiber *fiber)
{
    void *fake = NULL;

    leave(&fake, fiber->stack + GUARD_BYTES, STACK_BYTES);
    swapcontext(&fiber->caller, &fiber->here);
    arrive(fake, NULL, NULL);
    return !fiber->ended;
}

void fiber_pause(struct fiber *fiber)
{
    to_caller(fiber);
}

/* ---- start and end ---- */

/* A function of its own, as getcontext() returns like setjmp(): no local is of use after it. */
__attribute__((noinline)) static void set_up(struct fiber *f)
{
    getcontext(&f->here);
    f->here.uc_stack.ss_sp = f->stack + GUARD_BYTES;
    f->here.uc_stack.ss_size = STACK_BYTES;
    makecontext(&f->here, (void (*)(void))on_begin, 2, (unsigned)((uint64_t)(uintptr_t)f >> 32),
                (unsigned)(uintptr_t)f);
}

static struct fiber *make(void)
{
    char *stack = mmap(NULL, GUARD_BYTES + STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    struct fiber *f;

    if (stack == MAP_FAILED)
        return NULL;
    if (mprotect(stack, GUARD_BYTES, PROT_NONE) < 0) {
        munmap(stack, GUARD_BYTES + STACK_BYTES);
        return NULL;
    }
    f = xcalloc(1, sizeof(*f));
    f->stack = stack;
    set_up(f);
    return f;
}

static void destroy(struct fiber *f)
{
    forget(f);
    munmap(f->stack, GUARD_BYTES + STACK_BYTES);
    free(f);
}

struct fiber *fiber_new(struct fibers *fibers, fiber_fn *fn, void *arg)
{
    struct fiber *f = fibers->idle;

    if (f) {
        fibers->idle = f->next;
        fibers->idle_count--;
    } else {
        f = fibers->count < FIBER_MAX ? make() : NULL;
    }
    if (!f)
        return NULL;
    fibers->count++;
    f->fn = fn;
    f->arg = arg;
    f->ended = false;
    return f;
}

void fiber_free(struct fibers *fibers, struct fiber *fiber)
{
    if (!fiber)
        return;
    fibers->count--;
    if (fibers->idle_count >= IDLE_MAX) {
        destroy(fiber);
        return;
    }
    fiber->next = fibers->idle;
    fibers->idle = fiber;
    fibers->idle_count++;
}

void fiber_free_idle(struct fibers *fibers)
{
    while (fibers->idle) {
        struct fiber *f = fibers->idle;

        fibers->idle = f->next;
        destroy(f);
    }
    fibers->idle_count = 0;
}
