/* One thread, one question at a time: a look-up that hangs holds up no other part of the daemon.
 * The memory is shared by the loop and the thread, and the last of them frees it; a thread that
 * never comes back ends with the process. */
#include "core/host/names.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "core/auth/users.h"
#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/host/host_internal.h"
#include "core/host/problem.h"
#include "core/host/health.h"
#include "core/loop/loop_scope.h"
#include "core/loop/loop_wake.h"

#define KNOWN_MAX 64
#define FRESH_MS 60000u /* who was taken out of the group is noticed after this long */
#define RETRY_MS 2000u  /* the database failed: it is asked again after this */
#define SLOW_MS 5000u   /* from here on it is reported */
#define STACK_BYTES (512u << 10)
#define PROBLEM "names.slow"

struct who {
    uid_t uid;
    gid_t gid;
    char name[64];
    char role[16];
    uint64_t at_ms; /* 0: not known yet */
    bool sure;      /* authoritative: the database did not fail */
    bool named;     /* it has a name for the uid */
};

struct names {
    struct orbitald *host;
    void (*on_known)(void *arg);
    void *arg;
    char *path;
    pthread_mutex_t lock; /* of everything below */
    pthread_cond_t asked;
    struct who known[KNOWN_MAX]; /* one is given up for a new one */
    struct who question, answer;
    bool has_question, has_answer, closed, group_known, group_set;
    gid_t group;
    unsigned holders;  /* loop and thread */
    uint64_t asked_ms; /* 0: no client waits */
    struct loop_wake answered;
    uv_timer_t slow;
    struct loop_scope scope;
};

/* Called with the lock held, which is released. */
static void put(struct names *names)
{
    bool last = --names->holders == 0;

    pthread_mutex_unlock(&names->lock);
    if (!last)
        return;
    pthread_mutex_destroy(&names->lock);
    pthread_cond_destroy(&names->asked);
    free(names->path);
    free(names);
}

/* ---- the thread ---- */

static void look_up_group(struct names *names)
{
    gid_t group = 0;
    bool there = users_group(&group);

    pthread_mutex_lock(&names->lock);
    names->group = group;
    names->group_known = there;
    if (!names->closed)
        loop_wake_send(&names->answered);
    pthread_mutex_unlock(&names->lock);
}

static bool has_name(const struct who *who)
{
    char number[64];

    snprintf(number, sizeof(number), "uid-%u", (unsigned)who->uid);
    return strcmp(who->name, number);
}

static void *on_thread(void *arg)
{
    struct names *names = arg;

    look_up_group(names);
    pthread_mutex_lock(&names->lock);
    while (!names->closed) {
        struct who who;

        if (!names->has_question || names->has_answer) {
            pthread_cond_wait(&names->asked, &names->lock);
            continue;
        }
        who = names->question;
        names->has_question = false;
        pthread_mutex_unlock(&names->lock);
        who.sure = users_look_up(who.uid, who.gid, who.name, who.role);
        who.named = has_name(&who);
        pthread_mutex_lock(&names->lock);
        names->answer = who;
        names->has_answer = true;
        if (!names->closed)
            loop_wake_send(&names->answered);
    }
    put(names);
    return NULL;
}

static int start_thread(struct names *names, struct orb_err *err)
{
    sigset_t all, before;
    pthread_attr_t attr;
    pthread_t thread;
    int r;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before); /* signals are the loop's */
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    r = pthread_create(&thread, &attr, on_thread, names);
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r ? orb_fail(err, -r, "cannot start the thread for user names") : 0;
}

/* ---- the loop ---- */

static struct who *find(struct names *names, uid_t uid, gid_t gid)
{
    for (unsigned i = 0; i < KNOWN_MAX; i++)
        if (names->known[i].at_ms && names->known[i].uid == uid && names->known[i].gid == gid)
            return &names->known[i];
    return NULL;
}

static unsigned entries_of(const struct names *names, uid_t uid)
{
    unsigned n = 0;

    for (unsigned i = 0; i < KNOWN_MAX; i++)
        n += names->known[i].uid == uid;
    return n;
}

/* Whether a is dropped before b. One user may come with many uids (subuid(5)) and many groups: that
 * evicts its own entries first, and uids with a name are kept. */
static bool is_before(const struct names *names, const struct who *a, const struct who *b)
{
    unsigned a_count = entries_of(names, a->uid), b_count = entries_of(names, b->uid);

    if (a->named != b->named)
        return b->named;
    return a_count != b_count ? a_count > b_count : a->at_ms < b->at_ms;
}

static struct who *place_for(struct names *names, const struct who *who)
{
    struct who *to = find(names, who->uid, who->gid);

    for (unsigned i = 0; !to && i < KNOWN_MAX; i++)
        if (!names->known[i].at_ms)
            return &names->known[i];
    if (to)
        return to;
    to = &names->known[0];
    for (unsigned i = 1; i < KNOWN_MAX; i++)
        if (is_before(names, &names->known[i], to))
            to = &names->known[i];
    return to;
}

static void on_answered(struct loop_wake *wake)
{
    struct names *names = container_of(wake, struct names, answered);
    bool set_group, told;
    gid_t group;

    pthread_mutex_lock(&names->lock);
    told = names->has_answer;
    if (told) {
        struct who *to = place_for(names, &names->answer);

        *to = names->answer;
        to->at_ms = now_ms();
        names->has_answer = false;
    }
    group = names->group;
    set_group = names->group_known && !names->group_set && names->path;
    names->group_set = names->group_set || set_group;
    pthread_mutex_unlock(&names->lock);
    if (set_group && chown(names->path, 0, group) < 0)
        log_warn(names->host->log, "control.group-not-set", KV("path", names->path));
    if (!told)
        return;
    names->asked_ms = 0;
    uv_timer_stop(&names->slow);
    problem_clear(names->host, PROBLEM);
    names->on_known(names->arg);
}

void names_socket_made(struct names *names)
{
    if (!names)
        return;
    pthread_mutex_lock(&names->lock);
    names->group_set = false;
    pthread_mutex_unlock(&names->lock);
    loop_wake_send(&names->answered);
}

static void on_slow(uv_timer_t *timer)
{
    struct names *names = container_of(timer, struct names, slow);

    problem_set(names->host, PROBLEM, HEALTH_DEGRADED,
                "the user database does not answer: only root can connect", "",
                "check getent passwd and /etc/nsswitch.conf");
}

int names_identify(struct names *names, uid_t uid, gid_t gid, char name[64], char role[16])
{
    const struct who *who;
    int r = 0;

    if (uid == 0) {
        snprintf(name, 64, "root");
        snprintf(role, 16, "admin");
        return 0;
    }
    if (!names) { /* no thread could be started: numbers do */
        snprintf(name, 64, "uid-%u", (unsigned)uid);
        snprintf(role, 16, "viewer");
        return 0;
    }
    pthread_mutex_lock(&names->lock);
    who = find(names, uid, gid);
    if (who && now_ms() - who->at_ms < (who->sure ? FRESH_MS : RETRY_MS)) {
        snprintf(name, 64, "%s", who->name);
        snprintf(role, 16, "%s", who->role);
    } else {
        r = 1; /* one lookup at a time: waiting ones are retried when it is answered */
        if (!names->asked_ms) {
            names->question = (struct who){.uid = uid, .gid = gid};
            names->has_question = true;
            names->asked_ms = now_ms();
            uv_timer_start(&names->slow, on_slow, SLOW_MS, 0);
            pthread_cond_signal(&names->asked);
        }
    }
    pthread_mutex_unlock(&names->lock);
    return r;
}

static void on_closed(struct loop_scope *scope)
{
    struct names *names = container_of(scope, struct names, scope);

    loop_wake_fini(&names->answered); /* the thread sends nothing once closed is set */
    pthread_mutex_lock(&names->lock);
    put(names);
}

int names_new(struct orbitald *host, const char *path, void (*on_known)(void *arg), void *arg,
              struct names **ret_names, struct orb_err *err)
{
    struct names *names = xcalloc(1, sizeof(*names));

    names->host = host;
    names->on_known = on_known;
    names->arg = arg;
    names->path = path ? xstrdup(path) : NULL;
    names->holders = 2;
    pthread_mutex_init(&names->lock, NULL);
    pthread_cond_init(&names->asked, NULL);
    loop_scope_init(&names->scope, on_closed);
    uv_timer_init(host->loop, &names->slow);
    loop_scope_adopt(&names->scope, (uv_handle_t *)&names->slow);
    if (loop_wake_start(&names->answered, host->loop, &names->scope, on_answered, err) < 0 ||
        start_thread(names, err) < 0) {
        names->holders--;
        names_close(names);
        return err ? err->code : ORB_E_INTERNAL;
    }
    *ret_names = names;
    return 0;
}

void names_close(struct names *names)
{
    if (!names)
        return;
    pthread_mutex_lock(&names->lock);
    names->closed = true;
    pthread_cond_signal(&names->asked);
    pthread_mutex_unlock(&names->lock);
    loop_scope_close(&names->scope);
}
