/* Netlink dumps with malformed answers, which test/fuzz/kernel.h supplies. */
#include <linux/if_link.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "core/base/own.h"
#include "dataplane/base.h"
#include "dataplane/dataplane_internal.h"
#include "dataplane/link.h"
#include "dataplane/tally.h"
#include "test/fuzz/kernel.h"
#include "test/lib/harness.h"

#define HEAD "\0\0\1\0\2\0\0\0\0\0\0\0\0\0\0\0" /* struct ifinfomsg: interface 2 */
#define NAMED "\3\3lo"                          /* IFLA_IFNAME; the NUL is that of the string */

static const struct kernel_type types[] = {{RTM_NEWLINK, sizeof(struct ifinfomsg)},
                                           {NLMSG_ERROR, sizeof(struct nlmsgerr) - 4},
                                           {NLMSG_DONE, 4}};

static struct kernel reported(const void *data, size_t size)
{
    return (struct kernel){
        .types = types, .type_count = ARRAY_LEN(types), .data = data, .left = size, .rest = 0xff};
}

static int links_of(const void *data, size_t size, struct link_list *list, struct orb_err *err)
{
    struct kernel kernel = reported(data, size);
    int r;

    kernel_begin(&kernel);
    r = link_read(list, err);
    kernel_end(&kernel);
    return r;
}

TEST(a_list_with_its_end_is_taken)
{
    static const char whole[] = "\0"
                                "\0\20\25" HEAD NAMED;
    AUTO(link_list) struct link_list list = {0};
    struct orb_err err = {0};

    ck_assert_int_eq(links_of(whole, sizeof(whole), &list, &err), 0);
    ck_assert_uint_eq(list.count, 1);
    ck_assert_str_eq(list.items[0].name, "lo");
}

TEST(a_list_that_an_error_without_a_code_cuts_is_refused)
{
    static const char cut[] = "\1"
                              "\0\0\25" HEAD NAMED "\0"
                              "\1\0\20\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    AUTO(link_list) struct link_list list = {0};
    struct orb_err err = {0};

    ck_assert_int_lt(links_of(cut, sizeof(cut), &list, &err), 0);
    ck_assert_uint_eq(list.count, 0);
    ck_assert_str_ne(err.text, "");
}

TEST(an_error_too_short_for_its_code_is_an_error)
{
    static const char small[] = "\0"
                                "\1\4\0\0\0";
    AUTO(link_list) struct link_list list = {0};
    AUTO(tally_list) struct tally_list tally = {0};
    struct kernel kernel = reported(small, sizeof(small));
    struct orb_err err = {0};
    uint64_t digest;

    ck_assert_int_lt(links_of(small, sizeof(small), &list, &err), 0);
    kernel_begin(&kernel);
    ck_assert_int_lt(tally_read(&tally, &err), 0);
    kernel_end(&kernel);
    kernel = reported(small, sizeof(small));
    kernel_begin(&kernel);
    ck_assert_int_eq(base_table_look(&digest, NULL, NULL), TABLE_UNKNOWN);
    kernel_end(&kernel);
}

TEST(a_message_too_short_for_an_interface_is_none)
{
    static const char small[] = "\0"
                                "\0\24\1\0";
    AUTO(link_list) struct link_list list = {0};
    struct orb_err err = {0};

    ck_assert_int_eq(links_of(small, sizeof(small), &list, &err), 0);
    ck_assert_uint_eq(list.count, 0);
}
