/* What the files of acme-probe share. */
#ifndef ACME_PROBE_H
#define ACME_PROBE_H

#include <orbital/orbital.h>

struct target {
    struct target *next;
    struct probe *probe;
    struct orb_timer *timer;
    char *name;
    char *address;
    int64_t interval_ms;
    int64_t ticks;
};

struct probe {
    struct orb_ctx *ctx;
    uint64_t started_ms;
    uint64_t revision;
    char *greeting;
    struct target *targets;
    int64_t ticks;
    struct orb_timer *crash_timer;
    /* faults asked for by method */
    char *veto;
    bool fail_apply;
    int64_t leaked;
};

/* settings.c: configuration to timers */
extern const struct orb_config probe_config;
void probe_settings_fini(struct probe *probe);

/* faults.c */
void probe_crash(const char *how);
void probe_hang(void);
orb_handler probe_on_crash, probe_on_hang, probe_on_spin, probe_on_flood, probe_on_leak,
    probe_on_veto, probe_on_fail_apply;

/* Member text of an object, or fallback. */
const char *probe_text(const cJSON *object, const char *key, const char *fallback);
int64_t probe_number(const cJSON *object, const char *key, int64_t fallback);

#endif
