/* core/sup/problems.c: the list a service reports of what is wrong with it. */
#include "core/sup/problems.h"

#include <string.h>

#include "core/base/own.h"
#include "test/lib/harness.h"

static void read_list(struct problems *list, const char *text, uint64_t now)
{
    struct problems fresh = {0};
    struct orb_err err = {0};

    ck_assert_int_eq(problems_read(list, text, strlen(text), now, &fresh, &err), 0);
    problems_fini(list);
    *list = fresh;
}

TEST(a_problem_that_is_reported_again_keeps_its_time)
{
    struct problems list = {0};

    read_list(&list,
              "{\"problems\":[{\"key\":\"a\",\"what\":\"A\",\"level\":\"failed\"}],\"more\":2}",
              100);
    ck_assert_uint_eq(list.more, 2);
    ck_assert(list.items[0].failed);
    read_list(&list,
              "{\"problems\":[{\"key\":\"b\",\"what\":\"B\"},{\"key\":\"a\",\"what\":\"A2\"}]}",
              200);
    ck_assert_uint_eq(list.count, 2);
    ck_assert_uint_eq(problems_find(&list, "a")->since_ms, 100);
    ck_assert_uint_eq(problems_find(&list, "b")->since_ms, 200);
    ck_assert_str_eq(problems_find(&list, "a")->what, "A2");
    ck_assert_ptr_null(problems_find(&list, "c"));
    problems_fini(&list);
}

TEST(a_list_that_is_none_is_refused_and_long_words_are_cut)
{
    static const char *const bad[] = {"[]", "{}", "{\"problems\":{}}", "{\"problems\":"};
    struct problems list = {0}, fresh = {0};
    struct orb_err err = {0};
    AUTO(buf) struct buf text = {0}, out = {0};
    struct json_write w = json_write_to(&out);

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_int_lt(problems_read(&list, bad[i], strlen(bad[i]), 1, &fresh, &err), 0);
    buf_adds(&text, "{\"problems\":[");
    for (int i = 0; i <= ORB_PROBLEMS_MAX; i++)
        buf_addf(&text, "%s{\"key\":\"k%d\",\"what\":\"w\"}", i ? "," : "", i);
    buf_adds(&text, "]}");
    ck_assert_int_lt(problems_read(&list, buf_str(&text), text.len, 1, &fresh, &err), 0);
    buf_clear(&text);
    buf_adds(&text, "{\"problems\":[{\"key\":\"k\",\"what\":\"");
    for (int i = 0; i < 1000; i++)
        buf_adds(&text, "x");
    buf_adds(&text, "\"},{\"key\":\"reports-nothing\"}]}");
    read_list(&list, buf_str(&text), 1);
    ck_assert_uint_eq(list.count, 1);
    ck_assert_uint_eq(strlen(list.items[0].what), ORB_ERR_TEXT - 1);
    problems_write(&list, &w, NULL);
    ck_assert_ptr_nonnull(strstr(buf_str(&out), "[{\"level\":\"degraded\",\"what\":\"xxx"));
    problems_fini(&list);
}
