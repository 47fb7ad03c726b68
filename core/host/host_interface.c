/* host@1: requests of users and of the config service to the host itself. */
#include "core/host/host_interface.h"

#include <string.h>

#include "core/base/file.h"
#include "core/base/json_write.h"
#include "core/base/now.h"
#include "core/base/own.h"
#include "core/host/enforced.h"
#include "core/host/follow.h"
#include "core/host/given_up.h"
#include "core/host/good.h"
#include "core/host/host_internal.h"
#include "core/host/logs_interface.h"
#include "core/host/metrics_interface.h"
#include "core/host/problem.h"
#include "core/host/service_control.h"
#include "core/host/health.h"
#include "core/ipc/introspect.h"
#include "core/json/scan.h"
#include "core/sup/control.h"
#include "core/sup/report.h"

#define FIRST_CONFIG_MAX (200u << 10)
#define SCHEMAS_MAX (255u << 10) /* with the closing brackets below FRAME_MAX */

static void answer(struct host_req *req, int r, const struct buf *out, const struct orb_err *err)
{
    if (r < 0)
        host_reply_error(req, err);
    else if (out->len)
        host_reply(req, out->data, out->len);
    else
        host_reply(req, "{}", 2);
}

/* An answer that is one text. */
static void text_answer(struct buf *out, const char *text, size_t len)
{
    struct json_write w = json_write_to(out);

    json_write_object(&w, NULL);
    json_write_string_len(&w, "text", text, len);
    json_write_end(&w);
}

static void add_schema(struct json_write *w, const char *package, const struct contract *contract)
{
    size_t len;
    const char *text = contract_text(contract, &len);

    json_write_object(w, NULL);
    json_write_string(w, "package", package);
    json_write_string_len(w, "text", text, len);
    json_write_end(w);
}

/* What one package of a third party may take of the answer, and all that ship and the host must
 * have taken before. */
#define THIRD_SCHEMA_MAX (64u << 10)

/* A schema for which the answer has no room is left out: its package cannot be configured, and no
 * package can keep the others from it. */
static void add_one(struct orbitald *host, const struct package *p, struct json_write *w,
                    struct buf *left_out)
{
    const char *name = p->manifest.name;
    AUTO(buf) struct buf one = {0};
    struct json_write alone = json_write_to(&one);

    add_schema(&alone, name, p->contract);
    if (w->to->len + one.len < SCHEMAS_MAX && (p->shipped || one.len < THIRD_SCHEMA_MAX)) {
        json_write_raw(w, NULL, one.data, one.len);
        return;
    }
    buf_addf(left_out, "%s%s", left_out->len ? ", " : "", name);
    log_error(host->log, "package.schema-left-out", KV("package", name), KV("bytes", one.len),
              KV("most", THIRD_SCHEMA_MAX), KV("all", SCHEMAS_MAX));
}

/* One reason, however many they are: the list of reasons is for others, too. */
static void tell_left_out(struct orbitald *host, const struct buf *left_out)
{
    AUTO_FREE char *what = NULL;

    if (!left_out->len) {
        problem_clear(host, "package.schemas");
        return;
    }
    what = buf_format("no room for schemas (a package may take %u KiB, all together %u): not to be "
                      "configured are %s",
                      THIRD_SCHEMA_MAX >> 10, SCHEMAS_MAX >> 10, buf_str(left_out));
    problem_set(host, "package.schemas", HEALTH_DEGRADED, what, "",
                "make the schemas smaller, or remove packages; orbctl logs --grep schema-left");
}

static int by_size(const void *a, const void *b)
{
    const struct package *const *x = a, *const *y = b;
    size_t x_len, y_len;

    contract_text((*x)->contract, &x_len);
    contract_text((*y)->contract, &y_len);
    return x_len < y_len ? -1 : x_len > y_len;
}

/* Shipped packages first, then others by size, smallest first. */
static void schemas(struct orbitald *host, struct buf *out)
{
    const struct package *others[PACKAGE_MAX];
    AUTO(buf) struct buf left_out = {0};
    struct json_write w = json_write_to(out);
    size_t count = 0;

    json_write_object(&w, NULL);
    json_write_array(&w, "third-party"); /* the config service holds them to what is configured */
    for (unsigned i = 0; i < host->packages.count; i++)
        if (!host->packages.items[i]->shipped)
            json_write_string(&w, NULL, host->packages.items[i]->manifest.name);
    json_write_end(&w);
    json_write_array(&w, "schemas");
    add_schema(&w, "host", host->services_contract);
    add_schema(&w, "host", host->system_contract);
    for (unsigned i = 0; i < host->packages.count; i++) {
        const struct package *p = host->packages.items[i];

        if (!contract_has_config(p->contract))
            continue;
        if (p->shipped)
            add_one(host, p, &w, &left_out);
        else
            others[count++] = p;
    }
    qsort(others, count, sizeof(others[0]), by_size);
    for (size_t i = 0; i < count; i++)
        add_one(host, others[i], &w, &left_out);
    json_write_end(&w);
    json_write_end(&w);
    tell_left_out(host, &left_out);
}

static int first_config(struct orbitald *host, struct buf *out, struct orb_err *err)
{
    AUTO(buf) struct buf text = {0};
    const char *path = host->options.first_config;

    if (path && access(path, F_OK) == 0) {
        int r = file_read_regular(path, FIRST_CONFIG_MAX, &text, err);

        if (r < 0)
            return r;
    }
    text_answer(out, buf_str(&text), text.len);
    return 0;
}

static void version(struct orbitald *host, struct buf *out)
{
    struct json_write w = json_write_to(out);

    json_write_object(&w, NULL);
    json_write_string(&w, "version", ORBITAL_VERSION);
    json_write_string(&w, "instance", host->options.instance);
    json_write_integer(&w, "pid", getpid());
    json_write_integer(&w, "uptime-ms", (int64_t)(now_ms() - host->started_ms));
    json_write_boolean(&w, "safe", host->safe);
    json_write_end(&w);
}

static void services(struct orbitald *host, struct buf *out)
{
    struct json_write w = json_write_to(out);

    json_write_object(&w, NULL);
    report_list(host->supervisor, &w, "services");
    if (host->refused.len) {
        json_write_array(&w, "refused");
        json_write_raw(&w, NULL, host->refused.data, host->refused.len);
        json_write_end(&w);
        json_write_integer(&w, "refused-more", host->refused_more);
    }
    json_write_end(&w);
}

static void boot(struct orbitald *host, struct buf *out)
{
    struct json_write w = json_write_to(out);

    json_write_object(&w, NULL);
    report_boot(host->supervisor, &w);
    json_write_boolean(&w, "safe", host->safe);
    given_up_write(host, &w, "given-up");
    json_write_end(&w);
}

/* The error while packages are not read yet. */
static int not_yet(const struct orbitald *host, const char *method, struct buf *out,
                   struct orb_err *err)
{
    struct json_write w = json_write_to(out);

    if (!strcmp(method, "health")) {
        health_json(host, out);
        return 0;
    }
    if (strcmp(method, "boot"))
        return orb_fail(err, ORB_E_UNAVAILABLE, "orbitald is starting (%s)", host->starting);
    json_write_object(&w, NULL);
    json_write_string(&w, "phase", "starting");
    json_write_string(&w, "step", host->starting);
    json_write_array(&w, "phases");
    json_write_end(&w);
    json_write_end(&w);
    return 0;
}

static int dispatch(struct orbitald *host, const char *method, const char *input, size_t len,
                    struct buf *out, struct orb_err *err)
{
    char name[80];

    json_text_member(input, len, "name", name, sizeof(name));
    if (!strcmp(method, "services"))
        services(host, out);
    else if (!strcmp(method, "service"))
        return report_show(host->supervisor, name, out, err);
    else if (!strcmp(method, "sandbox"))
        return report_sandbox(host->supervisor, name, host->sandbox, out, err);
    else if (!strcmp(method, "crashes"))
        return report_crashes(host->supervisor, name, out, err);
    else if (!strcmp(method, "service-late") || !strcmp(method, "service-needed")) {
        char why[160];

        json_text_member(input, len, "why", why, sizeof(why));
        return (!strcmp(method, "service-late") ? control_kill : control_need)(host->supervisor,
                                                                               name, why, err);
    } else if (!strcmp(method, "follow"))
        return follow_request(host, input, len, err);
    else if (!strcmp(method, "interfaces"))
        introspect_list(host->broker, out);
    else if (!strcmp(method, "describe")) {
        json_text_member(input, len, "interface", name, sizeof(name));
        return introspect_describe(host->broker, name, out, err);
    } else if (!strcmp(method, "metrics"))
        return metrics_interface_host(host, input, len, out, err);
    else if (!strcmp(method, "boot"))
        boot(host, out);
    else if (!strcmp(method, "health"))
        health_json(host, out);
    else if (!strcmp(method, "version"))
        version(host, out);
    else if (!strcmp(method, "schemas"))
        schemas(host, out);
    else if (!strcmp(method, "first-config"))
        return first_config(host, out, err);
    else
        return orb_fail(err, ORB_E_INTERNAL, "host@1 %s is declared but not handled", method);
    return 0;
}

static void on_request(void *arg, struct host_req *req, const struct host_caller *caller,
                       const char *method, const char *input, size_t len)
{
    struct orbitald *host = arg;
    AUTO(buf) struct buf out = {0};
    struct orb_err err = {0};
    int r;

    if (logs_interface_request(host, req, caller, method, input, len))
        return;
    if (!host->starting && !strcmp(method, "enforced")) {
        enforced_request(host, req, input, len);
        return;
    }
    if (!host->starting && service_control_request(host, req, caller, method, input, len))
        return;
    if (!host->starting && !strcmp(method, "boot-mode")) {
        good_request(host, req);
        return;
    }
    r = host->starting && strcmp(method, "version")
            ? not_yet(host, method, &out, &err)
            : dispatch(host, method, input, len, &out, &err);
    answer(req, r, &out, &err);
}

int host_interface_provide(struct orbitald *host, struct orb_err *err)
{
    return host_serve(host->broker, host->host_contract, on_request, host, err);
}
