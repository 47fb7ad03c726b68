/* What schema offers for a value (x-orb-offer): the first 500 that fit, not those that fit among
 * the first 500. */
#include <string.h>

#include "core/base/own.h"
#include "test/lib/harness.h"
#include "test/unit/config/fake.h"

#define MANY 600u

static const char guest[] =
    "{\"interface\":\"guest\",\"version\":\"1.0\",\"config\":{\"type\":\"object\",\"properties\":{"
    "\"groups\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"object\",\"properties\":{"
    "\"addresses\":{\"type\":\"string\"},\"ports\":{\"type\":\"string\"}}}},"
    "\"use\":{\"type\":\"string\",\"x-orb-offer\":[\"any\",\"@/guest/groups/*/ports\"]}}}}";

static void offers_new(struct fake *f, unsigned without, unsigned with_ports)
{
    AUTO(buf) struct buf groups = {0};

    fake_new(f);
    fake_close(f);
    f->guest = guest;
    fake_open(f);
    buf_addc(&groups, '{');
    for (unsigned i = 0; i < without; i++)
        buf_addf(&groups, "\"a%03u\":{\"addresses\":\"x\"},", i);
    for (unsigned i = 0; i < with_ports; i++)
        buf_addf(&groups, "\"z%03u\":{\"ports\":\"1\"},", i);
    buf_adds(&groups, "\"zz\":{}}");
    fake_set(f, "/guest/groups", buf_str(&groups));
    fake_commit(f);
    ck_assert_int_eq(fake_ask(f, "ada", 1, "schema", "{\"path\":\"/guest/use\"}"), 0);
}

TEST(what_is_offered_is_found_behind_many_that_do_not_fit)
{
    struct fake f;
    json_t *names;

    offers_new(&f, MANY, 1);
    names = json_object_get(f.reply, "names");
    ck_assert_uint_eq(json_array_size(names), 2);
    ck_assert_str_eq(json_string_value(json_array_get(names, 1)), "@z000");
    ck_assert_ptr_null(json_object_get(f.reply, "more"));
    fake_free(&f);
}

TEST(more_offers_than_an_answer_holds_are_marked_as_more)
{
    struct fake f;

    offers_new(&f, 0, MANY);
    ck_assert_uint_eq(json_array_size(json_object_get(f.reply, "names")), 500);
    ck_assert(json_is_true(json_object_get(f.reply, "more")));
    fake_free(&f);
}
