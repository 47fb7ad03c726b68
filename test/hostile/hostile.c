/* The hostile package: runs a given attack, from a method, or – built with
 * HOSTILE_CONSTRUCTOR – from an ELF constructor, where the file /pkg/attack names it. The outcome
 * is one line on stderr, because an attack may break the IPC. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "orbital/orbital.h"
#include "test/hostile/attacks.h"

struct target target;

struct attack {
    const char *name;
    int (*run)(void);
};

#define ATTACK_ROW(name, kind) {#name, attack_##name},
static const struct attack attacks[] = {ATTACKS(ATTACK_ROW)};

ORB_EXPORT int hostile_attack(const char *name, const char *canary, pid_t pid);

int hostile_attack(const char *name, const char *canary, pid_t pid)
{
    snprintf(target.canary, sizeof(target.canary), "%s", canary);
    target.pid = pid;
    for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++)
        if (!strcmp(attacks[i].name, name)) {
            dprintf(2, "begin %s\n", name);
            return attacks[i].run();
        }
    return -ENOSYS * 1000; /* the driver takes this for a mistake of its own */
}

static void report(const char *name, int result)
{
    dprintf(2, "attack %s %d\n", name, result);
}

#ifdef HOSTILE_CONSTRUCTOR
__attribute__((constructor)) static void at_load(void)
{
    char text[512] = "", name[64], canary[256];
    int pid, fd = open("/pkg/attack", O_RDONLY | O_CLOEXEC);

    if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0 ||
        sscanf(text, "%63s %255s %d", name, canary, &pid) != 3) {
        dprintf(2, "attack ? cannot read /pkg/attack\n");
        return;
    }
    close(fd);
    report(name, hostile_attack(name, canary, pid));
}
#endif

static int on_attack(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(in, "name"));
    const char *canary = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(in, "canary"));
    const cJSON *pid = cJSON_GetObjectItemCaseSensitive(in, "pid");

    if (!name || !canary || !cJSON_IsNumber(pid))
        return orb_fail(err, ORB_E_INVALID, "name, canary, pid");
    report(name, hostile_attack(name, canary, pid->valueint));
    orb_reply(req, NULL);
    return 0;
}

static void *on_thread(void *arg)
{
    return arg;
}

/* Positive control: what an honest package may do. */
static int on_honest(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    pthread_t thread;
    void *memory = malloc(8 << 20);

    if (!memory || pthread_create(&thread, NULL, on_thread, ctx))
        return orb_fail(err, ORB_E_IO, "no memory or no thread");
    memset(memory, 1, 8 << 20);
    free(memory);
    pthread_join(thread, NULL);
    orb_reply(req, NULL);
    return 0;
}

static const struct orb_method methods[] = {
    {"attack", on_attack, 0}, {"honest", on_honest, 0}, {0}};

ORB_PLUGIN(.name = "hostile", .methods = methods);
