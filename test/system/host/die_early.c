/* Preloaded by test_start.py: the process is killed when it raises its limits, which is before
 * anything is built. */
#include <signal.h>
#include <sys/resource.h>

__attribute__((visibility("default"))) int setrlimit(__rlimit_resource_t resource,
                                                     const struct rlimit *limit)
{
    return raise(SIGKILL);
}
