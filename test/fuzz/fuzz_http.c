/* A request as the API reads it: first line METHOD TARGET, then the body. What must hold: a target
 * written anew from its decoded segments decodes to the same; a body the host's scanner takes is
 * taken; and a body that was taken cannot close what it is put into. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/body.h"
#include "api/route.h"
#include "api/text.h"
#include "api/url.h"
#include "core/json/scan.h"
#include "test/fuzz/bounds.h"

#define MOST_MS 200.0

static size_t made; /* bytes of output */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    must(holds, "what was read is not what it was read from, or no word says why");
}

static void encode(struct text *t, const char *s)
{
    for (; *s; s++)
        text_addf(t, "%%%02x", (unsigned char)*s);
}

static void check_again(const struct url *url)
{
    AUTO_TEXT t = {0};
    struct url second;

    for (unsigned i = 0; i < url->count; i++) {
        text_adds(&t, "/");
        encode(&t, url->segments[i]);
    }
    if (!url->count)
        text_adds(&t, "/");
    for (unsigned i = 0; i < url->pair_count; i++) {
        text_adds(&t, i ? "&" : "?");
        encode(&t, url->pairs[i].key);
        text_adds(&t, "=");
        encode(&t, url->pairs[i].value);
    }
    if (t.len > URL_MAX)
        return;
    require(url_parse(text_str(&t), &second, NULL) == 0);
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
        AUTO_TEXT pointer = {0};

        require(first <= url.count);
        route_pointer(&url, first, &pointer);
        require(!pointer.failed);
        made += pointer.len;
    } else {
        require(err.text[0] != '\0' && (r != ROUTE_WRONG_METHOD || allow[0]));
    }
}

static void check_body(const char *body, size_t len)
{
    static const struct json_limits limits = {.depth = BODY_MAX_DEPTH, .keys = 100000};
    struct orb_err err;
    const char *value;
    size_t value_len;
    AUTO_TEXT t = {0};
    int r = body_check(body, len, &err);

    if (json_scan(body, len, &limits, NULL) == 0)
        require(r == 0);
    if (r < 0) {
        require(err.text[0] != '\0');
        return;
    }
    text_adds(&t, "{\"ops\":[{\"path\":\"\"}],\"value\":");
    text_add(&t, body, len);
    text_adds(&t, ",\"after\":7}");
    require(body_member(t.data, t.len, "after", &value, &value_len) && value_len == 1);
    require(body_member(t.data, t.len, "value", &value, &value_len) && value_len <= len);
    require(body_check(value, value_len, NULL) == 0);
    for (const char *p = value + value_len; *p != ','; p++)
        require(strchr(" \t\r\n", *p) != NULL);
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
        /* exactly its size, so that a byte too far is seen */
        char *body = malloc(size - line);

        memcpy(body, text + line + 1, size - line - 1);
        check_body(body, size - line - 1);
        free(body);
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
