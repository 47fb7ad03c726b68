/* See fake.h. */
#include <check.h>
#include <dirent.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#include "core/base/file.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/json/schema.h"
#include "plugins/config/engine.h"
#include "test/unit/config/fake.h"

#define MAX_SERVICES 8

static const char firewall_schema[] =
    "{\"interface\":\"firewall\",\"version\":\"1.0\",\"config\":{\"type\":\"object\","
    "\"properties\":{"
    "\"zones\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"object\",\"properties\":{"
    "\"interfaces\":{\"type\":\"array\",\"items\":{\"type\":\"string\",\"x-orb-ref\":\"/"
    "interfaces\"}}}}},"
    "\"rules\":{\"type\":\"object\",\"maxProperties\":20000,"
    "\"propertyNames\":{\"pattern\":\"^[0-9]+$\"},\"additionalProperties\":{\"type\":\"object\","
    "\"properties\":{\"from\":{\"type\":\"string\",\"x-orb-ref\":\"/firewall/zones\"},"
    "\"action\":{\"enum\":[\"accept\",\"drop\",\"reject\"]},"
    "\"protocol\":{\"enum\":[\"tcp\",\"udp\",\"icmp\",\"any\"]},"
    "\"port\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":65535}},\"required\":[\"action\"]}},"
    "\"limits\":{\"type\":\"object\",\"maxProperties\":2,\"additionalProperties\":"
    "{\"type\":\"integer\"}}}}}";
static const char interfaces_schema[] =
    "{\"interface\":\"interfaces\",\"version\":\"1.0\",\"config\":{\"type\":\"object\","
    "\"additionalProperties\":{\"type\":\"object\",\"properties\":{"
    "\"mtu\":{\"type\":\"integer\",\"minimum\":68,\"maximum\":9000},"
    "\"description\":{\"type\":\"string\"}}}}}";
static const char system_schema[] =
    "{\"interface\":\"system\",\"version\":\"1.0\",\"config\":{\"type\":\"object\",\"properties\":{"
    "\"hostname\":{\"type\":\"string\",\"maxLength\":63},"
    "\"password\":{\"type\":\"string\",\"minLength\":6,\"x-orb-secret\":true},"
    "\"vault\":{\"type\":\"object\",\"x-orb-secret\":true,"
    "\"additionalProperties\":{\"type\":\"string\",\"maxLength\":9}},"
    "\"users\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
    "\"name\":{\"type\":\"string\"},\"key\":{\"anyOf\":[{\"type\":\"string\",\"maxLength\":9,"
    "\"x-orb-secret\":true}]}}}}}}}";

static const char services_schema[] =
    "{\"interface\":\"services\",\"version\":\"1.0\",\"config\":{\"type\":\"object\","
    "\"additionalProperties\":{\"type\":\"object\",\"properties\":{"
    "\"enabled\":{\"type\":\"boolean\"},\"limits\":{\"type\":\"object\","
    "\"additionalProperties\":true},"
    "\"grants\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}}}}}";

static void schemas(const struct fake *f, struct buf *to)
{
    const char *const list[][2] = {{"firewall", firewall_schema},
                                   {"interfaces", interfaces_schema},
                                   {"system", system_schema},
                                   {"services", services_schema},
                                   {"guest", f->guest}};

    buf_adds(to, "{\"third-party\":[\"guest\",\"g1\",\"g2\",\"g3\",\"g4\"],\"schemas\":[");
    for (size_t i = 0; i < ARRAY_LEN(list); i++) {
        if (!list[i][1] || (f->without && !strcmp(f->without, list[i][0])))
            continue;
        buf_addf(to, "%s{\"package\":\"%s\",\"text\":", to->data[to->len - 1] == '[' ? "" : ",",
                 list[i][0]);
        buf_add_json(to, list[i][1], strlen(list[i][1]));
        buf_addc(to, '}');
    }
    buf_adds(to, "]}");
}

static void on_log(struct log_sink *sink, const char *service, enum log_level level,
                   const char *event, const struct orb_kv *pairs)
{
    struct fake *f = container_of(sink, struct fake, log);

    buf_addf(&f->logged, "%s ", event);
    for (; pairs->key; pairs++)
        if (pairs->text)
            buf_addf(&f->logged, "%s=%s ", pairs->key, pairs->text);
        else
            buf_addf(&f->logged, "%s=%" PRId64 " ", pairs->key, pairs->number);
}

static int on_call(void *arg, const char *to, const char *method, const char *text, size_t len,
                   uint32_t deadline_ms, engine_done *done, void *done_arg, struct orb_err *err)
{
    struct fake *f = arg;
    struct fake_call *c = xcalloc(1, sizeof(*c)), **at = &f->calls;

    *c = (struct fake_call){.to = xstrdup(to),
                            .method = xstrdup(method),
                            .text = xstrndup(text, len),
                            .done = done,
                            .arg = done_arg,
                            .deadline = f->now + deadline_ms};
    while (*at)
        at = &(*at)->next;
    *at = c;
    return 0;
}

#define MAX_CONTRACTS 64

/* The schema at a JSON pointer of schema.json, compiled once a process: a test sends thousands of
 * requests, and compiling takes longer than what it tests. */
static const struct schema *contract_at(const char *at)
{
    static struct {
        char *at;
        struct schema *schema;
    } kept[MAX_CONTRACTS];
    AUTO(buf) struct buf doc = {0};
    struct orb_err err = {0};
    size_t i = 0;

    while (i < MAX_CONTRACTS && kept[i].at && strcmp(kept[i].at, at))
        i++;
    ck_assert_msg(i < MAX_CONTRACTS, "more than %d contracts", MAX_CONTRACTS);
    if (kept[i].at)
        return kept[i].schema;
    ck_assert_msg(file_read(CONFIG_SCHEMA, 1 << 20, &doc, &err) == 0, "%s", err.text);
    ck_assert_msg(schema_compile_in(doc.data, doc.len, at, true, &kept[i].schema, &err) == 0,
                  "%s: %s", at, err.text);
    kept[i].at = xstrdup(at);
    return kept[i].schema;
}

/* Every input and answer must fit the contract in schema.json, as the broker would insist. */
static void check_contract(const char *method, const char *side, const char *text, size_t len)
{
    AUTO_FREE char *at = buf_format("/methods/%s/%s", method, side);
    struct orb_err err = {0};

    ck_assert_msg(schema_check(contract_at(at), text, len, "", &err) == 0,
                  "%s %s: %s: %s in %.300s", method, side, err.path, err.text, text);
}

/* The last one sent here, or one that a test sends itself. */
static bool is_awaited(const struct fake *f, const void *req)
{
    return req == f->awaited || req == f;
}

static void on_reply(void *arg, void *req, const char *text, size_t len)
{
    struct fake *f = arg;
    struct orb_err err;

    if (!is_awaited(f, req))
        return;
    ck_assert_msg(!f->answered, "answered twice");
    f->answered = true;
    if (f->method)
        check_contract(f->method, "output", text, len);
    json_decref(f->reply);
    f->reply = NULL;
    ck_assert_int_eq(tree_parse(text, len, NULL, &f->reply, &err), 0);
    buf_clear(&f->text);
    buf_add(&f->text, text, len);
}

static void on_refuse(void *arg, void *req, const struct orb_err *err)
{
    struct fake *f = arg;

    if (!is_awaited(f, req))
        return;
    ck_assert(!f->answered);
    f->answered = true;
    f->err = *err;
}

static void on_publish(void *arg, uint64_t revision, const char *const *paths, size_t count)
{
    ((struct fake *)arg)->published++;
}

static void on_problem(void *arg, const char *key, bool failed, const char *what, const char *todo)
{
    struct fake *f = arg;

    if (what)
        json_object_set_new(f->problems, key, json_string(what));
    else
        json_object_del(f->problems, key);
}

static void on_enforced(void *arg, uint64_t revision, uint64_t id, uint64_t void_tx)
{
    struct fake *f = arg;

    ck_assert_uint_ge(revision, f->enforced); /* it never decreases */
    f->enforced = revision;
    f->told = revision;
    f->enforced_id = id;
    f->void_tx = void_tx ? void_tx : f->void_tx;
}

static void on_follow(void *arg, const char *text, size_t len)
{
    struct fake *f = arg;
    struct orb_err err;

    json_decref(f->follow);
    f->follow = NULL;
    ck_assert_int_eq(tree_parse(text, len, NULL, &f->follow, &err), 0);
    f->applying = f->applying
                      ? f->applying
                      : (uint64_t)json_integer_value(json_object_get(f->follow, "applying"));
}

uint64_t fake_due(struct fake *f, const char *service, bool *ret_configured)
{
    json_t *s;
    size_t i;

    json_array_foreach (json_object_get(f->follow, "services"), i, s) {
        if (strcmp(json_string_value(json_object_get(s, "name")), service))
            continue;
        if (ret_configured)
            *ret_configured = json_is_true(json_object_get(s, "configured"));
        return (uint64_t)json_integer_value(json_object_get(s, "due"));
    }
    ck_abort_msg("the host was told nothing of %s", service);
    return 0;
}

static void on_wake(void *arg, uint64_t after_ms)
{
    struct fake *f = arg;

    f->wake_at = f->now + after_ms;
}

static uint64_t on_now(void *arg)
{
    return ((struct fake *)arg)->now;
}

static uint64_t on_now_us(void *arg)
{
    return ++((struct fake *)arg)->us;
}

static uint64_t on_wall(void *arg)
{
    return ((struct fake *)arg)->wall + ((struct fake *)arg)->now * 1000;
}

static void on_step(void *arg, const char *name)
{
    struct fake *f = arg;

    f->steps++;
    if ((f->kill_at && !strcmp(name, f->kill_at)) || f->steps == f->kill_number)
        _exit(42);
}

void fake_new(struct fake *f)
{
    *f = (struct fake){.now = 100000, .wall = 1700000000000000};
    f->log.write = on_log;
    f->host = (struct engine_host){.arg = f,
                                   .log = &f->log,
                                   .call = on_call,
                                   .reply = on_reply,
                                   .refuse = on_refuse,
                                   .publish = on_publish,
                                   .wake = on_wake,
                                   .now_ms = on_now,
                                   .now_us = on_now_us,
                                   .wall_us = on_wall,
                                   .step = on_step,
                                   .problem = on_problem,
                                   .enforced = on_enforced,
                                   .follow = on_follow};
    f->problems = json_object();
    /* In memory: hundreds of starts and thousands of syncs are no work for a disk. */
    snprintf(f->dir, sizeof(f->dir), "%s/orbt-config-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(f->dir));
    f->services = mmap(NULL, MAX_SERVICES * sizeof(*f->services), PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(f->services != MAP_FAILED);
    fake_open(f);
}

int fake_try_open(struct fake *f)
{
    AUTO(buf) struct buf text = {0};

    schemas(f, &text);
    f->err = (struct orb_err){0};
    f->host.was_enforced = f->enforced;
    /* A test that sets only the number means that nothing more is known of it. */
    f->host.was_enforced_id = f->enforced == f->told ? f->enforced_id : 0;
    f->host.was_good = f->good;
    f->host.was_void_tx = f->void_tx;
    json_object_clear(f->problems);
    return engine_open(&f->host, f->dir, text.data, text.len, &f->engine, &f->fresh, &f->err);
}

void fake_open(struct fake *f)
{
    int r = fake_try_open(f);

    ck_assert_msg(r == 0, "%s", f->err.text);
}

const char *fake_problem(struct fake *f, const char *key)
{
    return json_string_value(json_object_get(f->problems, key));
}

static void call_free(struct fake_call *c);

void fake_close(struct fake *f)
{
    while (f->calls) {
        struct fake_call *c = f->calls;

        f->calls = c->next;
        call_free(c);
    }
    engine_free(f->engine);
    f->engine = NULL;
}

void fake_free(struct fake *f)
{
    DIR *dir = opendir(f->dir);
    struct dirent *entry;

    fake_close(f);
    while (dir && (entry = readdir(dir))) {
        AUTO_FREE char *path = buf_format("%s/%s", f->dir, entry->d_name);

        if (unlink(path) < 0)
            rmdir(path);
    }
    closedir(dir);
    rmdir(f->dir);
    json_decref(f->reply);
    json_decref(f->problems);
    json_decref(f->follow);
    buf_fini(&f->trace);
    buf_fini(&f->logged);
    buf_fini(&f->sent);
    buf_fini(&f->text);
    munmap(f->services, MAX_SERVICES * sizeof(*f->services));
}

/* ---- services ---- */

struct fake_service *fake_service(struct fake *f, const char *name, const char *path)
{
    struct fake_service *s = &f->services[f->service_count++];

    *s = (struct fake_service){.peer = 1000 + f->service_count};
    snprintf(s->name, sizeof(s->name), "%s", name);
    snprintf(s->path, sizeof(s->path), "%s", path);
    fake_attach(f, s);
    return s;
}

/* The request whose answer counts from now on. */
static void *awaited(struct fake *f)
{
    f->awaited = (void *)(uintptr_t)++f->requests;
    return f->awaited;
}

static void send_attach(struct fake *f, struct fake_service *s, void *req)
{
    AUTO_FREE char *grant = buf_format("config.read:%s", s->path);
    const char *const grants[] = {grant, s->secret[0] ? s->secret : NULL, NULL};
    struct engine_caller caller = {
        .peer = s->peer, .kind = CALLER_SERVICE, .name = s->name, .grants = grants};
    AUTO_FREE char *in = buf_format("{\"paths\":[\"%s\"]}", s->path);

    check_contract("attach", "input", in, strlen(in));
    engine_request(f->engine, &caller, "attach", in, strlen(in), req);
    fake_pump(f);
}

void fake_attach_meanwhile(struct fake *f, struct fake_service *s)
{
    send_attach(f, s, s);
}

void fake_attach_send(struct fake *f, struct fake_service *s)
{
    f->answered = false;
    f->err = (struct orb_err){0};
    json_decref(f->reply);
    f->reply = NULL;
    f->method = "attach";
    send_attach(f, s, awaited(f));
    f->method = NULL;
}

void fake_attach(struct fake *f, struct fake_service *s)
{
    fake_attach_send(f, s);
    ck_assert(f->answered);
    ck_assert_int_eq(f->err.code, 0);
    s->revision = (uint64_t)json_integer_value(json_object_get(f->reply, "revision"));
    s->prepared = s->applied = false;
}

static int service_answer(struct fake_service *s, enum fake_phase phase, const json_t *in)
{
    uint64_t tx = (uint64_t)json_integer_value(json_object_get(in, "tx"));

    if (phase == FAKE_PREPARE && (s->mode[phase] == FAKE_OK || s->mode[phase] == FAKE_PICKY)) {
        s->tx = tx;
        s->next = (uint64_t)json_integer_value(json_object_get(in, "revision"));
        s->prepared = true;
        s->applied = false;
    } else if (phase == FAKE_APPLY && s->mode[phase] == FAKE_OK) {
        ck_assert(s->prepared && s->tx == tx);
        s->before = s->revision;
        s->revision = s->next;
        s->prepared = false;
        s->applied = true;
    } else if (phase == FAKE_ABORT && s->tx == tx) {
        if (s->applied)
            s->revision = s->before;
        s->prepared = s->applied = false;
    }
    return 0;
}

static bool changes(const json_t *in)
{
    json_t *op;
    size_t i;

    json_array_foreach (json_object_get(in, "patch"), i, op)
        if (!json_equal(json_object_get(op, "old"), json_object_get(op, "value")))
            return true;
    return false;
}

static void answer(struct fake *f, const struct fake_call *c, struct fake_service *s)
{
    static const char *const phases[] = {"prepare", "apply", "abort"};
    AUTO_FREE char *ok = buf_format("{\"plan\":[{\"kind\":\"live\",\"text\":\"%s\"}]}",
                                    s->plan       ? s->plan
                                    : s->words[0] ? s->words
                                                  : "swap the table");
    AUTO(json_t) json_t *in = NULL;
    struct orb_err err = {0};
    enum fake_mode mode;
    int phase = 0;

    ck_assert_int_eq(tree_parse(c->text, strlen(c->text), NULL, &in, &err), 0);
    while (strcmp(phases[phase], c->method))
        phase++;
    mode = s->mode[phase];
    if (phase == FAKE_PREPARE) {
        buf_clear(&f->sent);
        buf_adds(&f->sent, c->text);
    }
    if (mode == FAKE_PICKY)
        mode = changes(in) ? FAKE_ERROR : FAKE_OK;
    if (mode != FAKE_SILENT && mode != FAKE_WORKS)
        service_answer(s, (enum fake_phase)phase, in);
    buf_addf(&f->trace, "%s.%s%s ", s->name, c->method,
             json_is_true(json_object_get(in, "applied")) ? "+" : "");
    if (mode == FAKE_OK) {
        const char *text =
            phase == FAKE_PREPARE || (phase == FAKE_APPLY && s->explains) ? ok : "{}";
        AUTO(buf) struct buf echo = {0};

        if (json_object_get(in, "question")) { /* it answers with the question */
            buf_adds(&echo, "{\"plan\":[],\"answer\":");
            tree_dump(json_object_get(in, "question"), &echo);
            buf_adds(&echo, "}");
            text = buf_str(&echo);
        }

        c->done(c->arg, text, strlen(text), NULL);
        return;
    }
    if (mode == FAKE_ERROR)
        orb_fail_at(&err, ORB_E_INVALID, "/firewall/rules/10", "%s",
                    s->words[0] ? s->words : "no such zone in the kernel");
    else if (mode == FAKE_GONE)
        orb_fail(&err, ORB_E_GONE, "gone");
    else if (mode == FAKE_TIMEOUT)
        orb_fail(&err, ORB_E_DEADLINE, "service.%s did not answer %s within 10 s", s->name,
                 c->method);
    else
        orb_fail(&err, ORB_E_UNAVAILABLE, "away");
    if (mode == FAKE_GONE)
        engine_peer_gone(f->engine, s->peer);
    c->done(c->arg, NULL, 0, &err);
}

static void call_free(struct fake_call *c)
{
    free(c->to);
    free(c->method);
    free(c->text);
    free(c);
}

static struct fake_service *service_of(struct fake *f, const struct fake_call *c)
{
    for (unsigned i = 0; i < f->service_count; i++) {
        AUTO_FREE char *to = buf_format("service.%s@1", f->services[i].name);

        if (!strcmp(to, c->to))
            return &f->services[i];
    }
    return NULL;
}

static bool does(const struct fake_service *s, const struct fake_call *c, enum fake_mode mode)
{
    enum fake_phase phase = !strcmp(c->method, "prepare") ? FAKE_PREPARE
                            : !strcmp(c->method, "apply") ? FAKE_APPLY
                                                          : FAKE_ABORT;

    return s && s->mode[phase] == mode;
}

static bool is_silent(const struct fake_service *s, const struct fake_call *c)
{
    return does(s, c, FAKE_SILENT) || does(s, c, FAKE_WORKS);
}

void fake_wake(struct fake *f)
{
    for (struct fake_call *c = f->calls; c; c = c->next)
        c->silent = false;
    fake_pump(f);
}

/* The first call that can be answered now, out of the list. */
static struct fake_call *next_call(struct fake *f, bool late)
{
    for (struct fake_call **at = &f->calls; *at; at = &(*at)->next) {
        struct fake_call *c = *at;

        if (late ? !c->silent || c->deadline > f->now : c->silent)
            continue;
        *at = c->next;
        return c;
    }
    return NULL;
}

void fake_pump(struct fake *f)
{
    struct fake_call *c;

    while ((c = next_call(f, false))) {
        struct fake_service *s = service_of(f, c);

        if (is_silent(s, c)) {
            struct fake_call **at = &f->calls;

            buf_addf(&f->trace, "%s.%s… ", s->name, c->method);
            c->silent = true;
            c->deadline = does(s, c, FAKE_WORKS) ? UINT64_MAX : c->deadline;
            c->next = NULL;
            while (*at)
                at = &(*at)->next;
            *at = c;
            continue;
        }
        if (s) {
            answer(f, c, s);
        } else {
            buf_addf(&f->trace, "%s.%s(%s) ", c->to, c->method, c->text);
            c->done(c->arg, "{}", 2, NULL);
        }
        call_free(c);
    }
}

static void expire(struct fake *f)
{
    struct fake_call *c;

    while ((c = next_call(f, true))) {
        struct orb_err err;

        orb_fail(&err, ORB_E_DEADLINE, "late");
        c->done(c->arg, NULL, 0, &err);
        call_free(c);
    }
}

void fake_advance(struct fake *f, uint64_t ms)
{
    f->now += ms;
    expire(f);
    engine_tick(f->engine);
    fake_pump(f);
}

/* ---- requests ---- */

void fake_send(struct fake *f, const char *user, uint32_t peer, const char *method, const char *in)
{
    /* The prefix is the kind, as where identities are shown. Sessions are opened in the order of
     * numbers. */
    static const char *const kinds[] = {"", "token:", "service:", "host:"};
    struct engine_caller caller = {.peer = peer, .name = user, .grants = f->grants};

    for (unsigned i = 1; i < ARRAY_LEN(kinds); i++)
        if (!strncmp(user, kinds[i], strlen(kinds[i]))) {
            caller.kind = (enum caller_kind)i;
            caller.name = user + strlen(kinds[i]);
        }
    if (peer > f->newest_peer) {
        f->newest_peer = peer;
        f->newest_us = ++f->us;
    }
    caller.opened_us = peer == f->newest_peer ? f->newest_us : 0;
    caller.made_us = caller.kind == CALLER_TOKEN ? f->made_us : 0;
    f->answered = false;
    f->err = (struct orb_err){0};
    json_decref(f->reply);
    f->reply = NULL;
    f->method = method;
    check_contract(method, "input", in, strlen(in));
    engine_request(f->engine, &caller, method, in, strlen(in), awaited(f));
    fake_pump(f);
}

int fake_ask(struct fake *f, const char *user, uint32_t peer, const char *method,
             const char *format, ...)
{
    AUTO(buf) struct buf in = {0};
    va_list args;

    va_start(args, format);
    buf_addv(&in, format, args);
    va_end(args);
    fake_send(f, user, peer, method, buf_str(&in));
    if (!f->answered) /* a commit that waits for known subscribers */
        fake_advance(f, 5000);
    f->method = NULL;
    ck_assert_msg(f->answered, "%s %s was not answered", method, in.data);
    return f->err.code;
}

void fake_set(struct fake *f, const char *path, const char *value)
{
    ck_assert_msg(fake_ask(f, "ada", 1, "edit",
                           "{\"ops\":[{\"op\":\"set\",\"path\":\"%s\",\"value\":%s}]}", path,
                           value) == 0,
                  "%s: %s", f->err.path, f->err.text);
}

void fake_commit(struct fake *f)
{
    ck_assert_msg(fake_ask(f, "ada", 1, "commit", "{}") == 0, "%s: %s", f->err.path, f->err.text);
}

const char *fake_running(struct fake *f)
{
    buf_clear(&f->text);
    engine_running(f->engine, &f->text);
    return buf_str(&f->text);
}
