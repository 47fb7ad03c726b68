/* Times as users write them: local time, unless they end in Z or an offset. */
#include <stdbool.h>
#include <ctype.h>
#include <string.h>
#include <time.h>

#include "cli/when.h"
#include "core/base/own.h"

#define SECOND 1000000LL
#define LONGEST (100LL * 366 * 86400) /* s: a hundred years ago is a typing error */

/* Sums of numbers with units: "90s", "2h30m", "1d". false: it is none. */
static bool ago(const char *text, int64_t *ret_s)
{
    static const struct {
        char unit;
        int64_t s;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    int64_t sum = 0;

    if (!isdigit((unsigned char)*text))
        return false;
    while (*text) {
        int64_t n = 0, unit = 0;

        if (!isdigit((unsigned char)*text))
            return false;
        for (; isdigit((unsigned char)*text); text++)
            if ((n = n * 10 + (*text - '0')) > LONGEST)
                return false;
        for (size_t i = 0; i < ARRAY_LEN(units); i++)
            if (*text == units[i].unit)
                unit = units[i].s;
        sum += n * unit;
        if (!unit || sum > LONGEST)
            return false;
        text++;
    }
    *ret_s = sum;
    return true;
}

/* "03:00", "03:00:20", "03:00:20.5"; returns the rest of the text. */
static const char *clock_time(const char *text, struct tm *tm, int64_t *ret_us)
{
    int n = 0, h, m, s = 0;

    *ret_us = 0;
    if (!isdigit((unsigned char)*text) || sscanf(text, "%2d:%2d%n", &h, &m, &n) != 2)
        return NULL;
    text += n;
    if (*text == ':') {
        if (sscanf(text, ":%2d%n", &s, &n) != 1)
            return NULL;
        text += n;
    }
    if (*text == '.')
        for (int64_t unit = SECOND / 10; isdigit((unsigned char)*++text); unit /= 10)
            *ret_us += (*text - '0') * unit;
    if (h < 0 || m < 0 || s < 0 || h > 24 || m > 59 || s > 60 || (h == 24 && (m || s)))
        return NULL;
    tm->tm_hour = h;
    tm->tm_min = m;
    tm->tm_sec = s;
    return text;
}

/* "" (local time), "Z", "+02:00", "+0200", "-03". false: something else. */
static bool zone(const char *text, bool *ret_local, int64_t *ret_east_s)
{
    int h, m = 0, n = 0;

    *ret_local = !*text;
    *ret_east_s = 0;
    if (!*text || !strcmp(text, "Z") || !strcmp(text, "z"))
        return true;
    if ((*text != '+' && *text != '-') || !isdigit((unsigned char)text[1]) ||
        sscanf(text + 1, "%2d%n", &h, &n) != 1 || n != 2)
        return false;
    if (text[3]) {
        const char *minutes = text + 3 + (text[3] == ':');

        if (!isdigit((unsigned char)*minutes) || sscanf(minutes, "%2d%n", &m, &n) != 1 || n != 2 ||
            minutes[2])
            return false;
    }
    *ret_east_s = (*text == '-' ? -1 : 1) * (h * 3600LL + m * 60);
    return h <= 14 && m < 60;
}

static bool date(const char **text, struct tm *tm)
{
    int y, m, d, n = 0;

    if (!isdigit((unsigned char)**text) || sscanf(*text, "%4d-%2d-%2d%n", &y, &m, &d, &n) != 3 ||
        y < 1970 || m < 1 || m > 12 || d < 1 || d > 31)
        return false;
    tm->tm_year = y - 1900;
    tm->tm_mon = m - 1;
    tm->tm_mday = d;
    *text += n;
    return true;
}

static bool to_time(const struct tm *tm, bool local, time_t *ret_time)
{
    struct tm t = *tm;

    t.tm_isdst = -1;
    *ret_time = local ? mktime(&t) : timegm(&t);
    /* The 30th of February became a day in March. */
    return t.tm_mon == tm->tm_mon || (tm->tm_hour == 24 && t.tm_mday == 1);
}

/* Date, date and time, or only a time: the last one there was. */
static bool point(const char *text, int64_t now_us, int64_t *ret_us)
{
    time_t now = (time_t)(now_us / SECOND), when;
    struct tm tm, today;
    int64_t us = 0, east = 0;
    bool local = true, dated;

    localtime_r(&now, &today);
    tm = today;
    tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
    dated = date(&text, &tm);
    if (dated && *text && !strchr("Tt ", *text++))
        return false;
    if (!dated || text[-1] == 'T' || text[-1] == 't' || text[-1] == ' ') {
        text = clock_time(text, &tm, &us);
        if (!text || !zone(text, &local, &east) || (!dated && !local))
            return false;
    }
    if (!to_time(&tm, local, &when))
        return false;
    if (!dated && when > now) {
        tm.tm_mday--;
        tm.tm_isdst = -1;
        when = mktime(&tm);
    }
    *ret_us = ((int64_t)when - east) * SECOND + us;
    return true;
}

static int64_t midnight(int64_t now_us, int days)
{
    time_t now = (time_t)(now_us / SECOND);
    struct tm tm;

    localtime_r(&now, &tm);
    tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
    tm.tm_mday += days;
    tm.tm_isdst = -1;
    return (int64_t)mktime(&tm) * SECOND;
}

int when_parse(const char *text, const char *what, int64_t now_us, int64_t *ret_us,
               struct orb_err *err)
{
    int64_t s;

    if (ago(text, &s))
        *ret_us = now_us - s * SECOND;
    else if (!strcmp(text, "now"))
        *ret_us = now_us;
    else if (!strcmp(text, "today") || !strcmp(text, "yesterday"))
        *ret_us = midnight(now_us, *text == 'y' ? -1 : 0);
    else if (!point(text, now_us, ret_us))
        return orb_fail(
            err, ORB_E_INVALID,
            "%s: \"%s\" is no time; expected how long ago (30s, 10m, 2h30m, 1d), a time "
            "of day (03:00), a date (2026-11-27), both (\"2026-11-27 03:00\") or "
            "2026-11-27T03:00:00Z",
            what, text);
    if (*ret_us < 0)
        *ret_us = 0;
    return 0;
}

void when_seconds(long long s, char *to, size_t size)
{
    if (s >= 86400)
        snprintf(to, size, "%lldd%lldh", s / 86400, s % 86400 / 3600);
    else if (s >= 3600)
        snprintf(to, size, "%lldh%lldm", s / 3600, s % 3600 / 60);
    else if (s >= 60)
        snprintf(to, size, "%lldm%llds", s / 60, s % 60);
    else
        snprintf(to, size, "%llds", s);
}

void when_duration(long long ms, char *to, size_t size)
{
    if (ms >= 60000)
        when_seconds(ms / 1000, to, size);
    else
        snprintf(to, size, "%lld.%llds", ms / 1000, ms % 1000 / 100);
}
