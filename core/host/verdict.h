/* The one answer to "is this appliance all right?": ok, degraded or failed, each with its reasons.
 *
 * The rules (verdict.c) are pure: they turn what was collected into reasons, so that a unit test
 * walks them with made-up inputs. health.c collects, keeps the problems the host itself reports,
 * and tells systemd, the log and subscribers when the verdict changes. */
#ifndef CORE_HOST_VERDICT_H
#define CORE_HOST_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/json_write.h"
#include "core/base/now.h"
#include "core/sup/report.h"
#include "orbital/error.h"

struct orbitald;

enum verdict_level { VERDICT_OK, VERDICT_DEGRADED, VERDICT_FAILED };

/* "ok", "degraded" or "failed". */
const char *verdict_level_name(enum verdict_level level);

/* One thing that is not as it should be. */
struct verdict_reason {
    enum verdict_level level;
    char what[ORB_ERR_TEXT]; /* a sentence */
    char service[64];        /* whom it is about, "" for the host itself */
    char path[ORB_ERR_PATH]; /* JSON pointer into the configuration, "" when there is none */
    char todo[256];          /* what a person can do, "" when there is nothing */
    uint64_t since_us;       /* wall clock, microseconds since the epoch; 0: not known */
};

struct health_report {
    enum verdict_level level; /* the worst of the reasons */
    struct verdict_reason *reasons;
    unsigned count;
    size_t share; /* bytes of the answer that one service of a third party may fill; 0: any */
};

/* Frees the reasons. */
void verdict_fini(struct health_report *verdict);
static inline void own_health_report(struct health_report *verdict)
{
    verdict_fini(verdict);
}
/* Adds a reason; texts are copied and cut, NULL counts as "". */
void verdict_add(struct health_report *verdict, const struct verdict_reason *reason);
/* What a service's state and its own words mean for the whole. now_us, now_ms: wall clock and
 * monotonic, for the time since when. */
void verdict_add_service(struct health_report *verdict, const struct service_view *service,
                         uint64_t now_us, uint64_t now_ms);
/* What the services together mean: no package at all, no config service, a boot that has not come
 * to its end. waiting: the services it waits for, "" for none. */
void verdict_add_boot(struct health_report *verdict, enum boot_phase phase, unsigned packages,
                      bool has_config, const char *waiting);

/* What the machine has left. Shares are in per cent; -1: not known. */
struct verdict_machine {
    int disk_percent, inodes_percent; /* used, of the file system of the state directory */
    bool disk_read_only;
    const char *state_dir;
    int conntrack_percent;
    bool clock_unset; /* the wall clock stands before the day this program was written */
};
enum verdict_machine_kind {
    MACHINE_READ_ONLY,
    MACHINE_DISK,
    MACHINE_CONNTRACK,
    MACHINE_CLOCK,
    MACHINE_KINDS
};
/* True: so it is, and ret_reason says it (without since). The key is for problem_set. */
bool verdict_machine(const struct verdict_machine *machine, enum verdict_machine_kind kind,
                     struct verdict_reason *ret_reason);
/* The key of a reason of that kind, in reports. */
const char *verdict_machine_key(enum verdict_machine_kind kind);

/* The worst first, the older before the younger. */
void verdict_sort(struct health_report *verdict);
/* One line: the level and its first reason ("failed: …, and 2 more"). */
void verdict_sentence(const struct health_report *verdict, char *to, size_t size);
/* Members of the open object: "verdict", "reasons": [{level,what,service,path,todo,since-us}]. */
void verdict_write(const struct health_report *verdict, struct json_write *w);

/* ---- health.c ---- */

struct health;

/* notify_socket: of systemd, NULL without. on_ready is called once: the boot is through and the
 * verdict is not failed. */
int health_new(struct orbitald *host, const char *notify_socket, void (*on_ready)(void *arg),
               void *arg, struct health **ret_health, struct orb_err *err);
/* Frees through the loop; a check of the disk that still runs is waited for there. */
void health_close(struct health *health);
/* Something may have changed: the verdict is made anew at the end of this turn. */
void health_changed(struct health *health);
/* The verdict now, and the boot phase: the output of host@1 health. */
void health_json(const struct orbitald *host, struct buf *ret_json);
/* OpenMetrics lines. */
void health_metrics(const struct orbitald *host, struct buf *ret_text);

#endif
