/* How the C library's heap of the process is run: for short steps, not for the fewest instructions.
 */
#ifndef CONFIG_HEAP_H
#define CONFIG_HEAP_H

/* Has each free() merge its own block, and return memory to the kernel in small pieces. Otherwise
 * glibc keeps small blocks apart and merges all of them inside of one call about a large block: of
 * a tree that was freed in slices that took 5 ms. Of the whole process; to be called before
 * threads are started. */
void heap_run_in_steps(void);

#endif
