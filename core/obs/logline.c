/* The head of a line is compared byte by byte: files hold hundreds of thousands of lines. */
#include "core/obs/logline.h"

#include <string.h>

#include "core/json/scan.h"

#define DIGITS_MOST 16 /* below 2^53, as every reader of JSON takes it */
#define HEAD_MOST 32   /* {"seq": with its number, up to the comma */

struct reader {
    const char *p, *end;
};

static bool literal(struct reader *r, const char *text)
{
    size_t n = strlen(text);

    if ((size_t)(r->end - r->p) < n || memcmp(r->p, text, n))
        return false;
    r->p += n;
    return true;
}

static bool time_key(struct reader *r)
{
    /* Earlier versions wrote it with _. */
    return literal(r, ",\"time") && (literal(r, "-us\":") || literal(r, "_us\":"));
}

static bool digits(struct reader *r, uint64_t *ret_number)
{
    const char *start = r->p;
    uint64_t n = 0;

    for (; r->p < r->end && *r->p >= '0' && *r->p <= '9' && r->p - start < DIGITS_MOST; r->p++)
        n = n * 10 + (uint64_t)(*r->p - '0');
    *ret_number = n;
    return r->p > start && n < 1ull << 53;
}

/* A string without escapes, up to its closing quote. */
static bool word(struct reader *r, const char **ret_text, size_t *ret_len)
{
    const char *start = r->p;

    for (; r->p < r->end && *r->p != '"'; r->p++)
        if (*r->p == '\\' || (unsigned char)*r->p < ' ')
            return false;
    *ret_text = start;
    *ret_len = (size_t)(r->p - start);
    return literal(r, "\"");
}

bool logline_read(const char *line, size_t len, struct logline *ret_line)
{
    struct reader r = {line, line + len};
    struct logline l;
    const char *level;
    char name[16];
    size_t n;
    int parsed;

    if (len > LOGLINE_BYTES || !literal(&r, "{\"seq\":") || !digits(&r, &l.seq) || !l.seq ||
        !time_key(&r) || !digits(&r, &l.time_us) || !literal(&r, ",\"level\":\"") ||
        !word(&r, &level, &n) || n >= sizeof(name) || !literal(&r, ",\"service\":\"") ||
        !word(&r, &l.service, &l.service_len))
        return false;
    memcpy(name, level, n);
    name[n] = '\0';
    parsed = log_level_parse(name);
    l.level = (enum log_level)parsed;
    *ret_line = l;
    return parsed >= 0;
}

void logline_renew(char *line, size_t len)
{
    char *comma = memchr(line, ',', len < HEAD_MOST ? len : HEAD_MOST);

    if (comma && comma[6] == '_')
        comma[6] = '-';
}

bool logline_whole(const char *line, size_t len)
{
    static const struct json_limits limits = {.depth = LOGLINE_DEPTH, .keys = JSON_MAX_KEYS};
    struct json_slice event, kv;

    return scan_json(line, len, &limits, NULL) == 0 && json_member(line, len, "event", &event) &&
           event.type == 's' && json_member(line, len, "kv", &kv) && kv.type == 'o';
}

bool logline_starts_run(const char *line, size_t len, char ret_run[40])
{
    static const char mark[] = "\"service\":\"host\",\"event\":\"host.start\"";
    struct json_slice kv, run;

    ret_run[0] = '\0';
    if (!memmem(line, len < 160 ? len : 160, mark, sizeof(mark) - 1) || !logline_whole(line, len))
        return false;
    if (json_member(line, len, "kv", &kv) && json_member(kv.p, kv.len, "run", &run) &&
        json_text(&run, ret_run, 40) < 0)
        ret_run[0] = '\0';
    return true;
}

/* The end of the value or key that begins at p, of text that was scanned. */
static const char *value_end(const char *p, const char *end)
{
    unsigned depth = 0;
    bool quoted = false;

    for (; p < end; p++) {
        if (quoted) {
            if (*p == '\\')
                p++;
            else if (*p == '"')
                quoted = false;
        } else if (*p == '"') {
            quoted = true;
        } else if (*p == '{' || *p == '[') {
            depth++;
        } else if (depth && (*p == '}' || *p == ']')) {
            depth--;
        } else if (!depth && strchr(",:}]", *p)) {
            break;
        }
    }
    return p < end ? p : end;
}

static void add_pairs(const struct json_slice *kv, struct buf *b)
{
    const char *p = kv->p + 1, *end = kv->p + kv->len - 1;

    while (p < end) {
        const char *key = p, *colon = value_end(p, end), *next;

        if (colon == end)
            return;
        next = value_end(colon + 1, end);
        buf_addc(b, ' ');
        if (colon - key > 2)
            buf_add(b, key + 1, (size_t)(colon - key - 2));
        buf_addc(b, '=');
        buf_add(b, colon + 1, (size_t)(next - colon - 1));
        p = next + 1;
    }
}

void logline_sentence(const char *line, size_t len, struct buf *ret_text)
{
    struct json_slice value;
    char text[128];

    if (json_member(line, len, "service", &value) && json_text(&value, text, sizeof(text)) == 0)
        buf_addf(ret_text, "%s ", text);
    if (json_member(line, len, "event", &value) && json_text(&value, text, sizeof(text)) == 0)
        buf_adds(ret_text, text);
    if (json_member(line, len, "kv", &value) && value.type == 'o')
        add_pairs(&value, ret_text);
}
