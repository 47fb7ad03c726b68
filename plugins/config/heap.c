/* Settings of the heap: see heap.h. */
#include <malloc.h>

#include "plugins/config/heap.h"

#define KEPT_BYTES (16 * 1024 * 1024) /* at the end of the heap; above it the kernel takes it back */

void heap_run_in_steps(void)
{
    mallopt(M_MXFAST, 0);
    mallopt(M_TRIM_THRESHOLD, 256 * 1024);
    mallopt(M_MMAP_THRESHOLD, 256 * 1024);
}
