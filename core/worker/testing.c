/* The test kit from start to stop, and requests to the package: see testing_internal.h. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/json_write.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/ipc/contract_check.h"
#include "core/worker/kit/now.h"
#include "core/worker/testing_ask.h"
#include "core/worker/testing_config.h"
#include "core/worker/testing_grant.h"
#include "core/worker/testing_host.h"
#include "core/worker/testing_internal.h"

#define FILE_MAX (1u << 20)
#define FIRST_PEER 100u

struct orb_test *orb_test_of(const struct orb_plugin *plugin, const char *schema,
                             struct orb_err *err)
{
    struct orb_test *test = xcalloc(1, sizeof(*test));
    AUTO(buf) struct buf text = {0};
    int r = file_read(schema, FILE_MAX, &text, err);

    test->plugin = plugin;
    test->wire.fd = -1;
    test->peer = FIRST_PEER;
    test->metrics = cJSON_CreateObject();
    test->setup = (struct sdk_setup){.service = plugin->name, .sockets = test->sockets};
    if (r == 0)
        r = contract_compile(buf_str(&text), text.len, &test->contract, err);
    if (r == 0)
        return test;
    orb_wrap(err, "%s", schema);
    cJSON_Delete(test->metrics);
    free(test);
    return NULL;
}

struct orb_test *orb_test_load(const char *directory, struct orb_err *err)
{
    AUTO_FREE char *manifest = buf_format("%s/manifest.json", directory);
    AUTO_FREE char *schema = buf_format("%s/schema.json", directory);
    AUTO_FREE char *library = NULL;
    AUTO(buf) struct buf text = {0};
    const struct orb_plugin *plugin;
    struct orb_test *test = NULL;
    void *handle;
    cJSON *tree;

    if (file_read(manifest, FILE_MAX, &text, err) < 0)
        return NULL;
    tree = cJSON_ParseWithLength(buf_str(&text), text.len);
    library = buf_format("%s/%s", directory, sdk_text_of(tree, "library"));
    /* Stays loaded, so that a leak checker can name the functions of the package. */
    handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    plugin = handle ? dlsym(handle, "orbital_plugin") : NULL;
    if (!plugin)
        orb_fail(err, ORB_E_INVALID, "%s", dlerror());
    else
        test = orb_test_of(plugin, schema, err);
    if (test)
        testing_grant_manifest(test, tree);
    cJSON_Delete(tree);
    return test;
}

void orb_test_state_dir(struct orb_test *test, const char *directory)
{
    test->setup.state_dir = directory;
}

void orb_test_socket(struct orb_test *test, const char *name, int fd)
{
    struct sdk_socket *socket = &test->sockets[test->setup.socket_count];

    if (test->setup.socket_count == ARRAY_LEN(test->sockets))
        return;
    snprintf(socket->name, sizeof(socket->name), "%s", name);
    socket->fd = fd;
    test->setup.socket_count++;
}

static void send_peer(struct orb_test *test, uint32_t id, const char *kind, const char *name,
                      const char *role)
{
    AUTO(buf) struct buf b = {0};
    struct json_write w = json_write_to(&b);

    json_write_object(&w, NULL);
    json_write_integer(&w, "id", id);
    json_write_string(&w, "kind", kind);
    json_write_string(&w, "name", name);
    json_write_string(&w, "role", role);
    json_write_end(&w);
    testing_host_send(test, &(struct frame){.type = FRAME_PEER}, NULL, buf_str(&b));
}

static void send_welcome(struct orb_test *test)
{
    static const char *const steps[] = {"prepare", "apply", "abort"};
    const char *interface = contract_interface(test->contract), *name;
    AUTO(buf) struct buf b = {0};
    struct json_write w = json_write_to(&b);

    json_write_object(&w, NULL);
    json_write_string(&w, "service", interface);
    json_write_string(&w, "interface", interface);
    json_write_array(&w, "methods");
    for (size_t i = 0; (name = contract_check_method(test->contract, i)); i++)
        json_write_format(&w, NULL, "%s/%s", interface, name);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++)
        json_write_format(&w, NULL, "service.%s/%s", interface, steps[i]);
    json_write_end(&w);
    json_write_end(&w);
    testing_host_send(test, &(struct frame){.type = FRAME_WELCOME}, NULL, buf_str(&b));
}

int orb_test_start(struct orb_test *test, const char *config, struct orb_err *err)
{
    int pair[2], r = testing_config_start(test, config, err);

    if (r < 0)
        return r;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return orb_fail(err, ORB_E_IO, "no sockets for the test");
    test->wire.fd = pair[0];
    test->setup.ipc_fd = pair[1];
    now_set(TESTING_BEGIN_MS);
    r = sdk_open(&test->ctx, &test->setup, test->plugin, err);
    if (r < 0)
        return r;
    test->open = true;
    send_welcome(test);
    send_peer(test, TESTING_CONFIG_PEER, "service", "config", "service");
    send_peer(test, test->peer, "user", "tester", "operator");
    testing_host_turn(test);
    if (test->ctx.state == SDK_ENDED)
        return testing_ask_ended(test, err);
    return test->ready ? 0 : ORB_LATER;
}

static int outcome(struct orb_test *test, struct orb_err *err)
{
    if (test->failed.code)
        *err = test->failed;
    else if (test->fault.len)
        orb_fail(err, ORB_E_PROTOCOL, "the host refuses %s", buf_str(&test->fault));
    else
        return 0;
    return err->code;
}

int orb_test_stop(struct orb_test *test, struct orb_err *err)
{
    int r;

    if (test->open) {
        sdk_end(&test->ctx, 0);
        sdk_close(&test->ctx);
        test->open = false;
        testing_host_turn(test);
    }
    if (test->wire.fd >= 0) {
        close(test->setup.ipc_fd);
        close(test->wire.fd);
    }
    r = outcome(test, err);
    while (test->asks)
        testing_ask_answer(test, test->asks, &(const char *){NULL}, &(struct orb_err){0});
    testing_config_fini(test);
    testing_host_fini(test);
    contract_free(test->contract);
    buf_fini(&test->shown);
    buf_fini(&test->fault);
    free(test);
    return r;
}

void orb_test_as(struct orb_test *test, const char *kind, const char *name, const char *role)
{
    send_peer(test, ++test->peer, kind, name, role);
}

void orb_test_peer_gone(struct orb_test *test)
{
    testing_host_send(test, &(struct frame){.type = FRAME_GONE, .src = test->peer}, NULL, NULL);
    testing_host_turn(test);
    orb_test_as(test, "user", "tester", "operator");
}

int orb_test_call(struct orb_test *test, const char *method, const char *input,
                  const char **ret_output, struct orb_err *err)
{
    const char *text = input ? input : "{}", *name;
    struct testing_ask *ask;
    uint32_t number = 1, ms;
    int r = contract_check_input(test->contract, method, text, strlen(text), &ms, err);

    if (r < 0)
        return r;
    while ((name = contract_check_method(test->contract, number - 1)) && strcmp(name, method))
        number++;
    ask = testing_ask_send(test, test->peer, number, method, text, ms, err);
    if (!ask)
        return err->code;
    return ask->done ? testing_ask_answer(test, ask, ret_output, err) : ORB_LATER;
}

int orb_test_health(struct orb_test *test, struct orb_err *err)
{
    test->health = (struct orb_err){0};
    testing_host_send(test, &(struct frame){.type = FRAME_PING, .corr = ++test->last_corr}, NULL,
                      NULL);
    testing_host_turn(test);
    if (test->ctx.state == SDK_ENDED)
        return testing_ask_ended(test, err);
    if (test->health.code)
        *err = test->health;
    return test->health.code;
}
