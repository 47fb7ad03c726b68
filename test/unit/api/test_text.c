/* api/text.c */
#include <string.h>

#include "api/text.h"
#include "test/lib/harness.h"

TEST(a_json_string_escapes_what_must_be_and_keeps_the_rest)
{
    AUTO_TEXT t = {0};

    text_add_json(&t, "a\"\\\n\x01\xc3\xa9/", 8);
    ck_assert_str_eq(text_str(&t), "\"a\\\"\\\\\\n\\u0001\xc3\xa9/\"");
}

TEST(a_sentence_cut_inside_a_character_is_still_json)
{
    AUTO_TEXT t = {0};

    text_add_json(&t, "caf\xc3", 4);
    ck_assert_str_eq(text_str(&t), "\"caf\xef\xbf\xbd\"");
}

TEST(long_formatted_text_is_whole)
{
    AUTO_TEXT t = {0};
    char word[2001];

    memset(word, 'x', 2000);
    word[2000] = '\0';
    text_addf(&t, "<%s>", word);
    ck_assert_uint_eq(t.len, 2002);
    ck_assert(t.data[0] == '<' && t.data[2001] == '>' && !t.data[2002]);
}

TEST(members_and_pointers_are_put_together)
{
    AUTO_TEXT t = {0};

    text_adds(&t, "{");
    text_add_member(&t, "a", "1");
    text_add_member(&t, "b", "");
    ck_assert_str_eq(text_str(&t), "{\"a\":\"1\",\"b\":\"\"");
    text_fini(&t);
    text_add_pointer(&t, "a/b");
    text_add_pointer(&t, "");
    text_add_pointer(&t, "~");
    ck_assert_str_eq(text_str(&t), "/a~1b//~0");
}
