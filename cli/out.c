/* The only output functions; guarantees are in cli/out.h. Note: the format is parsed here and not
 * by printf, to distinguish newlines of the format from those of arguments. */
#include "cli/out.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/base/own.h"

/* ---- formats ---- */

struct conversion {
    char spec[16]; /* for snprintf, with * for width and precision */
    size_t len;
    bool left;
    int width, precision;
    int longs; /* l's; 3: z */
};

static int read_number(const char **p, va_list *args)
{
    int n = 0;

    if (**p == '*') {
        ++*p;
        return va_arg(*args, int);
    }
    while (**p >= '0' && **p <= '9')
        n = n * 10 + (*(*p)++ - '0');
    return n;
}

/* After the %: up to the letter of the conversion. */
static const char *read_conversion(const char *p, struct conversion *c, va_list *args)
{
    *c = (struct conversion){.spec = "%", .len = 1, .precision = -1};
    for (; *p == '-' || *p == '0' || *p == '+'; p++) {
        c->left |= *p == '-';
        if (c->len < 4)
            c->spec[c->len++] = *p;
    }
    c->width = read_number(&p, args);
    if (*p == '.') {
        p++;
        c->precision = read_number(&p, args);
    }
    for (; *p == 'l' || *p == 'z'; p++)
        c->longs = *p == 'z' ? 3 : c->longs + 1;
    return p;
}

static void add_integer(struct buf *b, struct conversion *c, char letter, va_list *args)
{
    bool is_signed = letter == 'd' || letter == 'i';
    long long n;

    if (c->longs == 3)
        n = (long long)va_arg(*args, size_t);
    else if (c->longs == 2)
        n = va_arg(*args, long long);
    else if (c->longs == 1)
        n = is_signed ? va_arg(*args, long) : (long long)va_arg(*args, unsigned long);
    else
        n = is_signed ? va_arg(*args, int) : (long long)va_arg(*args, unsigned);
    snprintf(c->spec + c->len, sizeof(c->spec) - c->len, "*.*ll%c", letter);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    buf_addf(b, c->spec, c->width, c->precision, n);
#pragma GCC diagnostic pop
}

static void add_text(struct buf *b, const struct conversion *c, const char *text)
{
    AUTO(buf) struct buf plain = {0};
    int pad;

    text_plain_most(&plain, text ? text : "", c->precision >= 0 ? (size_t)c->precision : SIZE_MAX,
                    false);
    pad = c->width - text_width(buf_str(&plain));
    if (pad > 0 && !c->left)
        buf_addf(b, "%*s", pad, "");
    buf_adds(b, buf_str(&plain));
    if (pad > 0 && c->left)
        buf_addf(b, "%*s", pad, "");
}

/* One conversion; returns the character after it. An unknown letter is a programming error and
 * printed unchanged (no argument can be taken after it). */
static const char *convert(struct buf *b, const char *p, va_list *args)
{
    struct conversion c;
    char letter[2] = "";

    p = read_conversion(p, &c, args);
    switch (*p) {
    case 's':
        add_text(b, &c, va_arg(*args, const char *));
        break;
    case 'c':
        letter[0] = (char)va_arg(*args, int);
        add_text(b, &c, letter);
        break;
    case 'd':
    case 'i':
    case 'u':
    case 'x':
        add_integer(b, &c, *p, args);
        break;
    case '%':
        buf_addc(b, '%');
        break;
    default:
        return p;
    }
    return p + 1;
}

void out_format(struct buf *ret_text, const char *format, va_list args)
{
    va_list own;

    va_copy(own, args);
    while (*format) {
        if (*format == '%')
            format = convert(ret_text, format + 1, &own);
        else
            buf_addc(ret_text, *format++);
    }
    va_end(own);
}

/* ---- to the terminal ---- */

__attribute__((format(printf, 2, 0))) static void print(FILE *file, const char *format,
                                                        va_list args)
{
    AUTO(buf) struct buf text = {0};

    out_format(&text, format, args);
    fwrite(buf_str(&text), 1, text.len, file);
}

void out(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    print(stdout, format, args);
    va_end(args);
}

void out_err(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    print(stderr, format, args);
    va_end(args);
}

void out_lines(const char *text)
{
    AUTO(buf) struct buf plain = {0};

    text_lines(text, &plain);
    fwrite(buf_str(&plain), 1, plain.len, stdout);
}

void out_json(const char *text)
{
    AUTO(buf) struct buf plain = {0};

    text_json(text, &plain);
    buf_addc(&plain, '\n');
    fwrite(plain.data, 1, plain.len, stdout);
}

bool out_flush(void)
{
    return fflush(stdout) != EOF && !ferror(stdout);
}
