/* Settings of the heap: see heap.h. */
#include <malloc.h>

#include "plugins/config/heap.h"

#define STEP_BYTES (256 * 1024) /* given back to the kernel at a time: some 0.2 ms */

void heap_run_in_steps(void)
{
    mallopt(M_MXFAST, 0);
    mallopt(M_TRIM_THRESHOLD, STEP_BYTES);
    mallopt(M_MMAP_THRESHOLD, STEP_BYTES);
}
