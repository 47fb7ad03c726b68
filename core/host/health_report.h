/* Health of the appliance: ok, degraded or failed, with the reasons.
 *
 * These functions are pure: they turn collected inputs into reasons, so that unit tests can call
 * them with constructed inputs. health.c collects the inputs and publishes changes. */
#ifndef CORE_HOST_HEALTH_REPORT_H
#define CORE_HOST_HEALTH_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/json_write.h"
#include "core/base/now.h"
#include "core/sup/report.h"
#include "orbital/error.h"

struct orbitald;

enum health_level { HEALTH_OK, HEALTH_DEGRADED, HEALTH_FAILED };

/* "ok", "degraded" or "failed". */
const char *health_report_level_name(enum health_level level);

/* One reason why health is not ok. */
struct health_reason {
    enum health_level level;
    char what[ORB_ERR_TEXT]; /* a sentence */
    char service[64];        /* the service concerned, "" for the host itself */
    char path[ORB_ERR_PATH]; /* JSON pointer into the configuration, "" when there is none */
    char todo[256];          /* what the operator can do, "" for nothing */
    uint64_t since_us;       /* wall clock, microseconds since the epoch; 0: not known */
};

struct health_report {
    enum health_level level; /* the worst of the reasons */
    struct health_reason *reasons;
    unsigned count;
    size_t share; /* bytes of the answer that one service of a third party may fill; 0: any */
};

/* Frees the reasons. */
void health_report_fini(struct health_report *report);
static inline void own_health_report(struct health_report *report)
{
    health_report_fini(report);
}
/* Adds a reason; texts are copied and cut, NULL counts as "". */
void health_report_add(struct health_report *report, const struct health_reason *reason);
/* Adds the reasons that follow from a service's state and from the problems it reports. now_us,
 * now_ms: wall clock and monotonic clock, for since_us. */
void health_report_add_service(struct health_report *report, const struct service_view *service,
                               uint64_t now_us, uint64_t now_ms);
/* Adds the reasons that concern all services: no package, no config service, boot not complete.
 * waiting: the services that boot waits for, "" for none. */
void health_report_add_boot(struct health_report *report, enum boot_phase phase, unsigned packages,
                            bool has_config, const char *waiting);

/* Resources of the machine. Shares in per cent; -1: unknown. */
struct health_machine {
    int disk_percent, inodes_percent; /* used, of the file system of the state directory */
    bool disk_read_only;
    const char *state_dir;
    int conntrack_percent;
    bool clock_unset; /* the wall clock is before the build date */
};
enum health_machine_kind {
    MACHINE_READ_ONLY,
    MACHINE_DISK,
    MACHINE_CONNTRACK,
    MACHINE_CLOCK,
    MACHINE_KINDS
};
/* True when that kind applies; ret_reason is then set, but for since_us. */
bool health_report_machine(const struct health_machine *machine, enum health_machine_kind kind,
                           struct health_reason *ret_reason);
/* Key of that kind for problem_set(). */
const char *health_report_machine_key(enum health_machine_kind kind);

/* Sorts reasons by level, worst first, then by age, oldest first. */
void health_report_sort(struct health_report *report);
/* One line: the level and its first reason ("failed: …, and 2 more"). */
void health_report_sentence(const struct health_report *report, char *to, size_t size);
/* Members of the open object: "verdict", "reasons": [{level,what,service,path,todo,since-us}]. */
void health_report_write(const struct health_report *report, struct json_write *w);

#endif
