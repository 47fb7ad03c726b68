/* A request line as the API reads it, METHOD TARGET, then the text of a number. What must hold: a
 * target written anew from its decoded segments decodes to the same. (Bodies are read by
 * core/json's scanner, which has a target of its own.) */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/route.h"
#include "api/url.h"
#include "core/base/own.h"
#include "test/fuzz/bounds.h"

#define MOST_MS 200.0

static size_t made; /* bytes of output */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    must(holds, "what was read is not what it was read from, or no text has the reason");
}

static void encode(struct buf *t, const char *s)
{
    for (; *s; s++)
        buf_addf(t, "%%%02x", (unsigned char)*s);
}

static void check_again(const struct url *url)
{
    AUTO(buf) struct buf t = {0};
    struct url second;

    for (unsigned i = 0; i < url->count; i++) {
        buf_adds(&t, "/");
        encode(&t, url->segments[i]);
    }
    if (!url->count)
        buf_adds(&t, "/");
    for (unsigned i = 0; i < url->pair_count; i++) {
        buf_adds(&t, i ? "&" : "?");
        encode(&t, url->pairs[i].key);
        buf_adds(&t, "=");
        encode(&t, url->pairs[i].value);
    }
    if (t.len > URL_MAX)
        return;
    require(url_parse(buf_str(&t), &second, NULL) == 0);
    require(second.count == url->count && second.pair_count == url->pair_count);
    for (unsigned i = 0; i < url->count; i++)
        require(!strcmp(second.segments[i], url->segments[i]));
    for (unsigned i = 0; i < url->pair_count; i++) {
        require(!strcmp(second.pairs[i].value, url->pairs[i].value));
        require(url_query(url, second.pairs[i].key) != NULL);
    }
}

static void check_target(const char *method, const char *target)
{
    const struct route *route;
    struct orb_err err = {0};
    char allow[64];
    unsigned first;
    struct url url;
    int r = url_parse(target, &url, &err);

    if (r < 0) {
        require(err.text[0] != '\0');
        return;
    }
    check_again(&url);
    r = route_find(&url, method, &route, &first, allow, &err);
    if (r == 0) {
        AUTO(buf) struct buf pointer = {0};

        require(first <= url.count);
        route_pointer(&url, first, &pointer);
        made += pointer.len;
    } else {
        require(err.text[0] != '\0' && (r != ROUTE_WRONG_METHOD || allow[0]));
    }
}

static void check_number(const char *text)
{
    int64_t n;

    if (url_number(text, &n))
        require(n >= 0 && n <= (int64_t)1 << 53 && *text);
}

static int one(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    size_t line = 0;
    char *first, *space;

    while (line < size && text[line] != '\n')
        line++;
    first = strndup(text, line);
    if (!first)
        abort();
    space = strchr(first, ' ');
    if (space) {
        *space = '\0';
        check_target(first, space + 1);
    }
    free(first);
    if (line < size) {
        char *number = strndup(text + line + 1, size - line - 1);

        check_number(number);
        free(number);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    double before = cpu_ms();

    made = 0;
    one(data, size);
    must_fit(made, 4096, 8, size);
    must_end(before, MOST_MS, size);
    return 0;
}
