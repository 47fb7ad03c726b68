/* Access to values inside scanned text without building anything. See json.h. */
#include "core/json/json.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"

#define KEY_ON_STACK 256
#define PAUSE_BYTES 32768
#define ERROR_TEXT 4096 /* of an error: as long as an envelope */

static const char *container_end(const char *p, const char *end, void (*pause)(void *arg),
                                 void *arg)
{
    const char *paused = p;
    size_t depth = 0;
    bool escaped;

    while (p < end) {
        if (pause && p - paused >= PAUSE_BYTES) {
            pause(arg);
            paused = p;
        }
        switch (*p) {
        case '"':
            p = json_string_end(p, end, &escaped);
            continue;
        case '{':
        case '[':
            depth++;
            break;
        case '}':
        case ']':
            if (--depth == 0)
                return p + 1;
            break;
        }
        p++;
    }
    return end;
}

const char *json_value(const char *p, const char *end, struct json_slice *ret_value)
{
    return json_value_pausing(p, end, ret_value, NULL, NULL);
}

const char *json_value_pausing(const char *p, const char *end, struct json_slice *ret_value,
                               void (*pause)(void *arg), void *arg)
{
    const char *start = p;
    bool escaped;
    char type;

    switch (p < end ? *p : '\0') {
    case '{':
        type = 'o';
        p = container_end(p, end, pause, arg);
        break;
    case '[':
        type = 'a';
        p = container_end(p, end, pause, arg);
        break;
    case '"':
        type = 's';
        p = json_string_end(p, end, &escaped);
        break;
    case 't':
    case 'f':
        type = *p;
        p = end - p < 5 - (type == 't') ? end : p + 5 - (type == 't');
        break;
    case 'n':
        type = '0';
        p = end - p < 4 ? end : p + 4;
        break;
    default:
        type = 'i';
        for (; p < end && (*p == '-' || *p == '+' || *p == '.' || (*p | 32) == 'e' ||
                           (*p >= '0' && *p <= '9'));
             p++)
            if (*p == '.' || (*p | 32) == 'e')
                type = 'n';
    }
    *ret_value = (struct json_slice){start, (size_t)(p - start), type};
    return p;
}

bool json_iter_init(struct json_iter *it, char kind, const char *text, size_t len)
{
    const char *end = text + len;
    const char *p = json_space(text, end);

    if (p == end || *p != kind)
        return false;
    *it = (struct json_iter){.p = p + 1, .end = end, .object = kind == '{'};
    return true;
}

bool json_iter_next(struct json_iter *it, struct json_item *ret_item)
{
    const char *p = json_space(it->p, it->end), *end = it->end, *after;

    if (p < end && *p == ',')
        p = json_space(p + 1, end);
    if (p == end || *p == '}' || *p == ']')
        return false;
    ret_item->key = NULL;
    ret_item->key_len = 0;
    ret_item->escaped = false;
    if (it->object) {
        after = json_string_end(p, end, &ret_item->escaped);
        ret_item->key = p + 1;
        ret_item->key_len = after - p < 2 ? 0 : (size_t)(after - p - 2);
        p = json_space(after, end);
        if (p < end && *p == ':')
            p = json_space(p + 1, end);
    }
    it->p = json_value_pausing(p, end, &ret_item->value, it->pause, it->arg);
    return it->p > p;
}

static unsigned hex4(const char *p)
{
    unsigned v = 0;

    for (int i = 0; i < 4; i++) {
        char c = p[i];

        v = v << 4 | (unsigned)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
    }
    return v & 0xffff;
}

static size_t utf8_put(unsigned code, char *to)
{
    size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;

    if (n == 1) {
        to[0] = (char)code;
        return 1;
    }
    for (size_t i = n - 1; i > 0; i--, code >>= 6)
        to[i] = (char)(0x80 | (code & 0x3f));
    to[0] = (char)((0xf00 >> n & 0xff) | code);
    return n;
}

size_t json_unescape(const char *p, size_t len, char *to)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    const char *end = p + len;
    char *out = to;

    while (p < end) {
        const char *at;
        unsigned code;

        if (*p != '\\' || end - p < 2) {
            *out++ = *p++;
            continue;
        }
        if (p[1] != 'u' || end - p < 6) {
            at = strchr(from, p[1]);
            *out++ = at && *at ? into[at - from] : p[1];
            p += 2;
            continue;
        }
        code = hex4(p + 2);
        p += 6;
        if (code >= 0xd800 && code < 0xdc00 && end - p >= 6) {
            code = 0x10000 + ((code - 0xd800) << 10) + ((hex4(p + 2) - 0xdc00) & 0x3ff);
            p += 6;
        }
        out += utf8_put(code, out);
    }
    return (size_t)(out - to);
}

static bool key_is(const struct json_item *item, const char *key, size_t key_len)
{
    char stack[KEY_ON_STACK];
    AUTO_FREE char *heap = NULL;
    char *to = stack;

    if (!item->escaped)
        return item->key_len == key_len && memcmp(item->key, key, key_len) == 0;
    if (item->key_len < key_len)
        return false;
    if (item->key_len > sizeof(stack))
        to = heap = xcalloc(1, item->key_len);
    return json_unescape(item->key, item->key_len, to) == key_len && memcmp(to, key, key_len) == 0;
}

int json_member(const char *text, size_t len, const char *key, struct json_slice *ret_value)
{
    size_t key_len = strlen(key);
    struct json_iter it;
    struct json_item item;

    if (!json_iter_init(&it, '{', text, len))
        return 0;
    while (json_iter_next(&it, &item))
        if (item.key && key_is(&item, key, key_len)) {
            *ret_value = item.value;
            return 1;
        }
    return 0;
}

int json_text(const struct json_slice *value, char *to, size_t size)
{
    size_t len, room = size;
    AUTO_FREE char *heap = NULL;

    if (value->type != 's' || value->len < 2 || size == 0)
        return -1;
    len = value->len - 2;
    if (len < room) {
        to[json_unescape(value->p + 1, len, to)] = '\0';
        return 0;
    }
    /* Its spelling is longer than the room, itself perhaps not; six bytes spell at least one. */
    if (len / 6 >= room)
        return -1;
    heap = xcalloc(1, len);
    len = json_unescape(value->p + 1, len, heap);
    if (len >= room)
        return -1;
    memcpy(to, heap, len);
    to[len] = '\0';
    return 0;
}

int json_text_member(const char *text, size_t len, const char *key, char *to, size_t size)
{
    struct json_slice value;

    to[0] = '\0';
    if (json_member(text, len, key, &value) && json_text(&value, to, size) == 0)
        return 0;
    to[0] = '\0';
    return -1;
}

int json_read_error(const char *text, size_t len, struct orb_err *ret_err)
{
    char name[64], path[ERROR_TEXT], words[ERROR_TEXT];
    int r = json_text_member(text, len, "code", name, sizeof(name)), code = orb_code_parse(name);

    json_text_member(text, len, "path", path, sizeof(path));
    json_text_member(text, len, "text", words, sizeof(words));
    orb_fail_at(ret_err, code, path, "%s", words[0] ? words : orb_code_text(code));
    return r;
}

int json_int64(const struct json_slice *value, int64_t *ret_number)
{
    const char *p = value->p, *end = value->p + value->len;
    bool minus = p < end && *p == '-';
    int64_t n = 0;

    if (value->type != 'i' || p + minus >= end)
        return -1;
    /* Counted downwards, because the range below zero is one larger. */
    for (p += minus; p < end; p++)
        if (*p < '0' || *p > '9' || __builtin_mul_overflow(n, 10, &n) ||
            __builtin_sub_overflow(n, *p - '0', &n))
            return -1;
    if (!minus && n == INT64_MIN)
        return -1;
    *ret_number = minus ? n : -n;
    return 0;
}
