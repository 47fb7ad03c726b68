/* End and host of a request must be the same for every program that reads it: a proxy and the
 * library behind it could use different ones of two headers, and a second request could be smuggled
 * in the first (RFC 9112, 3.2, 5.1, 6.1 and 6.3). Such a request is refused. */
#include "api/framing.h"

#include <string.h>
#include <strings.h>

/* Headers allowed once. */
static const char *const once[] = {
    MHD_HTTP_HEADER_HOST,
    MHD_HTTP_HEADER_CONTENT_LENGTH,
    MHD_HTTP_HEADER_TRANSFER_ENCODING,
    MHD_HTTP_HEADER_AUTHORIZATION,
    MHD_HTTP_HEADER_CONTENT_TYPE,
    MHD_HTTP_HEADER_EXPECT,
};
enum { HOST, LENGTH, ENCODING };

#define ONCE (sizeof(once) / sizeof(once[0]))

struct seen {
    unsigned count[ONCE];
    const char *value[ONCE];
    size_t len[ONCE];
    const char *why; /* what is wrong with a header, NULL: nothing */
    const char *name;
};

static bool is_token(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (s[i] <= ' ' || s[i] & 0x80 || s[i] == 0x7f || strchr("()<>@,;:\\\"/[]?={}", s[i]))
            return false;
    return len > 0;
}

static bool is_text(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (((unsigned char)s[i] < ' ' && s[i] != '\t') || s[i] == 0x7f)
            return false;
    return true;
}

static enum MHD_Result on_header(void *cls, enum MHD_ValueKind kind, const char *key,
                                 size_t key_size, const char *value, size_t value_size)
{
    struct seen *seen = cls;

    if (!is_token(key, key_size))
        seen->why = "has a name with characters that no name may have";
    else if (value && !is_text(value, value_size))
        seen->why = "holds a control character";
    if (seen->why) {
        seen->name = key;
        return MHD_NO;
    }
    for (unsigned i = 0; i < ONCE; i++)
        if (!strcasecmp(key, once[i])) {
            seen->count[i]++;
            seen->value[i] = value ? value : "";
            seen->len[i] = value ? value_size : 0;
        }
    return MHD_YES;
}

static int check_length(const struct seen *seen, const char *version, struct orb_err *err)
{
    const char *length = seen->value[LENGTH];

    if (seen->count[ENCODING]) {
        if (seen->count[LENGTH])
            return orb_fail(err, ORB_E_INVALID,
                            "Content-Length and Transfer-Encoding are both present; expected one");
        if (strcmp(version, MHD_HTTP_VERSION_1_1))
            return orb_fail(err, ORB_E_INVALID, "%.12s has no Transfer-Encoding", version);
        if (strcasecmp(seen->value[ENCODING], "chunked"))
            return orb_fail(err, ORB_E_INVALID,
                            "expected Transfer-Encoding: chunked; got \"%.40s\"",
                            seen->value[ENCODING]);
    }
    if (seen->count[LENGTH] &&
        (!seen->len[LENGTH] || strspn(length, "0123456789") != seen->len[LENGTH]))
        return orb_fail(err, ORB_E_INVALID, "Content-Length is a number of bytes; got \"%.40s\"",
                        length);
    return 0;
}

int framing_check(struct MHD_Connection *connection, const char *version, struct orb_err *err)
{
    struct seen seen = {0};

    MHD_get_connection_values_n(connection, MHD_HEADER_KIND, on_header, &seen);
    if (seen.why)
        return orb_fail(err, ORB_E_INVALID, "the header \"%.40s\" %s", seen.name, seen.why);
    for (unsigned i = 0; i < ONCE; i++)
        if (seen.count[i] > 1)
            return orb_fail(err, ORB_E_INVALID, "the header %s occurs %u times; expected one",
                            once[i], seen.count[i]);
    if (!seen.count[HOST] && !strcmp(version, MHD_HTTP_VERSION_1_1))
        return orb_fail(err, ORB_E_INVALID, "there is no Host header; version 1.1 needs one");
    return check_length(&seen, version, err);
}
