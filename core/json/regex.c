/* From a pattern to a program, by a tree (regex_parse.h), as {n,m} writes a part several times. */
#include "core/json/regex.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/xalloc.h"
#include "core/json/regex_internal.h"
#include "core/json/regex_parse.h"

/* Of the tree while the program is written: () {1000} {1000} writes nothing. */
#define VISITS 20000

static size_t emit(struct regex_parser *s, enum regex_op op, size_t value, size_t other)
{
    struct regex *to = s->to;

    if (to->count == REGEX_STEPS) {
        regex_parse_fail(s, "the pattern is too large when its repetitions are written out");
        return to->count - 1;
    }
    to->steps[to->count] = (struct regex_step){(uint8_t)op, (uint32_t)value, (uint32_t)other};
    return to->count++;
}

static void write_node(struct regex_parser *s, unsigned at);

static void write_repeat(struct regex_parser *s, const struct regex_node *n)
{
    size_t split;

    for (uint32_t i = 0; i < n->min && !s->failed; i++)
        write_node(s, n->a);
    if (n->max == REGEX_FOREVER) {
        split = emit(s, RE_SPLIT, s->to->count + 1, 0);
        write_node(s, n->a);
        emit(s, RE_JUMP, split, 0);
        s->to->steps[split].other = (uint32_t)s->to->count;
        return;
    }
    for (uint32_t i = n->min; i < n->max && !s->failed; i++) {
        split = emit(s, RE_SPLIT, s->to->count + 1, 0);
        write_node(s, n->a);
        s->to->steps[split].other = (uint32_t)s->to->count;
    }
}

static void write_node(struct regex_parser *s, unsigned at)
{
    const struct regex_node n = s->nodes[at];
    size_t split, jump;

    if (s->failed || ++s->visits > VISITS) {
        regex_parse_fail(s, "the pattern is too large when its repetitions are written out");
        return;
    }
    switch (n.kind) {
    case REGEX_EMPTY:
        break;
    case REGEX_LEAF:
        emit(s, n.leaf.op, n.leaf.value, 0);
        break;
    case REGEX_CAT:
        write_node(s, n.a);
        write_node(s, n.b);
        break;
    case REGEX_ALT:
        split = emit(s, RE_SPLIT, s->to->count + 1, 0);
        write_node(s, n.a);
        jump = emit(s, RE_JUMP, 0, 0);
        s->to->steps[split].other = (uint32_t)s->to->count;
        write_node(s, n.b);
        s->to->steps[jump].value = (uint32_t)s->to->count;
        break;
    case REGEX_REPEAT:
        write_repeat(s, &n);
        break;
    }
}

struct regex *regex_compile(const char *pattern, char *why, size_t size)
{
    struct regex_parser s = {.start = pattern, .p = pattern, .why = why, .size = size};
    unsigned root;

    s.end = pattern + strlen(pattern);
    s.to = xcalloc(1, sizeof(*s.to));
    s.to->steps = xcalloc(REGEX_STEPS, sizeof(*s.to->steps));
    root = regex_parse_pattern(&s);
    if (!s.failed) {
        write_node(&s, root);
        emit(&s, RE_MATCH, 0, 0);
    }
    free(s.nodes);
    if (s.failed) {
        regex_free(s.to);
        return NULL;
    }
    s.to->steps = xrealloc(s.to->steps, s.to->count * sizeof(*s.to->steps));
    return s.to;
}

void regex_free(struct regex *regex)
{
    if (!regex)
        return;
    for (size_t i = 0; i < regex->class_count; i++)
        free(regex->classes[i].ranges);
    free(regex->classes);
    free(regex->steps);
    free(regex);
}

size_t regex_size(const struct regex *regex)
{
    return regex->count;
}
