/* Files of /proc that stay open, in a network namespace that ends with the test. */
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/kept_file.h"
#include "test/lib/harness.h"

#define MTU "/proc/sys/net/ipv6/conf/d0/mtu"

/* Before any test: without root there is no namespace. */
__attribute__((constructor)) static void skip_without_root(void)
{
    if (geteuid() == 0)
        return;
    puts("1..0 # SKIP not root: no network namespace for interfaces");
    exit(0);
}

static void command(const char *text)
{
    ck_assert_msg(system(text) == 0, "%s", text);
}

static long mtu(struct kept_file *kept)
{
    char text[32];

    return kept_file_read(kept, MTU, text, sizeof(text)) < 0 ? -1 : strtol(text, NULL, 10);
}

TEST(a_setting_is_read_anew_each_time)
{
    struct kept_file kept = {0};
    int first;

    ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
    ck_assert_int_eq(mtu(&kept), -1);
    ck_assert_int_eq(kept.descriptor, 0);
    command("ip link add d0 type veth peer name p0");
    ck_assert_int_eq(mtu(&kept), 1500);
    first = kept.descriptor;
    ck_assert_int_gt(first, 0);
    command("echo 1400 >" MTU);
    ck_assert_int_eq(mtu(&kept), 1400);
    ck_assert_int_eq(kept.descriptor, first); /* it was not opened again */
    kept_file_close(&kept);
    ck_assert_int_eq(kept.descriptor, 0);
}

TEST(what_has_the_name_of_one_that_vanished_is_read_instead)
{
    struct kept_file kept = {0};

    ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
    command("ip link add d0 type veth peer name p0");
    ck_assert_int_eq(mtu(&kept), 1500);
    command("ip link del d0");
    ck_assert_int_eq(mtu(&kept), -1);
    ck_assert_int_eq(kept.descriptor, 0);
    command("ip link add d0 type veth peer name p0 && echo 1300 >" MTU);
    ck_assert_int_eq(mtu(&kept), 1300);
    command("ip link set d0 name d1 && ip link add d0 type veth peer name p1");
    ck_assert_int_eq(mtu(&kept), 1500);
    kept_file_close(&kept);
}

TEST(a_longer_file_is_read_in_pieces_and_cut_at_the_end_of_the_memory)
{
    struct kept_file kept = {0};
    char whole[65536], cut[8];
    ssize_t n = kept_file_read(&kept, "/proc/net/snmp", whole, sizeof(whole));

    ck_assert_int_gt(n, 500);
    ck_assert_int_eq((ssize_t)strlen(whole), n);
    ck_assert_ptr_nonnull(strstr(whole, "\nUdpLite: "));
    ck_assert_int_eq(kept_file_read(&kept, "/proc/net/snmp", cut, sizeof(cut)), 7);
    ck_assert_int_eq(memcmp(cut, whole, 7), 0);
    ck_assert_int_eq(cut[7], 0);
    kept_file_close(&kept);
    ck_assert_int_eq(kept_file_read(NULL, "/proc/net/snmp", cut, sizeof(cut)), 7);
    ck_assert_int_eq(kept_file_read(NULL, "/proc/net/none", cut, sizeof(cut)), -ENOENT);
    ck_assert_str_eq(cut, "");
}
