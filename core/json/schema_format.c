/* Values of "format", mostly of networking, since configurations hold these. An address with host
 * bits ("10.0.0.1/24") is a cidr, as interfaces have such. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/suggest.h"
#include "core/json/schema_internal.h"

static bool is_ipv4(const char *text)
{
    struct in_addr a;

    return inet_pton(AF_INET, text, &a) == 1;
}

static bool is_ipv6(const char *text)
{
    struct in6_addr a;

    return inet_pton(AF_INET6, text, &a) == 1;
}

/* A decimal number without leading zeros up to most; *end is where it stops. */
static bool decimal(const char *text, unsigned long most, unsigned long *ret, const char **end)
{
    size_t n = strspn(text, "0123456789");

    if (n == 0 || n > 9 || (text[0] == '0' && n > 1))
        return false;
    *ret = strtoul(text, NULL, 10);
    *end = text + n;
    return *ret <= most;
}

static bool with_prefix(const char *text, bool (*is_address)(const char *), unsigned long most)
{
    char address[INET6_ADDRSTRLEN + 1];
    const char *slash = strchr(text, '/'), *end;
    unsigned long bits;

    if (!slash || (size_t)(slash - text) >= sizeof(address))
        return false;
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = '\0';
    return is_address(address) && decimal(slash + 1, most, &bits, &end) && !*end;
}

static bool is_cidr4(const char *text)
{
    return with_prefix(text, is_ipv4, 32);
}

static bool is_cidr6(const char *text)
{
    return with_prefix(text, is_ipv6, 128);
}

static bool is_cidr(const char *text)
{
    return is_cidr4(text) || is_cidr6(text);
}

static bool is_ip(const char *text)
{
    return is_ipv4(text) || is_ipv6(text);
}

static bool is_mac(const char *text)
{
    if (strlen(text) != 17)
        return false;
    for (int i = 0; i < 17; i++)
        if (i % 3 == 2 ? text[i] != ':' : !isxdigit((unsigned char)text[i]))
            return false;
    return true;
}

/* RFC 1123 labels, no trailing dot. */
static bool is_hostname(const char *text)
{
    size_t label = 0, len = strlen(text);

    if (len == 0 || len > 253)
        return false;
    for (size_t i = 0; i <= len; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c == '.' || c == '\0') {
            if (label == 0 || text[i - 1] == '-')
                return false;
            label = 0;
        } else if (++label > 63 || !(isalnum(c) || (c == '-' && label > 1))) {
            return false;
        }
    }
    return true;
}

/* What the kernel's dev_valid_name() accepts, limited to visible ASCII. */
static bool is_ifname(const char *text)
{
    size_t len = strlen(text);

    if (len == 0 || len > 15 || !strcmp(text, ".") || !strcmp(text, ".."))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isgraph((unsigned char)text[i]) || strchr("/:", text[i]))
            return false;
    return true;
}

static bool is_port(const char *text)
{
    unsigned long port;
    const char *end;

    return decimal(text, 65535, &port, &end) && port > 0 && !*end;
}

static bool is_port_range(const char *text)
{
    unsigned long low, high;
    const char *end;

    if (is_port(text))
        return true;
    return decimal(text, 65535, &low, &end) && low > 0 && *end == '-' &&
           decimal(end + 1, 65535, &high, &end) && !*end && low <= high;
}

/* Also the name of a service; which names there are is not this library's knowledge. */
static bool is_port_name(const char *text)
{
    if (*text < 'a' || *text > 'z')
        return is_port_range(text);
    return !text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-")];
}

/* What rules match: also the name of a group of ports; "!" before any of them. */
static bool is_port_match(const char *text)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";

    text += *text == '!';
    if (*text != '@')
        return is_port_name(text);
    text++;
    return *text && *text != '.' && *text != '-' && !text[strspn(text, letters)];
}

static bool is_duration(const char *text)
{
    static const char *const units[] = {"ms", "s", "m", "h", "d", "w"};
    unsigned long n;
    int parts = 0;

    while (*text) {
        size_t unit = 0;

        if (!decimal(text, 999999999, &n, &text))
            return false;
        while (unit < ARRAY_LEN(units) && strncmp(text, units[unit], strlen(units[unit])))
            unit++;
        if (unit == ARRAY_LEN(units))
            return false;
        text += strlen(units[unit]);
        parts++;
    }
    return parts > 0;
}

static const struct format formats[] = {
    {"ipv4", is_ipv4, "an IPv4 address like 192.0.2.1", false},
    {"ipv6", is_ipv6, "an IPv6 address like 2001:db8::1", false},
    {"ip", is_ip, "an IP address like 192.0.2.1 or 2001:db8::1", false},
    {"cidr", is_cidr, "an address with prefix length like 192.0.2.0/24 or 2001:db8::/32", false},
    {"cidr4", is_cidr4, "an IPv4 address with prefix length like 192.0.2.0/24", false},
    {"cidr6", is_cidr6, "an IPv6 address with prefix length like 2001:db8::/32", false},
    {"mac", is_mac, "a MAC address like 02:00:5e:10:00:01", false},
    {"hostname", is_hostname, "a host name like gw.example.org", false},
    {"ifname", is_ifname, "an interface name like eth0 (at most 15 characters)", false},
    {"port", is_port, "a port between 1 and 65535", true},
    {"port-range", is_port_range, "a port or a range like 1024-2047", true},
    {"port-name", is_port_name,
     "a port of 1 to 65535, a range like 1024-2047, or a service like https", true},
    {"port-match", is_port_match,
     "a port of 1 to 65535, a range like 1024-2047, a service like https, or @GROUP", true},
    {"duration", is_duration, "a duration like 500ms, 30s or 1h30m (units ms s m h d w)", false},
};

const struct format *schema_format(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (!strcmp(formats[i].name, name))
            return &formats[i];
    return NULL;
}

const char *schema_format_words(const char *name)
{
    const struct format *format = schema_format(name);

    return format ? format->words : "";
}

const char *schema_format_nearest(const char *name)
{
    const char *names[ARRAY_LEN(formats)];

    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        names[i] = formats[i].name;
    return suggest_nearest(name, names, ARRAY_LEN(formats));
}
