/* Capabilities → launch plan. One place decides what a capability string means for the kernel; the
 * broker gets the same list for what it decides itself. */
#include "core/pkg/package.h"

#include <linux/capability.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/strings.h"
#include "core/base/xalloc.h"
#include "core/ipc/grant.h"
#include "core/pkg/capability.h"

static bool granted(const struct package *package, const char *const *grants, const char *asked)
{
    if (package->shipped && !grants)
        return true;
    if (!strcmp(asked, "log.write") || !strcmp(asked, "metrics.write"))
        return true;
    for (; grants && *grants; grants++)
        if (!strcmp(*grants, asked))
            return true;
    return false;
}

static void add(char ***list, unsigned *count, const char *word)
{
    *list = xrealloc(*list, (*count + 2) * sizeof(**list));
    (*list)[(*count)++] = xstrdup(word);
    (*list)[*count] = NULL;
}

static int apply(struct launch_plan *plan, const char *capability,
                 const struct package_plan_context *context, struct orb_err *err)
{
    if (!strncmp(capability, "net.bind:", 9)) {
        if (plan->bind_count == LAUNCH_MAX_BINDS)
            return orb_fail(err, ORB_E_LIMIT, "%s: more than %d net.bind capabilities",
                            plan->service, LAUNCH_MAX_BINDS);
        if (capability_bind(capability + 9, &plan->binds[plan->bind_count]) < 0)
            return orb_fail(err, ORB_E_INVALID, "%s: %s", plan->service, capability);
        plan->bind_count++;
    } else if (!strcmp(capability, "net.configure")) {
        plan->host_net = true;
        plan->netlink = true;
        plan->kernel_caps = 1ull << CAP_NET_ADMIN;
    } else if (!strcmp(capability, "net.observe")) {
        plan->observe_net = true;
    } else if (!strcmp(capability, "fs.state")) {
        free(plan->state_dir);
        plan->state_dir = buf_format("%s/%s", context->state_root, plan->service);
    }
    return 0;
}

static void implied(char ***list, unsigned *count, const char *capability)
{
    for (const char *const *more = grant_implied(capability); *more; more++)
        if (!strings_have(*list, *more))
            add(list, count, *more);
}

int package_plan(const struct package *package, const char *const *grants,
                 const struct package_plan_context *context, struct launch_plan *ret_plan,
                 char ***ret_effective, struct orb_err *err)
{
    const struct manifest *m = &package->manifest;
    struct launch_plan plan = {0};
    char **effective = xcalloc(1, sizeof(*effective));
    unsigned count = 0;
    int r = 0;

    snprintf(plan.service, sizeof(plan.service), "%s", m->name);
    snprintf(plan.instance, sizeof(plan.instance), "%s", context->instance);
    plan.uid = package->uid;
    plan.package_dir = xstrdup(package->dir);
    plan.library = xstrdup(m->library);
    for (unsigned i = 0; m->libraries[i] && i < LAUNCH_MAX_LIBRARIES; i++)
        plan.libraries[plan.library_count++] = xstrdup(m->libraries[i]);
    plan.memory_bytes = context->limits.memory_bytes;
    plan.files = context->limits.files;
    plan.threads = context->limits.threads;
    plan.min_tier = m->min_tier;
    for (unsigned i = 0; r == 0 && m->capabilities[i]; i++) {
        if (!granted(package, grants, m->capabilities[i]))
            continue;
        if (!strings_have(effective, m->capabilities[i]))
            add(&effective, &count, m->capabilities[i]);
        implied(&effective, &count, m->capabilities[i]);
        r = apply(&plan, m->capabilities[i], context, err);
    }
    if (r < 0) {
        launch_plan_fini(&plan);
        strings_free(effective);
        return r;
    }
    launch_plan_seal(&plan);
    *ret_plan = plan;
    *ret_effective = effective;
    return 0;
}
