/* A package controlled by the driver: each request contains the frames to send and the answer,
 * byte for byte. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cjson/cJSON.h"
#include "test/hostile/host/attacker.h"

#define FENCE 999999u

static const char *text_of(const cJSON *of, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(of, name));
}

static unsigned number_of(const cJSON *of, const char *name, unsigned otherwise)
{
    const cJSON *n = cJSON_GetObjectItemCaseSensitive(of, name);

    return cJSON_IsNumber(n) ? (unsigned)n->valuedouble : otherwise;
}

/* The member, in which "@" is replaced by as many "x" as the member fill. */
static char *filled(const cJSON *of, const char *name)
{
    const char *text = text_of(of, name);
    unsigned fill = number_of(of, "fill", 0);
    const char *at = fill && text ? strchr(text, '@') : NULL;
    size_t before = at ? (size_t)(at - text) : 0;
    char *all = malloc((text ? strlen(text) : 0) + fill + 1);

    if (!at) {
        strcpy(all, text ? text : "");
        return all;
    }
    memcpy(all, text, before);
    memset(all + before, 'x', fill);
    strcpy(all + before + fill, at + 1);
    return all;
}

/* {"type", "corr", "route", "src", "envelope", "payload", "fill", "times"} */
static void send_frames(const cJSON *f)
{
    const char *envelope = text_of(f, "envelope");
    unsigned times = number_of(f, "times", 1);
    char *text = filled(f, "payload");

    while (times--)
        wire_frame((struct wire_frame){.type = number_of(f, "type", 0),
                                       .corr = number_of(f, "corr", 0),
                                       .route = number_of(f, "route", 0),
                                       .src = number_of(f, "src", 0)},
                   envelope, text);
    free(text);
}

static void note(cJSON *received)
{
    cJSON *one = cJSON_CreateObject();

    in.text[in.head.len] = '\0';
    cJSON_AddNumberToObject(one, "type", in.head.type);
    cJSON_AddNumberToObject(one, "corr", in.head.corr);
    if (in.head.type == W_EVENT)
        cJSON_AddStringToObject(one, "payload", in.text + in.head.envlen);
    in.text[in.head.envlen] = '\0';
    cJSON_AddStringToObject(one, "envelope", in.head.envlen ? in.text : "");
    if (cJSON_GetArraySize(received) < 100)
        cJSON_AddItemToArray(received, one);
    else
        cJSON_Delete(one);
}

/* All frames of the host until the host has read what was sent, and answered the request await (0:
 * none). */
static void until_seen(cJSON *received, uint32_t await)
{
    bool seen = false;

    wire_frame((struct wire_frame){.type = W_REQ, .corr = FENCE},
               "{\"to\":\"absent@1\",\"method\":\"x\"}", "{}");
    while ((!seen || await) && wire_next(&in, 20000, true)) {
        if (in.head.type == W_STOP)
            _exit(0);
        if (in.head.corr == await && (in.head.type == W_REP || in.head.type == W_ERR))
            await = 0;
        if (in.head.corr == FENCE)
            seen = true;
        else
            note(received);
    }
}

/* received: events since the last order. */
static void execute(uint32_t corr, const cJSON *order, cJSON *received)
{
    char *answer = text_of(order, "answer") ? filled(order, "answer") : NULL;
    const char *error = text_of(order, "error");
    cJSON *f;
    char *text;

    cJSON_ArrayForEach (f, cJSON_GetObjectItemCaseSensitive(order, "frames"))
        send_frames(f);
    if (cJSON_GetObjectItemCaseSensitive(order, "frames"))
        until_seen(received, number_of(order, "await", 0));
    text = cJSON_PrintUnformatted(received);
    if (error)
        wire_frame((struct wire_frame){.type = W_ERR, .corr = corr}, error, NULL);
    else
        wire_frame((struct wire_frame){.type = W_REP, .corr = corr}, NULL, answer ? answer : text);
    free(text);
    free(answer);
}

void g_agent(void)
{
    cJSON *received = cJSON_CreateArray();

    ready();
    for (;;) {
        cJSON *order;
        uint32_t corr;

        if (!wire_next(&in, 60000, true))
            continue;
        if (in.head.type == W_STOP)
            _exit(0);
        if (in.head.type == W_EVENT)
            note(received);
        if (in.head.type != W_REQ)
            continue;
        corr = in.head.corr;
        order = cJSON_Parse(in.text + in.head.envlen);
        execute(corr, order, received);
        cJSON_Delete(order);
        cJSON_Delete(received);
        received = cJSON_CreateArray();
    }
}
