/* Installed packages: manifest and contract of each package directory, and the launch plan made
 * from a manifest and the administrator's grants. The shared object is never opened here. */
#ifndef CORE_PKG_PACKAGE_H
#define CORE_PKG_PACKAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/ipc/contract.h"
#include "core/sandbox/sandbox.h"
#include "orbital/error.h"

#define PACKAGE_NAME 32
#define PACKAGE_MAX 128 /* installed packages */

enum boot_phase { PHASE_EARLY, PHASE_CORE, PHASE_CONTROL, PHASE_FEATURES, PHASE_OPERATIONAL };
enum restart_policy { RESTART_ALWAYS, RESTART_ON_FAILURE, RESTART_NEVER };

#define LIMITS_LOG_RATE 200 /* default when not configured */
#define LIMITS_METRICS 64
#define LIMITS_METRIC_RATE 2000
#define LIMITS_RESTARTS 20
#define LIMITS_QUEUE (8u << 20)
#define LIMITS_REQUESTS 4096

/* Limits of one service. In a configured struct 0 means not configured. */
struct limits {
    uint64_t memory_bytes, state_bytes;
    uint32_t files, threads;
    /* Of the configuration alone: bytes that wait for it at the broker, requests it has in flight,
     * records a second, names of metrics, values a second, starts a minute after it ended. */
    uint64_t queue_bytes;
    uint32_t requests, log_rate, metrics, metric_rate, restarts;
    uint32_t ready_ms, ping_every_ms, ping_ms, stop_ms, progress_ms;
};

struct manifest {
    char name[PACKAGE_NAME];
    char version[24];
    char description[204];
    char library[72];
    char **libraries; /* NULL ends; so do the lists below */
    char **requires;
    char **uses;         /* "interface@version" */
    char **capabilities; /* requested */
    enum boot_phase phase;
    bool enabled;  /* started unless configured otherwise */
    bool critical; /* its failure is the appliance's failure, whatever its phase */
    enum restart_policy restart;
    uint32_t backoff_ms, backoff_max_ms;
    uint32_t breaker_failures, breaker_window_s, breaker_cooldown_s, breaker_cooldown_max_s;
    uint32_t breaker_healthy_s;
    struct limits limits; /* requested */
    int min_tier;
};

/* Parses manifest.json; every error has path, found and expected. */
int manifest_parse(const char *text, size_t len, struct manifest *ret_manifest,
                   struct orb_err *err);
void manifest_fini(struct manifest *manifest);
/* The name of a phase, as manifest.json has it. */
const char *manifest_phase_name(enum boot_phase phase);
/* "64M" (K, M or G) in bytes. */
uint64_t manifest_memory(const char *text);

struct json_write;
struct package;
/* The requested limits, capped by the configured ones or, without these, by the host's ceilings for
 * third-party packages. ret_lowered: the name of a limit that was lowered, or NULL. */
struct limits limits_in_force(const struct package *package, const struct limits *configured,
                              const char **ret_lowered);
/* Sets the limit of that name ("memory", "stop-ms", …); false: there is none. */
bool limits_set(struct limits *limits, const char *name, uint64_t value);
/* {"memory": bytes, "stop-ms": …, …} */
void limits_write(const struct limits *limits, struct json_write *w, const char *key);

struct package {
    char *dir;
    uint32_t uid; /* it runs under: core/sup/uids.h; 0: not chosen yet */
    bool shipped; /* from the first package directory: all requested capabilities are granted */
    struct manifest manifest;
    bool phase_raised; /* the manifest names asked_phase, which is for shipped packages */
    enum boot_phase asked_phase;
    struct contract *contract; /* compiled schema.json */
};

/* Reads dir/manifest.json and dir/schema.json. */
int package_load(const char *dir, bool shipped, struct package **ret_package, struct orb_err *err);
void package_free(struct package *package);

/* All packages below the directories (the first is the shipped one), sorted by name. A package that
 * cannot be read, or whose interface belongs to the host or to a package found before (earlier
 * directories first, then by name), is skipped and reported to on_error. */
struct package_list {
    struct package *items[PACKAGE_MAX];
    unsigned count;
};
/* dirs ends with NULL. ret_list is the caller's, package_fini_all(). on_error gets the package's
 * directory, valid during the call. */
void package_scan_all(const char *const *dirs, struct package_list *ret_list,
                      void (*on_error)(void *arg, const char *dir, const struct orb_err *err),
                      void *arg);
void package_fini_all(struct package_list *list);

/* The launch plan of a package: requested ∩ granted capabilities (grants NULL: all requested,
 * shipped packages). ret_effective: NULL-terminated list of the capabilities in force, freed with
 * strings_free. */
struct package_plan_context {
    const char *instance;
    const char *state_root; /* services' own state below this */
    struct limits limits;   /* in force */
};
int package_plan(const struct package *package, const char *const *grants,
                 const struct package_plan_context *context, struct launch_plan *ret_plan,
                 char ***ret_effective, struct orb_err *err);

#endif
