/* What the files of acme-probe share. */
#ifndef ACME_PROBE_H
#define ACME_PROBE_H

#include <orbital/orbital.h>

struct job;

struct target {
    struct target *next;
    struct orb_timer *timer;
    char *name;
    char *address;
    int64_t interval_ms;
    int64_t ticks;
};

/* Settings of one revision of the configuration. */
struct settings {
    struct target *targets;
    char *greeting;
    char *refuse;
    char *crash_in;
    char *hang_in;
    int64_t crash_after_ms;
};

struct probe {
    struct settings *settings;
    uint64_t started_ms;
    uint64_t revision;
    int64_t ticks;
    struct orb_timer *crash_timer;
    /* faults requested by method */
    char veto[ORB_ERR_TEXT];
    bool fail_apply;
    int64_t leaked;
    struct job *jobs;
};

/* settings.c: configuration to timers */
extern const struct orb_config probe_config;
void probe_settings_free(struct settings *settings);

/* threads.c */
orb_handler probe_on_count;
void probe_jobs_end(struct probe *probe);

/* faults.c */
void probe_crash(const char *how);
void probe_hang(void);
orb_handler probe_on_crash, probe_on_hang, probe_on_spin, probe_on_flood, probe_on_leak,
    probe_on_veto, probe_on_fail_apply;

#endif
