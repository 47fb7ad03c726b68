/* Capabilities → launch plan. One place decides what a capability string means for the kernel; the
 * broker gets the same list for what it decides itself. */
#include "core/pkg/package.h"

#include <arpa/inet.h>
#include <linux/capability.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/suggest.h"

struct kind {
    const char *prefix;
    bool has_argument;
    const char *example;
};

static const struct kind kinds[] = {
    {"config.read", true, "config.read:/firewall"},
    {"config.write", true, "config.write:/firewall/zones"},
    {"config.secret", true, "config.secret:/vpn/key"},
    {"ipc.call", true, "ipc.call:config/get"},
    {"ipc.subscribe", true, "ipc.subscribe:config/committed"},
    {"net.bind", true, "net.bind:tcp/127.0.0.1:8080#http"},
    {"net.configure", false, "net.configure"},
    {"net.observe", false, "net.observe"},
    {"fs.state", false, "fs.state"},
    {"session.delegate", false, "session.delegate"},
    {"log.write", false, "log.write"},
    {"metrics.write", false, "metrics.write"},
};

static const struct kind *kind_of(const char *capability)
{
    size_t n = strcspn(capability, ":");

    for (unsigned i = 0; i < ARRAY_LEN(kinds); i++)
        if (strlen(kinds[i].prefix) == n && !strncmp(kinds[i].prefix, capability, n))
            return &kinds[i];
    return NULL;
}

/* tcp/ADDRESS:PORT#NAME; an IPv6 address stands in brackets. */
static int parse_bind(const char *text, struct plan_bind *ret_bind)
{
    struct plan_bind bind = {0};
    unsigned char scratch[16];
    const char *colon, *hash = strrchr(text, '#');
    size_t len;
    long port;
    char *end;

    if (!strncmp(text, "udp/", 4))
        bind.udp = true;
    else if (strncmp(text, "tcp/", 4))
        return -1;
    text += 4;
    if (!hash || !hash[1] || strlen(hash + 1) >= sizeof(bind.name))
        return -1;
    snprintf(bind.name, sizeof(bind.name), "%s", hash + 1);
    for (colon = hash; colon > text && *colon != ':'; colon--)
        ;
    if (colon == text)
        return -1;
    port = strtol(colon + 1, &end, 10);
    if (end != hash || port < 1 || port > 65535)
        return -1;
    bind.port = (uint16_t)port;
    len = (size_t)(colon - text);
    if (len > 2 && text[0] == '[' && text[len - 1] == ']') {
        text++;
        len -= 2;
    }
    if (len >= sizeof(bind.address))
        return -1;
    memcpy(bind.address, text, len);
    if (inet_pton(AF_INET, bind.address, scratch) != 1 &&
        inet_pton(AF_INET6, bind.address, scratch) != 1)
        return -1;
    *ret_bind = bind;
    return 0;
}

/* An RFC 6901 pointer of printable characters, not the empty one. */
static bool is_path(const char *text)
{
    if (*text != '/')
        return false;
    for (; *text; text++)
        if ((unsigned char)*text <= ' ' || *text == 127 ||
            (*text == '~' && text[1] != '0' && text[1] != '1'))
            return false;
    return true;
}

/* Capabilities are shown, logged, and put into the schema of /services. */
static bool is_printable(const char *text)
{
    for (; *text; text++)
        if (*text <= ' ' || *text > '~' || *text == '"' || *text == '\\')
            return false;
    return true;
}

int capability_check(const char *capability, struct orb_err *err)
{
    const struct kind *kind = kind_of(capability);
    const char *argument = strchr(capability, ':');
    const char *names[ARRAY_LEN(kinds)];
    AUTO_FREE char *word = xstrndup(capability, strcspn(capability, ":"));
    struct plan_bind bind;
    const char *near;
    bool ok;

    if (!is_printable(capability) || strlen(capability) > CAPABILITY_MAX)
        return orb_fail(err, ORB_E_INVALID,
                        "a capability is at most %d printable ASCII characters without blanks, "
                        "quotes and backslashes",
                        CAPABILITY_MAX);
    if (!kind) {
        for (unsigned i = 0; i < ARRAY_LEN(kinds); i++)
            names[i] = kinds[i].prefix;
        near = suggest_nearest(word, names, ARRAY_LEN(kinds));
        return orb_fail(err, ORB_E_INVALID, "unknown capability \"%s\"%s%s%s", capability,
                        near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    }
    ok = !!argument == kind->has_argument;
    if (ok && !strncmp(kind->prefix, "config.", 7))
        ok = is_path(argument + 1);
    else if (ok && !strncmp(kind->prefix, "ipc.", 4))
        ok = argument[1] != '/' && strchr(argument, '/') && strchr(argument, '/')[1];
    else if (ok && !strcmp(kind->prefix, "net.bind"))
        ok = parse_bind(argument + 1, &bind) == 0;
    if (!ok)
        return orb_fail(err, ORB_E_INVALID,
                        "capability \"%s\" is not well-formed; expected e.g. %s", capability,
                        kind->example);
    return 0;
}

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

static int apply(struct plan *plan, const char *capability, const struct plan_context *context,
                 struct orb_err *err)
{
    if (!strncmp(capability, "net.bind:", 9)) {
        if (plan->bind_count == PLAN_MAX_BINDS)
            return orb_fail(err, ORB_E_LIMIT, "%s: more than %d net.bind capabilities",
                            plan->service, PLAN_MAX_BINDS);
        if (parse_bind(capability + 9, &plan->binds[plan->bind_count]) < 0)
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
        plan->state_dir = xasprintf("%s/%s", context->state_root, plan->service);
    }
    return 0;
}

/* What a subtree is granted for cannot be done without these calls. A commit is granted by its own
 * name. */
static void implied(char ***list, unsigned *count, const char *capability)
{
    static const struct {
        const char *prefix, *calls[4];
    } rows[] = {
        {"config.read:", {"ipc.call:config/attach", "ipc.call:config/fetch"}},
        {"config.write:",
         {"ipc.call:config/edit", "ipc.call:config/validate", "ipc.call:config/discard"}},
    };

    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        if (strncmp(capability, rows[i].prefix, strlen(rows[i].prefix)) != 0)
            continue;
        for (unsigned k = 0; k < ARRAY_LEN(rows[i].calls) && rows[i].calls[k]; k++)
            if (!strings_have(*list, rows[i].calls[k]))
                add(list, count, rows[i].calls[k]);
    }
}

int package_plan(const struct package *package, const char *const *grants,
                 const struct plan_context *context, struct plan *ret_plan, char ***ret_effective,
                 struct orb_err *err)
{
    const struct manifest *m = &package->manifest;
    struct plan plan = {0};
    char **effective = xcalloc(1, sizeof(*effective));
    unsigned count = 0;
    int r = 0;

    snprintf(plan.service, sizeof(plan.service), "%s", m->name);
    snprintf(plan.instance, sizeof(plan.instance), "%s", context->instance);
    plan.uid = package->uid;
    plan.package_dir = xstrdup(package->dir);
    plan.library = xstrdup(m->library);
    for (unsigned i = 0; m->libraries[i] && i < PLAN_MAX_LIBRARIES; i++)
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
        plan_fini(&plan);
        strings_free(effective);
        return r;
    }
    plan_seal(&plan);
    *ret_plan = plan;
    *ret_effective = effective;
    return 0;
}
