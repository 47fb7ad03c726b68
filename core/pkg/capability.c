#include "core/pkg/capability.h"

#include <arpa/inet.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/pointer.h"
#include "core/base/suggest.h"
#include "core/base/xalloc.h"

struct kind {
    const char *prefix;
    bool has_argument;
    const char *example;
};

static const struct kind kinds[] = {
    {"config.read", true, "config.read:/firewall"},
    {"config.write", true, "config.write:/firewall/zones"},
    {"config.secret", true, "config.secret:/vpn/key"},
    {"ipc.call", true, "ipc.call:config/get"},
    {"ipc.subscribe", true, "ipc.subscribe:config/committed"},
    {"net.bind", true, "net.bind:tcp/127.0.0.1:8080#http"},
    {"net.configure", false, "net.configure"},
    {"net.observe", false, "net.observe"},
    {"fs.state", false, "fs.state"},
    {"session.delegate", false, "session.delegate"},
    {"log.write", false, "log.write"},
    {"metrics.write", false, "metrics.write"},
};

static const struct kind *kind_of(const char *capability)
{
    size_t n = strcspn(capability, ":");

    for (unsigned i = 0; i < ARRAY_LEN(kinds); i++)
        if (strlen(kinds[i].prefix) == n && !strncmp(kinds[i].prefix, capability, n))
            return &kinds[i];
    return NULL;
}

int capability_bind(const char *text, struct launch_bind *ret_bind)
{
    struct launch_bind bind = {0};
    unsigned char scratch[16];
    const char *colon, *hash = strrchr(text, '#');
    size_t len;
    long port;
    char *end;

    if (!strncmp(text, "udp/", 4))
        bind.udp = true;
    else if (strncmp(text, "tcp/", 4))
        return -1;
    text += 4;
    if (!hash || !hash[1] || strlen(hash + 1) >= sizeof(bind.name))
        return -1;
    snprintf(bind.name, sizeof(bind.name), "%s", hash + 1);
    for (colon = hash; colon > text && *colon != ':'; colon--)
        ;
    if (colon == text)
        return -1;
    port = strtol(colon + 1, &end, 10);
    if (end != hash || port < 1 || port > 65535)
        return -1;
    bind.port = (uint16_t)port;
    len = (size_t)(colon - text);
    if (len > 2 && text[0] == '[' && text[len - 1] == ']') {
        text++;
        len -= 2;
    }
    if (len >= sizeof(bind.address))
        return -1;
    memcpy(bind.address, text, len);
    if (inet_pton(AF_INET, bind.address, scratch) != 1 &&
        inet_pton(AF_INET6, bind.address, scratch) != 1)
        return -1;
    *ret_bind = bind;
    return 0;
}

/* An RFC 6901 pointer of printable characters, not the empty one. */
static bool is_path(const char *text)
{
    if (!*text || !pointer_is_valid(text))
        return false;
    for (; *text; text++)
        if ((unsigned char)*text <= ' ' || *text == 127)
            return false;
    return true;
}

/* Capabilities are shown, logged, and put into the schema of /services. */
static bool is_printable(const char *text)
{
    for (; *text; text++)
        if (*text <= ' ' || *text > '~' || *text == '"' || *text == '\\')
            return false;
    return true;
}

int capability_check(const char *capability, struct orb_err *err)
{
    const struct kind *kind = kind_of(capability);
    const char *argument = strchr(capability, ':');
    const char *names[ARRAY_LEN(kinds)];
    AUTO_FREE char *word = xstrndup(capability, strcspn(capability, ":"));
    struct launch_bind bind;
    const char *near;
    bool ok;

    if (!is_printable(capability) || strlen(capability) > CAPABILITY_MAX)
        return orb_fail(err, ORB_E_INVALID,
                        "a capability is at most %d printable ASCII characters without blanks, "
                        "quotes and backslashes",
                        CAPABILITY_MAX);
    if (!kind) {
        for (unsigned i = 0; i < ARRAY_LEN(kinds); i++)
            names[i] = kinds[i].prefix;
        near = suggest_nearest(word, names, ARRAY_LEN(kinds));
        return orb_fail(err, ORB_E_INVALID, "unknown capability \"%s\"%s%s%s", capability,
                        SUGGEST_ARGS(near));
    }
    ok = !!argument == kind->has_argument;
    if (ok && !strncmp(kind->prefix, "config.", 7))
        ok = is_path(argument + 1);
    else if (ok && !strncmp(kind->prefix, "ipc.", 4))
        ok = argument[1] != '/' && strchr(argument, '/') && strchr(argument, '/')[1];
    else if (ok && !strcmp(kind->prefix, "net.bind"))
        ok = capability_bind(argument + 1, &bind) == 0;
    if (!ok)
        return orb_fail(err, ORB_E_INVALID,
                        "capability \"%s\" is not well-formed; expected e.g. %s", capability,
                        kind->example);
    return 0;
}
