/* What this machine does not give, and the appliance goes without: for `show boot`. None of it is
 * wrong, or it stands in the verdict as well; but who wonders why something is slow, or not there,
 * finds it here. */
#include <string.h>
#include <sys/resource.h>

#include "core/base/own.h"
#include "core/host/host.h"
#include "core/host/signals.h"

static void add(void *arg, const char *feature, const char *reason)
{
    struct buf *b = arg;

    buf_addf(b, "%s{\"feature\":", b->len && b->data[b->len - 1] == '}' ? "," : "");
    buf_add_json(b, feature, strlen(feature));
    buf_adds(b, ",\"reason\":");
    buf_add_json(b, reason, strlen(reason));
    buf_addc(b, '}');
}

static void on_service(void *arg, const struct service_view *s)
{
    AUTO_FREE char *reason = NULL;
    AUTO_FREE char *feature = NULL;

    if (!s->lacks)
        return;
    feature = xasprintf("service %s", s->name);
    reason = xasprintf("it uses %s, which this daemon does not serve", s->lacks);
    add(arg, feature, reason);
}

void given_up_json(const struct orbitald *host, struct buf *ret_json)
{
    AUTO(buf) struct buf list = {0};
    struct rlimit files;

    sandbox_given_up(host->sandbox, add, &list);
    dpservice_given_up(host->dataplane, add, &list);
    supervisor_each(host->supervisor, on_service, &list);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < FILES_WANTED) {
        AUTO_FREE char *reason =
            xasprintf("the limit of this process is %llu and cannot be raised (LimitNOFILE= of the "
                      "unit, fs.nr_open)",
                      (unsigned long long)files.rlim_cur);

        add(&list, "65536 open files", reason);
    }
    buf_addf(ret_json, "[%s]", buf_str(&list));
}
