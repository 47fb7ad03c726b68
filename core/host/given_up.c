/* Features that this machine lacks and the appliance runs without, for `show boot`. None is an
 * error by itself (those are in the health report as well); the list explains what is slow or
 * unavailable. */
#include "core/host/given_up.h"
#include "core/host/dpwatch.h"

#include <string.h>
#include <sys/resource.h>

#include "core/base/own.h"
#include "core/host/host_internal.h"
#include "core/host/signals.h"
#include "core/sup/report.h"

static void add(void *arg, const char *feature, const char *reason)
{
    struct json_write *w = arg;

    json_write_object(w, NULL);
    json_write_string(w, "feature", feature);
    json_write_string(w, "reason", reason);
    json_write_end(w);
}

static void on_service(void *arg, const struct service_view *s)
{
    AUTO_FREE char *reason = NULL;
    AUTO_FREE char *feature = NULL;

    if (!s->lacks)
        return;
    feature = buf_format("service %s", s->name);
    reason = buf_format("it uses %s, which this daemon does not serve", s->lacks);
    add(arg, feature, reason);
}

void given_up_write(const struct orbitald *host, struct json_write *w, const char *key)
{
    struct rlimit files;

    json_write_array(w, key);
    sandbox_given_up(host->sandbox, add, w);
    dpwatch_given_up(host->dataplane, add, w);
    report_each(host->supervisor, on_service, w);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < FILES_WANTED) {
        AUTO_FREE char *reason = buf_format(
            "the limit of this process is %llu and cannot be raised (LimitNOFILE= of the "
            "unit, fs.nr_open)",
            (unsigned long long)files.rlim_cur);

        add(w, "65536 open files", reason);
    }
    json_write_end(w);
}
