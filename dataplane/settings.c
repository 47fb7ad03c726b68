/* The kernel's settings the data plane relies on. They are set, never taken back: somebody else may
 * need them by then. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/base/own.h"
#include "dataplane/fast.h"

static int write_setting(const char *path, const char *value)
{
    AUTO_FD int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, value, strlen(value)) < 0)
        return -errno;
    return 0;
}

/* Whole seconds of a setting; fallback where there is none. */
static uint32_t read_seconds(const char *path, uint32_t fallback)
{
    AUTO_FILE FILE *file = fopen(path, "re");
    unsigned value;

    if (!file || fscanf(file, "%u", &value) != 1)
        return fallback;
    return value;
}

static uint32_t milliseconds(uint32_t seconds)
{
    return seconds > UINT32_MAX / 1000 ? UINT32_MAX : seconds * 1000;
}

int settings_apply(struct dataplane *dp, struct orb_err *err)
{
    static const struct {
        const char *path, *value;
        bool optional;
    } settings[] = {
        {"/proc/sys/net/ipv4/ip_forward", "1", false},
        {"/proc/sys/net/ipv6/conf/all/forwarding", "1", true}, /* a kernel without IPv6 */
        /* conntrack does not see the segments the fast path forwards, so its windows are old. */
        {"/proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal", "1", false},
        {"/proc/sys/net/netfilter/nf_conntrack_tcp_ignore_invalid_rst", "1", true},
    };

    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        int r = write_setting(settings[i].path, settings[i].value);

        if (r < 0 && !settings[i].optional)
            return orb_fail(err, r, "setting %s to %s", settings[i].path, settings[i].value);
    }
    if (dp->control) {
        dp->control->udp_timeout_ms = milliseconds(
            read_seconds("/proc/sys/net/netfilter/nf_conntrack_udp_timeout_stream", 120));
        dp->control->tcp_timeout_ms = milliseconds(
            read_seconds("/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established", 432000));
    }
    return 0;
}
