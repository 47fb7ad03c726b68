/* Runs the program of a pattern over a text: after each character the set of steps that are
 * reached, each once. */
#include <string.h>

#include "core/base/utf8.h"
#include "core/json/regex_internal.h"

struct set {
    uint16_t list[REGEX_STEPS];
    size_t count;
};

struct run {
    const struct regex *regex;
    uint32_t mark[REGEX_STEPS]; /* the turn in which the step was reached last */
    uint32_t turn;
    uint16_t stack[REGEX_STEPS * 2];
    bool matched;
};

static uint32_t code_point(const char *p, size_t left, size_t *ret_len)
{
    uint32_t code = (unsigned char)*p;
    size_t n = code < 0x80 ? 1 : utf8_len(p, left);

    *ret_len = n ? n : 1;
    if (n <= 1)
        return code;
    code &= 0xffu >> (n + 1);
    for (size_t i = 1; i < n; i++)
        code = code << 6 | ((unsigned char)p[i] & 0x3f);
    return code;
}

static bool is_word(const char *text, size_t len, size_t at)
{
    char c = at < len ? text[at] : '\0';

    return (c >= '0' && c <= '9') || c == '_' || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

static bool in_class(const struct regex_class *c, uint32_t code)
{
    bool found = false;

    if (code < 128)
        found = c->low[code / 64] >> code % 64 & 1;
    else
        for (size_t i = 0; i < c->count && !found; i++)
            found = code >= c->ranges[i * 2] && code <= c->ranges[i * 2 + 1];
    return found != c->inverted;
}

static bool takes(const struct regex *r, const struct regex_step *s, uint32_t code)
{
    if (s->op == RE_CHAR)
        return s->value == code;
    if (s->op == RE_CLASS)
        return in_class(&r->classes[s->value], code);
    return code != '\n' && code != '\r' && code != 0x2028 && code != 0x2029;
}

/* Adds a step and all that are reached from it without a character. */
static void reach(struct run *run, struct set *set, uint32_t first, const char *text, size_t len,
                  size_t at)
{
    size_t depth = 0;

    run->stack[depth++] = (uint16_t)first;
    while (depth) {
        uint16_t number = run->stack[--depth];
        const struct regex_step *s = &run->regex->steps[number];
        bool boundary;

        if (run->mark[number] == run->turn)
            continue;
        run->mark[number] = run->turn;
        switch (s->op) {
        case RE_SPLIT:
            run->stack[depth++] = (uint16_t)s->other;
            run->stack[depth++] = (uint16_t)s->value;
            break;
        case RE_JUMP:
            run->stack[depth++] = (uint16_t)s->value;
            break;
        case RE_START:
        case RE_END:
            if (s->op == RE_START ? at == 0 : at == len)
                run->stack[depth++] = (uint16_t)(number + 1);
            break;
        case RE_BOUNDARY:
        case RE_NO_BOUNDARY:
            boundary = (at > 0 && is_word(text, len, at - 1)) != is_word(text, len, at);
            if (boundary == (s->op == RE_BOUNDARY))
                run->stack[depth++] = (uint16_t)(number + 1);
            break;
        case RE_MATCH:
            run->matched = true;
            break;
        default:
            set->list[set->count++] = number;
        }
    }
}

bool regex_match(const struct regex *regex, const char *text, size_t len)
{
    struct run run;
    struct set sets[2], *now = &sets[0], *next = &sets[1];
    bool anchored = regex->steps[0].op == RE_START;

    run.regex = regex;
    run.turn = 1;
    run.matched = false;
    memset(run.mark, 0, regex->count * sizeof(run.mark[0]));
    now->count = 0;
    reach(&run, now, 0, text, len, 0);
    for (size_t at = 0, n; at < len && !run.matched && (now->count || !anchored); at += n) {
        uint32_t code = code_point(text + at, len - at, &n);
        struct set *swap = now;

        run.turn++;
        next->count = 0;
        for (size_t i = 0; i < now->count; i++)
            if (takes(regex, &regex->steps[now->list[i]], code))
                reach(&run, next, now->list[i] + 1u, text, len, at + n);
        if (!anchored)
            reach(&run, next, 0, text, len, at + n);
        now = next;
        next = swap;
    }
    return run.matched;
}
