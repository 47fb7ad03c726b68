/* Settings of the kernel (sysctls) that change how it forwards, and that it sends no events for:
 * company_poll.c compares them, company.c publishes what they mean. */
#include "dataplane/company.h"

#include <stdio.h>
#include <stdlib.h>

#include "bpf/abi.h"
#include "core/base/buf.h"
#include "core/base/own.h"

#define BY_PORTS 1 /* of fib_multipath_hash_policy: without the flow label */

/* `otherwise` where there is no such setting. */
static uint32_t setting(const char *name, uint32_t otherwise)
{
    AUTO(buf) struct buf text = {0};
    char path[96];

    snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
    if (file_read(path, 32, &text, NULL) < 0)
        return otherwise;
    return (uint32_t)strtoul(buf_str(&text), NULL, 10);
}

struct company_settings company_settings(void)
{
    return (struct company_settings){
        .update_priority = setting("ipv4/ip_forward_update_priority", 1), /* before 4.18: always */
        .redirects = setting("ipv4/conf/all/accept_redirects", 0),
        .learned_mtus = setting("ipv4/ip_forward_use_pmtu", 0),
        .hash4 = setting("ipv4/fib_multipath_hash_policy", 0),
        .hash6 = setting("ipv6/fib_multipath_hash_policy", 0)};
}

void company_read_settings(struct company *company)
{
    struct company_settings now = company_settings();

    if (!now.update_priority)
        company->flags |= COMPANY_KEEP_PRIORITY;
    if (now.hash6 != BY_PORTS)
        company->by_label = true;
    /* Both make the kernel learn by ICMP where a destination's packets go and how large they may
     * be, without an event; the look-up of routes knows no gateway that was learned. */
    if (now.redirects)
        company_note(company, COMPANY_SETTING, COMPANY_IP4,
                     "net.ipv4.conf.all.accept_redirects is set");
    else if (now.learned_mtus)
        company_note(company, COMPANY_SETTING, COMPANY_IP4, "net.ipv4.ip_forward_use_pmtu is set");
}
