/* A package that was granted its own subtree and every method of the config service, and sends
 * frames that its SDK would not send: only the host's own data decide what it gets. */
#include <stdio.h>
#include <string.h>

#include "test/hostile/host/attacker.h"

#define TREE_OF_ANOTHER "SECRET-OF-ANOTHER" /* what acme-probe is configured with */
#define OWN "/v-authority"

static const char *ask(const char *method, const char *input)
{
    char env[80];

    snprintf(env, sizeof(env), "{\"to\":\"config@1\",\"method\":\"%s\"}", method);
    return wire_ask(&in, W_REQ, 0, 0, env, input);
}

static void shows_nothing(const char *what)
{
    if (strstr(in.text, TREE_OF_ANOTHER) || strstr(in.text, "acme-probe") ||
        strstr(in.text, "a comment of users"))
        shout("attack succeeded: %s shows %.150s", what, in.text);
}

/* Each input with a path outside of what was granted. */
static void outside(void)
{
    static const char *const paths[] = {"",
                                        "/",
                                        "/acme-probe",
                                        "/services",
                                        "/v-authority2",
                                        "/v-authorit",
                                        "/system",
                                        "/v-authority~1x",
                                        "//v-authority",
                                        "/acme-probe/greeting"};
    static const char *const calls[][2] = {
        {"attach", "{\"paths\":[\"" OWN "\",\"%s\"]}"},
        {"get", "{\"path\":\"%s\"}"},
        {"get", "{\"path\":\"%s\",\"source\":\"candidate\"}"},
        {"get", "{\"path\":\"%s\",\"revision\":1}"},
        {"get-part", "{\"path\":\"%s\",\"offset\":0}"},
        {"edit", "{\"ops\":[{\"op\":\"set\",\"path\":\"%s\",\"value\":{}}]}"},
        {"edit", "{\"ops\":[{\"op\":\"merge\",\"path\":\"%s\",\"value\":{\"x\":1}}]}"},
        {"edit", "{\"ops\":[{\"op\":\"delete\",\"path\":\"%s\"}]}"}};
    char input[200], what[120];

    for (unsigned c = 0; c < sizeof(calls) / sizeof(calls[0]); c++)
        for (unsigned p = 0; p < sizeof(paths) / sizeof(paths[0]); p++) {
            snprintf(input, sizeof(input), calls[c][1], paths[p]);
            snprintf(what, sizeof(what), "%s of \"%s\"", calls[c][0], paths[p]);
            refused(what, ask(calls[c][0], input), "denied invalid");
        }
}

static void of_users(void)
{
    static const char *const calls[][2] = {
        {"load-part", "{\"offset\":0,\"data\":\"{}\",\"last\":true,\"mode\":\"replace\"}"},
        {"rollback", "{\"n\":1}"},
        {"confirm", "{}"},
        {"lock", "{}"},
        {"unlock", "{\"force\":true}"},
        {"salvage", "{}"},
        {"salvage-accept", "{}"}};

    for (unsigned c = 0; c < sizeof(calls) / sizeof(calls[0]); c++)
        refused(calls[c][0], ask(calls[c][0], calls[c][1]), "denied");
}

/* Answered, but with nothing of others. */
static void cut_down(void)
{
    static const char *const calls[][2] = {{"history", "{}"},
                                           {"history", "{\"limit\":500}"},
                                           {"diff", "{}"},
                                           {"diff", "{\"from\":0}"},
                                           {"diff", "{\"from\":1,\"to\":0}"},
                                           {"subscribers", "{}"},
                                           {"fetch", "{\"what\":\"tx\",\"offset\":0}"},
                                           {"get", "{\"path\":\"" OWN "\"}"},
                                           {"schema", "{\"path\":\"" OWN "\"}"}};

    for (unsigned c = 0; c < sizeof(calls) / sizeof(calls[0]); c++) {
        ask(calls[c][0], calls[c][1]);
        shows_nothing(calls[c][0]);
    }
}

void g_authority(void)
{
    ready();
    outside();
    of_users();
    cut_down();
    /* The control: what it was granted it gets. */
    if (strcmp(ask("attach", "{\"paths\":[\"" OWN "\"]}"), "ok"))
        shout("attack unexpected: its own subtree is refused: %.150s", in.text);
    shows_nothing("attach");
    if (strcmp(ask("get", "{\"path\":\"" OWN "/x\"}"), "ok"))
        shout("attack unexpected: get of its own subtree is refused: %.150s", in.text);
    shout("attack notes: authority");
    stay();
}

/* Interfaces without a provider, by the thousand: added and freed again, then held. */
void g_names(void)
{
    char env[80];
    unsigned held = 0;

    ready();
    for (unsigned n = 0; n < 3000; n++) {
        snprintf(env, sizeof(env), "{\"to\":\"service.n%u\",\"topic\":\"x\"}", n);
        if (strcmp(wire_ask(&in, W_SUB, 0, 0, env, NULL), "ok"))
            shout("attack unexpected: the control: SUB is refused: %.150s", in.text);
        wire_ask(&in, W_UNSUB, 0, 0, env, NULL);
    }
    for (unsigned n = 0; n < 3000; n++) {
        snprintf(env, sizeof(env), "{\"to\":\"service.n%u\",\"topic\":\"x\"}", n);
        held += !strcmp(wire_ask(&in, W_SUB, 0, 0, env, NULL), "ok");
    }
    if (held > 64)
        shout("attack succeeded: %u interfaces without a provider are kept for it", held);
    shout("attack notes: names");
    stay();
}
