/* plugins/interfaces/order.c: planned steps, played by the kernel's rules, end in the order of the
 * configuration, remove nothing for good and touch nothing that is right. */
#include "plugins/interfaces/order.h"

#include <linux/if_addr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/lib/harness.h"

#define LINK 3

/* A list such as "10.1.0.1/24 10.1.0.9/24"; in the kernel's list "+" marks a secondary address. */
static unsigned read_list(const char *text, struct prefix *to, bool *secondary)
{
    char word[64];
    unsigned n = 0;
    int used;

    for (; sscanf(text, "%63s%n", word, &used) == 1; text += used) {
        bool plus = word[0] == '+';

        ck_assert_ptr_null(prefix_parse(word + plus, &to[n]));
        if (secondary)
            secondary[n] = plus;
        n++;
    }
    return n;
}

static void steps_are(const char *want, const char *have, const char *expected)
{
    struct prefix wanted[16], there[16];
    struct rtnl_addr addrs[17] = {0};
    struct rtnl_addrs list = {.items = addrs};
    struct order_step *steps;
    bool secondary[16];
    char shown[512] = "";
    unsigned count = read_list(want, wanted, NULL);
    int n;

    list.count = read_list(have, there, secondary);
    for (unsigned i = 0; i < list.count; i++)
        addrs[i] = (struct rtnl_addr){
            .index = LINK, .prefix = there[i], .flags = secondary[i] ? IFA_F_SECONDARY : 0};
    /* Another link's addresses are no concern. */
    addrs[list.count++] = (struct rtnl_addr){.index = LINK + 1, .prefix = there[0]};
    n = order_steps(wanted, count, LINK, &list, &steps);
    for (int i = 0; i < n; i++) {
        char text[ADDRESS_TEXT];

        snprintf(shown + strlen(shown), sizeof(shown) - strlen(shown), "%s%c%s", i ? " " : "",
                 steps[i].remove ? '-' : '+', prefix_text(&steps[i].prefix, text));
    }
    free(steps);
    ck_assert_str_eq(shown, expected);
}

TEST(an_order_that_is_right_takes_no_step)
{
    steps_are("10.1.0.1/24", "10.1.0.1/24", "");
    steps_are("10.1.0.1/24 10.1.0.9/24", "10.1.0.1/24 +10.1.0.9/24", "");
    steps_are("10.1.0.1/24 10.1.0.9/24 10.2.0.1/24", "10.1.0.1/24 10.2.0.1/24 +10.1.0.9/24", "");
    steps_are("10.1.0.1/24 10.1.0.9/16", "10.1.0.1/24 10.1.0.9/16", "");
    steps_are("2001:db8::1/64 10.1.0.1/24 2001:db8::2/64", "10.1.0.1/24", "");
}

TEST(the_first_of_a_network_becomes_its_primary_address)
{
    steps_are("10.1.0.9/24 10.1.0.1/24", "10.1.0.1/24 +10.1.0.9/24", "-10.1.0.1/24 +10.1.0.1/24");
    steps_are("10.1.0.3/24 10.1.0.1/24 10.1.0.2/24", "10.1.0.1/24 +10.1.0.2/24 +10.1.0.3/24",
              "-10.1.0.2/24 -10.1.0.1/24 +10.1.0.1/24 +10.1.0.2/24");
    steps_are("10.1.0.1/24 10.1.0.3/24 10.1.0.2/24", "10.1.0.1/24 +10.1.0.2/24 +10.1.0.3/24",
              "-10.1.0.2/24 +10.1.0.2/24");
}

TEST(networks_come_in_the_order_of_the_configuration)
{
    steps_are("10.2.0.1/24 10.1.0.1/24", "10.1.0.1/24 10.2.0.1/24", "-10.1.0.1/24 +10.1.0.1/24");
    steps_are("10.2.0.1/24 10.1.0.1/24 10.1.0.2/24", "10.1.0.1/24 10.2.0.1/24 +10.1.0.2/24",
              "-10.1.0.2/24 -10.1.0.1/24 +10.1.0.1/24 +10.1.0.2/24");
    /* A promoted address was moved behind the other networks. */
    steps_are("10.1.0.2/24 10.2.0.1/24", "10.2.0.1/24 10.1.0.2/24", "-10.2.0.1/24 +10.2.0.1/24");
    steps_are("10.3.0.1/32 10.2.0.1/32 10.1.0.1/32", "10.1.0.1/32 10.2.0.1/32 10.3.0.1/32",
              "-10.2.0.1/32 +10.2.0.1/32 -10.1.0.1/32 +10.1.0.1/32");
}

TEST(what_is_missing_or_foreign_is_passed_over)
{
    steps_are("10.1.0.5/24 10.1.0.1/24", "10.1.0.1/24", "");
    steps_are("10.1.0.1/24 10.2.0.1/24", "10.1.0.77/24 10.2.0.1/24 +10.1.0.1/24", "");
    steps_are("10.1.0.9/24 10.1.0.1/24", "10.1.0.77/24 +10.1.0.1/24 +10.1.0.9/24",
              "-10.1.0.1/24 +10.1.0.1/24");
    steps_are("10.1.0.1/24 169.254.0.1/16", "169.254.0.1/16 10.1.0.1/24", "");
}

/* have: as the kernel lists it, "!" marks one that another machine has; expected: what moves. */
static void moves_are(const char *want, const char *have, const char *expected)
{
    struct prefix wanted[16];
    struct rtnl_addr addrs[16] = {0};
    struct rtnl_addrs list = {.items = addrs};
    unsigned count = read_list(want, wanted, NULL), *moves;
    char word[64], shown[512] = "";
    int used, n;

    for (; sscanf(have, "%63s%n", word, &used) == 1; have += used) {
        struct rtnl_addr *a = &addrs[list.count++];
        bool failed = word[0] == '!';

        *a = (struct rtnl_addr){.index = LINK, .flags = failed ? IFA_F_DADFAILED : 0};
        ck_assert_ptr_null(prefix_parse(word + failed, &a->prefix));
    }
    n = order_moves6(wanted, count, LINK, &list, &moves);
    for (int i = 0; i < n; i++) {
        char text[ADDRESS_TEXT];

        snprintf(shown + strlen(shown), sizeof(shown) - strlen(shown), "%s%s", i ? " " : "",
                 prefix_text(&wanted[moves[i]], text));
    }
    free(moves);
    ck_assert_str_eq(shown, expected);
}

TEST(ipv6_addresses_that_come_too_late_in_the_kernels_list_move)
{
    moves_are("a::1/64 a::2/64 a::3/64", "a::1/64 a::2/64 a::3/64", "");
    moves_are("a::1/64 a::2/64 a::3/64", "a::2/64 a::1/64 a::3/64", "a::1/64");
    moves_are("a::1/64 a::2/64 a::3/64", "a::3/64 a::1/64 a::2/64", "a::2/64 a::1/64");
    moves_are("a::1/64 a::2/64 a::3/64", "a::1/64 a::3/64 a::2/64", "a::2/64 a::1/64");
    moves_are("a::1/64 a::2/64 a::3/64", "a::3/64 a::2/64 a::1/64", "a::2/64 a::1/64");
}

TEST(ipv6_addresses_that_do_not_matter_move_nothing)
{
    moves_are("a::1/64 a::2/64 a::3/64", "a::3/64 b::7/64", "");
    moves_are("a::1/64 fe80::1/64 a::3/64", "a::1/64 a::3/64 fe80::1/64", "");
    moves_are("a::1/64 a::2/64", "!a::2/64 a::1/64", "");
    moves_are("a::1/64 10.0.0.1/24", "b::1/64 a::1/64", "");
    moves_are("a::1/64 a::2/64", "b::1/64 a::2/64 c::1/64 a::1/64", "a::1/64");
}
