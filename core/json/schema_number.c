/* Numbers of the validator: exact where they are integers, whatever their spelling. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/json/schema_internal.h"

#define INT64_END 9223372036854775808.0 /* the first double above every int64 */

struct number schema_number(const char *p, size_t len)
{
    struct json_slice slice = {p, len, 'i'};
    struct number n = {.integer = true};
    char copy[64];

    if (json_int64(&slice, &n.i) == 0) {
        n.d = (double)n.i;
        return n;
    }
    if (len >= sizeof(copy))
        len = sizeof(copy) - 1; /* scan_json accepts no longer ones */
    memcpy(copy, p, len);
    copy[len] = '\0';
    n.d = strtod(copy, NULL);
    n.integer = n.d == trunc(n.d) && isfinite(n.d);
    if (n.integer && n.d >= -INT64_END && n.d < INT64_END)
        n.i = (int64_t)n.d;
    return n;
}

/* INT64_MAX as a double is 2^63; i, set only when the number is exact, decides then. */
static bool fits(const struct number *n)
{
    return n->integer && n->d >= -INT64_END && (n->d < INT64_END || n->i > 0);
}

/* An int64 against a double, without rounding the former. */
static int compare_mixed(int64_t i, double d)
{
    double whole = trunc(d);

    if (d >= INT64_END)
        return -1;
    if (d < -INT64_END)
        return 1;
    if (i != (int64_t)whole)
        return i < (int64_t)whole ? -1 : 1;
    return d > whole ? -1 : d < whole ? 1 : 0;
}

int schema_number_compare(const struct number *a, const struct number *b)
{
    bool fa = fits(a), fb = fits(b);

    if (fa && fb)
        return (a->i > b->i) - (a->i < b->i);
    if (fa)
        return compare_mixed(a->i, b->d);
    if (fb)
        return -compare_mixed(b->i, a->d);
    return (a->d > b->d) - (a->d < b->d);
}

bool schema_number_multiple(const struct number *n, const struct number *of)
{
    double times = n->d / of->d;

    if (fits(n) && fits(of))
        return n->i % of->i == 0;
    /* 0.0075 / 0.0001 is not quite 75: decimal fractions are forgiven their last bits. */
    if (fabs(times) < 1e9)
        return fabs(times - round(times)) < 1e-9 * fmax(1, fabs(times)) / 1e3;
    return fmod(n->d, of->d) == 0;
}
