#include "core/base/xalloc.h"

#include <stdio.h>

void xalloc_failed(size_t size)
{
    fprintf(stderr, "orbital: out of memory (%zu bytes)\n", size);
    abort();
}
