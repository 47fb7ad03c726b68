/* Reads the counters by netlink (nfnetlink, NFT_MSG_GETSETELEM; Linux 3.13): libnftables would
 * print ten thousand of them as text, after fetching the whole table.
 *
 * Note: the kernel walks a hash table. While its size changes a walk may return an element twice,
 * marked by NLM_F_DUMP_INTR; then everything is read again. */
#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/attribute.h"
#include "dataplane/dump.h"
#include "dataplane/tally.h"

#define TRIES 5
#define ELEMENTS_MAX 65536 /* the size of the set */

static uint64_t read_be64(const struct nlattr *a)
{
    uint64_t value = 0;

    if (attribute_size(a) >= sizeof(value))
        memcpy(&value, attribute_data(a), sizeof(value));
    return be64toh(value);
}

/* The data of expression "counter". */
static void read_counter(const struct nlattr *outer, struct tally *tally)
{
    EACH_ATTRIBUTE(a, attribute_data(outer), attribute_size(outer))
    {
        if (attribute_type(a) == NFTA_COUNTER_PACKETS)
            tally->packets = read_be64(a);
        else if (attribute_type(a) == NFTA_COUNTER_BYTES)
            tally->bytes = read_be64(a);
    }
}

static void read_expression(const struct nlattr *outer, struct tally *tally)
{
    EACH_ATTRIBUTE(a, attribute_data(outer), attribute_size(outer))
    {
        if (attribute_type(a) == NFTA_EXPR_DATA)
            read_counter(a, tally);
    }
}

/* A mark is a number in the machine's own byte order. */
static void read_key(const struct nlattr *outer, struct tally *tally)
{
    EACH_ATTRIBUTE(a, attribute_data(outer), attribute_size(outer))
    {
        if (attribute_type(a) == NFTA_DATA_VALUE && attribute_size(a) >= sizeof(tally->key))
            memcpy(&tally->key, attribute_data(a), sizeof(tally->key));
    }
}

static void read_element(const struct nlattr *outer, struct tally_list *list)
{
    struct tally tally = {0};

    EACH_ATTRIBUTE(a, attribute_data(outer), attribute_size(outer))
    {
        if (attribute_type(a) == NFTA_SET_ELEM_KEY)
            read_key(a, &tally);
        else if (attribute_type(a) == NFTA_SET_ELEM_EXPR)
            read_expression(a, &tally);
    }
    if (!tally.key || list->count == ELEMENTS_MAX)
        return;
    if (list->count == list->size) {
        list->size = list->size ? list->size * 2 : 256;
        list->items = xrealloc(list->items, list->size * sizeof(*list->items));
    }
    list->items[list->count++] = tally;
}

static void read_elements(const struct nlattr *outer, struct tally_list *list)
{
    EACH_ATTRIBUTE(a, attribute_data(outer), attribute_size(outer))
    {
        read_element(a, list);
    }
}

static bool on_message(void *arg, const struct nlmsghdr *h)
{
    const char *start = (const char *)NLMSG_DATA(h) + NLMSG_ALIGN(sizeof(struct nfgenmsg));

    if (h->nlmsg_len < NLMSG_LENGTH(sizeof(struct nfgenmsg)))
        return true;
    EACH_ATTRIBUTE(a, start, (size_t)((const char *)h + h->nlmsg_len - start))
    {
        if (attribute_type(a) == NFTA_SET_ELEM_LIST_ELEMENTS)
            read_elements(a, arg);
    }
    return true;
}

/* 1: the set changed during the dump. */
static int dump(struct tally_list *list, struct orb_err *err)
{
    struct {
        struct nlmsghdr h;
        struct nfgenmsg head;
        struct nlattr table;
        char table_name[8]; /* both with their NUL, padded */
        struct nlattr set;
        char set_name[8];
    } request = {.h = {.nlmsg_len = sizeof(request),
                       .nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSETELEM,
                       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
                 .head = {.nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0},
                 .table = {.nla_len = sizeof(struct nlattr) + sizeof("orbital"),
                           .nla_type = NFTA_SET_ELEM_LIST_TABLE},
                 .table_name = "orbital",
                 .set = {.nla_len = sizeof(struct nlattr) + sizeof("tally"),
                         .nla_type = NFTA_SET_ELEM_LIST_SET},
                 .set_name = "tally"};
    int r = dump_run(NETLINK_NETFILTER, &request.h, on_message, list);

    if (r < 0 && r != -EINTR && r != -ENOENT) /* there is no such table */
        return orb_fail(err, r, "reading nftables' counters");
    return r == -EINTR;
}

static int by_key(const void *a, const void *b)
{
    uint32_t x = ((const struct tally *)a)->key, y = ((const struct tally *)b)->key;

    return (x > y) - (x < y);
}

static void sort(struct tally_list *list)
{
    unsigned kept = 0;

    if (list->count)
        qsort(list->items, list->count, sizeof(*list->items), by_key);
    for (unsigned i = 0; i < list->count; i++)
        if (!kept || list->items[kept - 1].key != list->items[i].key)
            list->items[kept++] = list->items[i];
    list->count = kept;
}

int tally_read(struct tally_list *ret_list, struct orb_err *err)
{
    AUTO(tally_list) struct tally_list list = {0};
    int r = 1;

    for (int i = 0; r > 0 && i < TRIES; i++) {
        list.count = 0;
        r = dump(&list, err);
    }
    if (r < 0)
        return r;
    sort(&list);
    *ret_list = list;
    list.items = NULL;
    return 0;
}

unsigned tally_after(const struct tally_list *list, uint32_t key)
{
    unsigned low = 0, high = list->count;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;

        if (list->items[middle].key <= key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct tally *tally_find(const struct tally_list *list, uint32_t key)
{
    unsigned at = tally_after(list, key);

    return at && list->items[at - 1].key == key ? &list->items[at - 1] : NULL;
}
