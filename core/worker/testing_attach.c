/* What config@1 attach and fetch answer: a slice of the tree as text. */
#include "core/worker/testing_attach.h"

#include <string.h>

#include "core/base/json_write.h"

#define SLICE 60000u /* bytes of a tree or a patch */

static void slice(const struct orb_test *test, const char *text, const cJSON *in,
                  struct buf *ret_text)
{
    struct json_write w = json_write_to(ret_text);
    size_t len = strlen(text), at = 0, size;
    int64_t offset;

    if (orb_int64(cJSON_GetObjectItemCaseSensitive(in, "offset"), &offset) == 0)
        at = (size_t)offset < len ? (size_t)offset : len;
    size = len - at < SLICE ? len - at : SLICE;
    while (at + size < len && ((unsigned char)text[at + size] & 0xc0) == 0x80)
        size--; /* not inside a character */
    json_write_object(&w, NULL);
    json_write_integer(&w, "revision", (int64_t)test->revision);
    json_write_integer(&w, "bytes", (int64_t)len);
    json_write_string_len(&w, "data", text + at, size);
    json_write_end(&w);
}

void testing_attach_answer(const struct orb_test *test, const char *input, struct buf *ret_text)
{
    char *tree = cJSON_PrintUnformatted(test->tree);
    cJSON *in = sdk_parse(input, strlen(input));

    slice(test, !strcmp(sdk_text_of(in, "what"), "tx") ? buf_str(&test->patch_text) : tree, in,
          ret_text);
    cJSON_Delete(in);
    cJSON_free(tree);
}
