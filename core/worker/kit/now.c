/* core/base/now.h for the test kit: a clock that only orb_test_advance() moves. Packages' threads
 * may read it, too. */
#include "core/base/now.h"

#include <stdatomic.h>

#include "core/worker/kit/now.h"
#include "core/worker/testing_internal.h"

#define BEGIN_WALL_S 1700000000ull /* 2023-11-14 */

static _Atomic uint64_t testing_ms; /* orb_now_ms() is given no context */

uint64_t now_ms(void)
{
    return atomic_load(&testing_ms);
}

uint64_t now_us(void)
{
    return now_ms() * 1000;
}

uint64_t now_ns(void)
{
    return now_ms() * 1000000;
}

uint64_t now_wall_of(uint64_t at_ms)
{
    return BEGIN_WALL_S * 1000000 + (at_ms - TESTING_BEGIN_MS) * 1000;
}

uint64_t now_wall_us(void)
{
    return now_wall_of(now_ms());
}

void now_set(uint64_t ms)
{
    atomic_store(&testing_ms, ms);
}
