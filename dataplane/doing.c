/* What the data plane is doing: see doing.h. Text and number are read apart: a mixture of two steps
 * that follow each other is no harm. */
#include "dataplane/doing.h"

#include "dataplane/dataplane_internal.h"

void doing_set(struct dataplane *dataplane, const char *phase, unsigned percent)
{
    __atomic_store_n(&dataplane->doing_percent, percent, __ATOMIC_RELAXED);
    __atomic_store_n(&dataplane->doing, phase, __ATOMIC_RELEASE);
}

const char *doing_now(const struct dataplane *dataplane, unsigned *ret_percent)
{
    const char *phase = __atomic_load_n(&dataplane->doing, __ATOMIC_ACQUIRE);

    *ret_percent = __atomic_load_n(&dataplane->doing_percent, __ATOMIC_RELAXED);
    return phase ? phase : "";
}
