/* Ownership by scope: a local that owns something is declared with AUTO and is released on every
 * way out; take_ptr()/take_fd() pass it on. Such variables must be initialised with NULL/-1. */
#ifndef CORE_BASE_OWN_H
#define CORE_BASE_OWN_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void own_free(void *p)
{
    free(*(void **)p);
}

static inline void own_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void own_fclose(FILE **f)
{
    if (*f)
        fclose(*f);
}

static inline int take_fd(int *fd)
{
    int r = *fd;

    *fd = -1;
    return r;
}

#define AUTO_FREE __attribute__((cleanup(own_free)))
#define AUTO_FD __attribute__((cleanup(own_close)))
#define AUTO_FILE __attribute__((cleanup(own_fclose)))

/* AUTO(buf) needs `static inline void own_buf(struct buf *)` beside the type. */
#define AUTO(type) __attribute__((cleanup(own_##type)))

#define take_ptr(p)                                                                                \
    ({                                                                                             \
        __typeof__(p) take_tmp_ = (p);                                                             \
        (p) = NULL;                                                                                \
        take_tmp_;                                                                                 \
    })

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member)                                                            \
    ((type *)(void *)((char *)(ptr) - __builtin_offsetof(type, member)))

#endif
