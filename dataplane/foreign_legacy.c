/* Tables of iptables-legacy (ip_tables, ip6_tables). The kernel sends no events for them, but lists
 * the tables in use, and the number of entries of each.
 *
 * Note: reading the entries of a table that is not listed would create it. */
#include "dataplane/foreign.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "bpf/abi.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/base.h"
#include "dataplane/dataplane_internal.h"

#define NAMES_BYTES 4096
#define ENTRIES_BYTES 65536 /* of a table that holds nothing but its chains' policies */

/* ip6_tables has the same requests; its entries are longer. */
struct family {
    int family, level;
    size_t target; /* offset of the target in an entry */
    const char *names;
    const char *program;
    uint32_t all, fresh; /* FOREIGN_* */
};

static const struct family families[] = {
    {AF_INET, IPPROTO_IP, offsetof(struct ipt_entry, target_offset),
     "/proc/thread-self/net/ip_tables_names", "iptables", FOREIGN_IP4, FOREIGN_NEW4},
    {AF_INET6, IPPROTO_IPV6, offsetof(struct ip6t_entry, target_offset),
     "/proc/thread-self/net/ip6_tables_names", "ip6tables", FOREIGN_IP6, FOREIGN_NEW6},
};

struct table {
    const struct family *family;
    struct ipt_getinfo info;
    bool decides; /* has rules, or a policy that does not accept */
};

typedef void table_fn(void *arg, const struct table *table);

/* One entry for each chain's policy, and one that ends the table. */
static bool has_rules(const struct ipt_getinfo *info)
{
    return info->num_entries > (unsigned)__builtin_popcount(info->valid_hooks) + 1;
}

static int verdict_at(const struct family *family, const struct ipt_get_entries *entries,
                      size_t offset)
{
    const char *table = (const char *)entries->entrytable;
    uint16_t target = 0;
    int verdict = 0;

    if (offset + family->target + sizeof(target) <= entries->size)
        memcpy(&target, table + offset + family->target, sizeof(target));
    offset += target + offsetof(struct xt_standard_target, verdict);
    if (target && offset + sizeof(verdict) <= entries->size)
        memcpy(&verdict, table + offset, sizeof(verdict));
    return verdict;
}

/* Of the chains forwarded packets meet. */
static bool policies_accept(int fd, const struct table *table)
{
    static const unsigned hooks[] = {NF_INET_PRE_ROUTING, NF_INET_FORWARD, NF_INET_POST_ROUTING};
    socklen_t size = (socklen_t)(sizeof(struct ipt_get_entries) + table->info.size);
    AUTO_FREE struct ipt_get_entries *entries = NULL;

    if (table->info.size > ENTRIES_BYTES)
        return false;
    entries = xcalloc(1, size);
    memcpy(entries->name, table->info.name, sizeof(entries->name));
    entries->size = table->info.size;
    if (getsockopt(fd, table->family->level, IPT_SO_GET_ENTRIES, entries, &size) < 0)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(hooks); i++)
        if ((table->info.valid_hooks & 1u << hooks[i]) &&
            verdict_at(table->family, entries, table->info.underflow[hooks[i]]) != -NF_ACCEPT - 1)
            return false;
    return true;
}

/* files: NULL: none stays open. */
static void each_table(struct foreign_files *files, table_fn *each, void *arg)
{
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        const struct family *family = &families[i];
        char names[NAMES_BYTES];
        AUTO_FD int fd = -1;
        char *rest = NULL;

        if (kept_file_read(files ? &files->names[i] : NULL, family->names, names, sizeof(names)) <=
            0)
            continue;
        fd = socket(family->family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
        for (char *name = strtok_r(names, "\n", &rest); fd >= 0 && name;
             name = strtok_r(NULL, "\n", &rest)) {
            struct table table = {.family = family};
            socklen_t size = sizeof(table.info);

            snprintf(table.info.name, sizeof(table.info.name), "%s", name);
            if (getsockopt(fd, family->level, IPT_SO_GET_INFO, &table.info, &size) < 0)
                continue;
            table.decides = has_rules(&table.info) || !policies_accept(fd, &table);
            each(arg, &table);
        }
    }
}

static void read_table(void *arg, const struct table *table)
{
    const struct family *family = table->family;
    bool nat = !strcmp(table->info.name, "nat");
    char why[FOREIGN_TEXT];

    if (!table->decides)
        return;
    snprintf(why, sizeof(why), "%s table %.32s", family->program, table->info.name);
    foreign_note(arg, FOREIGN_IPTABLES, nat ? family->fresh : family->fresh | family->all, why);
}

void foreign_legacy_read(struct foreign *foreign)
{
    each_table(NULL, read_table, foreign);
}

static void mix_table(void *arg, const struct table *table)
{
    if (!table->decides)
        return;
    base_digest_mix(arg, &table->family->family, sizeof(table->family->family));
    base_digest_mix(arg, table->info.name, sizeof(table->info.name));
}

void foreign_legacy_mix(struct foreign_files *files, uint64_t *state)
{
    each_table(files, mix_table, state);
}
