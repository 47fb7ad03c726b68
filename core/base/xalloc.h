/* Small allocations that end the process with a message when there is no memory: for sizes the
 * project itself chose. Sizes chosen outside are limited before they get here. The caller frees.
 */
#ifndef CORE_BASE_XALLOC_H
#define CORE_BASE_XALLOC_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Writes the size that could not be allocated to standard error and aborts. */
void xalloc_failed(size_t size) __attribute__((noreturn));

static inline void *xcalloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);

    if (!p)
        xalloc_failed(count * size);
    return p;
}

static inline void *xrealloc(void *p, size_t size)
{
    void *q = realloc(p, size ? size : 1);

    if (!q)
        xalloc_failed(size);
    return q;
}

static inline char *xstrndup(const char *text, size_t len)
{
    char *p = xcalloc(1, len + 1);

    memcpy(p, text, len);
    return p;
}

static inline char *xstrdup(const char *text)
{
    return xstrndup(text, strlen(text));
}

#endif
