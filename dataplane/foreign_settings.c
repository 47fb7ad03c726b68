/* Settings of the kernel (sysctls) that change how it forwards, and that it sends no events for:
 * foreign_poll.c compares them, foreign.c publishes what they mean. */
#include "dataplane/foreign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "bpf/abi.h"
#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/base.h"
#include "dataplane/dataplane_internal.h"

#define REDIRECT_MS 300000 /* as long as a gateway that was learned holds (RT_GC_TIMEOUT) */
#define SNMP_MAX 16384     /* bytes of /proc/net/snmp */
#define BY_PORTS 1         /* of fib_multipath_hash_policy: without the flow label */

enum { PRIORITY, REDIRECTS, LEARNED_MTUS, HASH4, HASH6, ACCOUNTING };

static const struct {
    const char *path;
    uint32_t otherwise; /* where there is no such setting */
} table[] = {
    [PRIORITY] = {"/proc/sys/net/ipv4/ip_forward_update_priority", 1}, /* before 4.18: always */
    [REDIRECTS] = {"/proc/sys/net/ipv4/conf/all/accept_redirects", 0},
    [LEARNED_MTUS] = {"/proc/sys/net/ipv4/ip_forward_use_pmtu", 0},
    [HASH4] = {"/proc/sys/net/ipv4/fib_multipath_hash_policy", 0},
    [HASH6] = {"/proc/sys/net/ipv6/fib_multipath_hash_policy", 0},
    [ACCOUNTING] = {"/proc/sys/net/netfilter/nf_conntrack_acct", 0},
};
_Static_assert(ARRAY_LEN(table) <= ARRAY_LEN(((struct foreign_files *)0)->settings),
               "each has its file");

/* `otherwise` where there is no such file. */
static uint32_t number(struct kept_file *kept, const char *path, uint32_t otherwise)
{
    char text[32];

    return kept_file_read(kept, path, text, sizeof(text)) < 0 ? otherwise
                                                              : (uint32_t)strtoul(text, NULL, 10);
}

static uint32_t setting(struct foreign_files *files, unsigned which)
{
    return number(files ? &files->settings[which] : NULL, table[which].path,
                  table[which].otherwise);
}

/* Whether this network namespace was ever sent an ICMP redirect (RFC 1213, icmpInRedirects): the
 * kernel counts each, also those that it does not follow. What cannot be read counts as sent. */
static bool redirected(struct foreign_files *files)
{
    AUTO_FREE char *text = xcalloc(1, SNMP_MAX);
    char *names, *values, *name, *value, *names_rest, *values_rest;

    if (kept_file_read(files ? &files->snmp : NULL, "/proc/thread-self/net/snmp", text, SNMP_MAX) <
        0)
        return true;
    names = strstr(text, "Icmp: ");
    values = names ? strstr(names + 1, "\nIcmp: ") : NULL;
    if (!values)
        return true;
    *values++ = '\0';
    values[strcspn(values, "\n")] = '\0';
    name = strtok_r(names, " ", &names_rest);
    value = strtok_r(values, " ", &values_rest);
    while (name && value && strcmp(name, "InRedirects")) {
        name = strtok_r(NULL, " ", &names_rest);
        value = strtok_r(NULL, " ", &values_rest);
    }
    return !name || !value || strcmp(value, "0");
}

/* A gateway that was learned holds until then, also where none are learned any more; none was
 * without a redirect. A host that becomes a router had it set until a moment ago. Both threads that
 * look at settings come here. */
static uint32_t redirects(struct dataplane *dp, struct foreign_files *files)
{
    uint64_t now = now_ms();
    uint32_t set = setting(files, REDIRECTS);
    bool was_set = __atomic_exchange_n(&dp->redirects_set, set != 0, __ATOMIC_SEQ_CST);

    if ((set || was_set) && redirected(files))
        __atomic_store_n(&dp->redirects_until, now + REDIRECT_MS, __ATOMIC_SEQ_CST);
    if (!set && now < __atomic_load_n(&dp->redirects_until, __ATOMIC_SEQ_CST))
        return FOREIGN_REDIRECTS_HELD;
    return set;
}

struct foreign_settings foreign_settings(struct dataplane *dp, struct foreign_files *files)
{
    return (struct foreign_settings){.update_priority = setting(files, PRIORITY),
                                     .redirects = redirects(dp, files),
                                     .learned_mtus = setting(files, LEARNED_MTUS),
                                     .hash4 = setting(files, HASH4),
                                     .hash6 = setting(files, HASH6),
                                     .accounting = setting(files, ACCOUNTING)};
}

/* The one of this name: what another interface had there is closed. */
static struct kept_file *file_of(struct foreign_mtu *mtu, const char *name)
{
    if (strcmp(mtu->name, name)) {
        kept_file_close(&mtu->file);
        snprintf(mtu->name, sizeof(mtu->name), "%s", name);
    }
    return &mtu->file;
}

void foreign_settings_mix_mtus(struct foreign_files *files, const uint32_t *ports, unsigned count,
                               uint64_t *state)
{
    AUTO_FD int fd = count <= FOREIGN_MTUS ? socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
    char path[64];
    uint32_t own, link;

    for (unsigned i = 0; fd >= 0 && i < count; i++) {
        struct ifreq request = {.ifr_ifindex = (int)ports[i]};
        struct kept_file *file;

        if (ioctl(fd, SIOCGIFNAME, &request) < 0)
            continue;
        snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/mtu", request.ifr_name);
        file = file_of(&files->mtus[i], request.ifr_name);
        if (ioctl(fd, SIOCGIFMTU, &request) < 0)
            continue;
        link = (uint32_t)request.ifr_mtu;
        own = number(file, path, link);
        if (own == link)
            continue;
        base_digest_mix(state, &ports[i], sizeof(ports[i]));
        base_digest_mix(state, &own, sizeof(own));
    }
}

void foreign_settings_read(struct dataplane *dp, struct foreign *foreign)
{
    struct foreign_settings now = foreign_settings(dp, NULL);

    if (!now.update_priority)
        foreign->flags |= FOREIGN_KEEP_PRIORITY;
    foreign->hash4 = now.hash4;
    foreign->hash6 = now.hash6;
    if (now.hash6 != BY_PORTS)
        foreign->by_label = true;
    /* Both make the kernel learn next hops and MTUs of destinations by ICMP, without an event;
     * route lookups from BPF do not see a learned gateway. */
    if (now.redirects)
        foreign_note(foreign, FOREIGN_SETTING, FOREIGN_IP4,
                     now.redirects == FOREIGN_REDIRECTS_HELD
                         ? "net.ipv4.conf.all.accept_redirects was set within five minutes"
                         : "net.ipv4.conf.all.accept_redirects is set");
    else if (now.learned_mtus)
        foreign_note(foreign, FOREIGN_SETTING, FOREIGN_IP4, "net.ipv4.ip_forward_use_pmtu is set");
    if (now.accounting) /* a BPF program cannot add to conntrack's counters */
        foreign_note(foreign, FOREIGN_SETTING, FOREIGN_IP4 | FOREIGN_IP6,
                     "net.netfilter.nf_conntrack_acct is set");
}
