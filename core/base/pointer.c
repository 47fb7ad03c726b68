/* Escapes of JSON pointers. No allocation: packages build the paths of errors in fixed buffers. */
#include "core/base/pointer.h"

#include <string.h>

size_t pointer_escaped_len(const char *token)
{
    size_t n = 0;

    for (; *token; token++)
        n += *token == '~' || *token == '/' ? 2 : 1;
    return n;
}

char *pointer_escape(char *to, const char *token)
{
    for (; *token; token++) {
        if (*token == '~' || *token == '/') {
            *to++ = '~';
            *to++ = *token == '~' ? '0' : '1';
        } else {
            *to++ = *token;
        }
    }
    return to;
}

bool pointer_append(char *path, size_t size, const char *token)
{
    size_t at = strlen(path);

    if (at + 1 + pointer_escaped_len(token) >= size)
        return false;
    path[at] = '/';
    *pointer_escape(path + at + 1, token) = '\0';
    return true;
}

static bool escapes_are_valid(const char *text)
{
    while ((text = strchr(text, '~')))
        if (*++text != '0' && *text != '1')
            return false;
    return true;
}

bool pointer_unescape(char *token)
{
    char *to = strchr(token, '~');

    if (!to)
        return true;
    if (!escapes_are_valid(to))
        return false;
    for (const char *p = to; *p; p++)
        *to++ = *p != '~' ? *p : *++p == '0' ? '~' : '/';
    *to = '\0';
    return true;
}

bool pointer_is_valid(const char *text)
{
    return (!*text || *text == '/') && escapes_are_valid(text);
}

const char *pointer_next(const char *at, char *to, size_t size)
{
    if (*at++ != '/')
        return NULL;
    for (; *at && *at != '/'; at++) {
        char c = *at;

        if (c == '~') {
            c = *++at == '0' ? '~' : *at == '1' ? '/' : '\0';
            if (!c)
                return NULL;
        }
        if (size <= 1)
            return NULL;
        *to++ = c;
        size--;
    }
    *to = '\0';
    return at;
}
