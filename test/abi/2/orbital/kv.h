/* The typed pairs of a log record: KV("peer", name), KV("mtu", 1500). One macro for packages and
 * for the host itself. A value is text (NULL is written as "") or an integer. */
#ifndef ORBITAL_KV_H
#define ORBITAL_KV_H

#include <stddef.h>
#include <stdint.h>

struct orb_kv {
    const char *key;  /* NULL ends the list */
    const char *text; /* NULL: number */
    int64_t number;
};

#ifdef __cplusplus
inline orb_kv orb_kv_of(const char *key, const char *text)
{
    return orb_kv{key, text ? text : "", 0};
}

inline orb_kv orb_kv_of(const char *key, char *text)
{
    return orb_kv_of(key, static_cast<const char *>(text));
}

template <class T> inline orb_kv orb_kv_of(const char *key, T number)
{
    return orb_kv{key, nullptr, static_cast<int64_t>(number)};
}

#define KV(k, v) orb_kv_of((k), (v))
#else
static inline struct orb_kv orb_kv_text(const char *key, const char *text)
{
    struct orb_kv pair = {key, text ? text : "", 0};

    return pair;
}

static inline struct orb_kv orb_kv_number(const char *key, int64_t number)
{
    struct orb_kv pair = {key, NULL, number};

    return pair;
}

#define KV(k, v)                                                                                   \
    _Generic((v), char *: orb_kv_text, const char *: orb_kv_text, default: orb_kv_number)((k), (v))
#endif

#endif
