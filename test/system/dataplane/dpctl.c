/* The data plane as a program, for the tests: runs commands from standard input, one a line, and
 * answers each with one line. It ends without detaching anything, as a daemon that dies.
 *
 *   dpctl NETNS-FILE BPFFS [no-kfunc|no-tcx] [live]
 *   live: looks after the data plane by itself, as the host does
 *   apply FILE · check FILE (compiles it) · put FILE (merges into the running policy) · revert ·
 *   status · counters · times (of the last apply) · test JSON (what becomes of a packet) ·
 *   enable · disable · events (waits for one, dispatches) · tend (what was put back) ·
 *   age (the next packet of each IPv4 flow in the cache is the one in FLOW_PUNT_S) ·
 *   other-in, other-out [INTERFACE [pass]] (another program at tcx) ·
 *   other-netfilter [4|6 [pass [NETNS-FILE]]] · destroy · quit */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "bpf/abi.h"
#include "core/base/file.h"
#include "core/base/now.h"
#include "core/base/own.h"
#include "dataplane/dataplane.h"
#include "dataplane/packet_test.h"

#define PROG_NETFILTER 32 /* enum bpf_prog_type of Linux 6.4 */

struct files {
    const char *bpffs;
    int link; /* of another program; -1: none */
    unsigned noticed;
};

static int read_policy(const char *path, struct policy *policy, struct orb_err *err)
{
    AUTO(buf) struct buf text = {0};
    int r = file_read(path, 64u << 20, &text, err);

    return r < 0 ? r : policy_put(policy, buf_str(&text), text.len, err);
}

static int apply(struct dataplane *dp, struct policy *policy, const char *path, bool reset,
                 struct orb_err *err)
{
    AUTO(policy) struct policy draft = {0};
    struct dataplane_compiled *compiled = NULL;
    int r = 0;

    policy_init(&draft);
    if (!reset)
        r = policy_copy(policy, &draft);
    if (!r)
        r = read_policy(path, &draft, err);
    if (!r)
        r = dataplane_compile(dp, &draft, &compiled, err);
    if (!r)
        r = dataplane_apply(dp, compiled, err);
    if (r < 0)
        return r;
    policy_fini(policy);
    policy_init(policy);
    return policy_copy(&draft, policy);
}

/* What apply does before it changes anything. */
static int check(struct dataplane *dp, const char *path, struct orb_err *err)
{
    AUTO(policy) struct policy policy;
    struct dataplane_compiled *compiled = NULL;
    int r;

    policy_init(&policy);
    r = read_policy(path, &policy, err);
    if (!r)
        r = dataplane_compile(dp, &policy, &compiled, err);
    if (!r)
        dataplane_compile_free(compiled);
    return r;
}

static int wait_event(struct dataplane *dp, struct orb_err *err)
{
    struct pollfd event = {.fd = events_fd(dp), .events = POLLIN};
    struct dataplane_tended tended;

    if (poll(&event, 1, 5000) < 1)
        return orb_fail(err, ORB_E_DEADLINE, "no event within 5 s");
    return dataplane_tend(dp, events_dispatch(dp), &tended, err);
}

/* Nothing is read yet when this returns. */
static int notice(struct dataplane *dp, struct files *files, struct buf *out, struct orb_err *err)
{
    struct pollfd event = {.fd = events_fd(dp), .events = POLLIN};
    uint64_t begun = now_ms();

    while (!(files->noticed & DATAPLANE_FOREIGN)) {
        if (now_ms() - begun > 5000 || poll(&event, 1, 5000) < 1)
            return orb_fail(err, ORB_E_DEADLINE, "nothing noticed within 5 s");
        files->noticed |= events_dispatch(dp);
    }
    buf_addf(out, "%llu", (unsigned long long)(now_ms() - begun));
    return 0;
}

static int read_noticed(struct dataplane *dp, struct files *files, struct orb_err *err)
{
    unsigned what = events_dispatch(dp) | files->noticed;
    struct dataplane_tended tended;

    files->noticed = 0;
    return dataplane_tend(dp, what, &tended, err);
}

static int tend(struct dataplane *dp, struct buf *out, struct orb_err *err)
{
    struct dataplane_tended tended;
    int r = dataplane_tend(dp, events_dispatch(dp) | DATAPLANE_POLL, &tended, err);

    if (!r)
        buf_addf(out, "%s;%s;%s", tended.rules, tended.ports, tended.settings);
    return r;
}

/* As if everything had been in the cache for so long, at up to 1000 jiffies a second. */
static int age(const char *bpffs, struct orb_err *err)
{
    AUTO_FREE char *path = buf_format("%s/flows4", bpffs);
    AUTO_FD int fd = bpf_obj_get(path);
    struct bpf_map_info info = {0};
    uint32_t len = sizeof(info);
    struct flow4 *flows;

    if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len))
        return orb_fail(err, ORB_E_INTERNAL, "no %s", path);
    flows =
        mmap(NULL, info.max_entries * sizeof(*flows), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (flows == MAP_FAILED)
        return orb_fail(err, ORB_E_INTERNAL, "mapping %s", path);
    for (uint32_t i = 0; i < info.max_entries; i++)
        if (flows[i].head.epoch)
            flows[i].head.punt -= 33000;
    munmap(flows, info.max_entries * sizeof(*flows));
    return 0;
}

/* The next entries taken are the last ones of each part of the flow cache, then the first ones. */
static int wrap(const char *bpffs, struct orb_err *err)
{
    const struct flow_next last = {.sent4 = ABI_FLOW4_SENT - 3,
                                   .other4 = ABI_FLOW4_ENTRIES - 3,
                                   .sent6 = ABI_FLOW6_SENT - 3,
                                   .other6 = ABI_FLOW6_ENTRIES - 3};
    AUTO_FREE char *path = buf_format("%s/flow_nexts", bpffs);
    AUTO_FD int fd = bpf_obj_get(path);
    uint32_t cpu = 0;

    while (fd >= 0 && !bpf_map_update_elem(fd, &cpu, &last, BPF_ANY))
        cpu++;
    return cpu ? 0 : orb_fail(err, ORB_E_INTERNAL, "no %s", path);
}

static int make_link(int program, bool netfilter, const char *where, bool egress)
{
    LIBBPF_OPTS(bpf_link_create_opts, options);
    struct { /* of Linux 6.4, newer than libbpf's definition */
        uint32_t program, target, attach_type, flags;
        uint32_t family, hook;
        int32_t priority;
        uint32_t more;
        uint64_t rest[4];
    } attributes = {.program = (uint32_t)program,
                    .attach_type = 45, /* BPF_NETFILTER */
                    .family = !strcmp(where, "6") ? 10 : 2,
                    .hook = 2, /* NF_INET_FORWARD */
                    .priority = -10};

    if (!netfilter) /* BPF_TCX_INGRESS, BPF_TCX_EGRESS */
        return bpf_link_create(program, (int)if_nametoindex(where), egress ? 47 : 46, &options);
    return (int)syscall(__NR_bpf, BPF_LINK_CREATE, &attributes, sizeof(attributes));
}

static int load_other(bool netfilter, bool passes)
{
    const struct bpf_insn code[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K,
                                     .dst_reg = BPF_REG_0,
                                     .imm = netfilter ? passes
                                            : passes  ? -1 /* TCX_NEXT */
                                                      : 2},
                                    {.code = BPF_JMP | BPF_EXIT}};
    LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = netfilter ? 45 : 0);

    return bpf_prog_load(netfilter ? PROG_NETFILTER : BPF_PROG_TYPE_SCHED_CLS, "other", "GPL", code,
                         ARRAY_LEN(code), &options);
}

/* Another program at tcx of an interface or at netfilter, which lets nothing pass, or everything.
 * link: what the last call made; it ends with this process or with the next call. Without a place
 * that is all. elsewhere: in that network namespace. */
static int other(int *link, const char *command, const char *where, struct orb_err *err)
{
    bool netfilter = !strcmp(command, "other-netfilter");
    const char *how = strtok(NULL, " \n"), *elsewhere = strtok(NULL, " \n");
    AUTO_FD int program = -1, here = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    AUTO_FD int there = elsewhere ? open(elsewhere, O_RDONLY | O_CLOEXEC) : -1;

    if (*link >= 0)
        close(*link);
    *link = -1;
    if (!where)
        return 0;
    program = load_other(netfilter, how && !strcmp(how, "pass"));
    if (elsewhere && setns(there, CLONE_NEWNET) < 0)
        return orb_fail(err, ORB_E_INTERNAL, "%s: %s", elsewhere, strerror(errno));
    if (program >= 0)
        *link = make_link(program, netfilter, where, !strcmp(command, "other-out"));
    if (elsewhere && setns(here, CLONE_NEWNET) < 0)
        return orb_fail(err, ORB_E_INTERNAL, "going back: %s", strerror(errno));
    return *link < 0 ? orb_fail(err, ORB_E_INTERNAL, "%s %s: %s", command, where, strerror(errno))
                     : 0;
}

static void metrics(struct dataplane *dp, struct buf *out)
{
    AUTO(buf) struct buf text = {0};

    dataplane_report_metrics(dp, &text);
    for (size_t i = 0; i < text.len; i++)
        buf_addc(out, text.data[i] == '\n' ? ';' : text.data[i]);
}

static int test_packet(struct dataplane *dp, const char *text, struct buf *out, struct orb_err *err)
{
    struct packet_test packet;
    int r = packet_test_read(text, strlen(text), &packet, err);

    return r < 0 ? r : packet_test_run(dp, NULL, &packet, out, err);
}

static int run(struct dataplane *dp, struct policy *policy, struct files *files, char *line,
               struct buf *out, struct orb_err *err)
{
    const char *command = strtok(line, " \n"), *argument = strtok(NULL, " \n");

    if (!command)
        return orb_fail(err, ORB_E_INVALID, "a command is expected");
    if (!strcmp(command, "apply") && argument)
        return apply(dp, policy, argument, true, err);
    if (!strcmp(command, "check") && argument)
        return check(dp, argument, err);
    if (!strcmp(command, "put") && argument)
        return apply(dp, policy, argument, false, err);
    if (!strcmp(command, "revert"))
        return dataplane_apply_revert(dp, err);
    if (!strcmp(command, "tend"))
        return tend(dp, out, err);
    if (!strcmp(command, "status"))
        return dataplane_report_status(dp, out, err);
    if (!strcmp(command, "counters"))
        return dataplane_report_counters(dp, 0, 0, out, err);
    if (!strcmp(command, "test") && argument)
        return test_packet(dp, argument, out, err);
    if (!strcmp(command, "times")) {
        struct dataplane_times t = dataplane_apply_times(dp);

        buf_addf(out, "{\"build\":%u,\"trial\":%u,\"nft\":%u,\"switch\":%u,\"purge\":%u}",
                 t.build_ms, t.trial_ms, t.nft_ms, t.switch_ms, t.purge_ms);
        return 0;
    }
    if (!strcmp(command, "ended")) {
        struct dataplane_ended e = dataplane_report_ended(dp);

        buf_addf(out, "{\"refused\":%llu,\"translated\":%llu}", (unsigned long long)e.refused,
                 (unsigned long long)e.translated);
        return 0;
    }
    if (!strcmp(command, "enable") || !strcmp(command, "disable"))
        return dataplane_set_enabled(dp, !strcmp(command, "enable"), err);
    if (!strcmp(command, "events"))
        return wait_event(dp, err);
    if (!strcmp(command, "notice"))
        return notice(dp, files, out, err);
    if (!strcmp(command, "metrics")) {
        metrics(dp, out);
        return 0;
    }
    if (!strcmp(command, "read"))
        return read_noticed(dp, files, err);
    if (!strncmp(command, "other-", 6))
        return other(&files->link, command, argument, err);
    if (!strcmp(command, "age"))
        return age(files->bpffs, err);
    if (!strcmp(command, "wrap"))
        return wrap(files->bpffs, err);
    if (!strcmp(command, "destroy"))
        return dataplane_destroy(dp, err);
    return orb_fail(err, ORB_E_INVALID, "unknown command %s", command);
}

/* Until there is something to read from standard input. */
static void look_after(struct dataplane *dp)
{
    struct pollfd fds[] = {{.fd = 0, .events = POLLIN}, {.fd = events_fd(dp), .events = POLLIN}};

    for (uint64_t polled = 0; !fds[0].revents;) {
        struct dataplane_tended tended;
        unsigned what = 0;

        if (poll(fds, 2, 500) > 0)
            what = events_dispatch(dp);
        if (now_ms() - polled >= 500) {
            what |= DATAPLANE_POLL;
            polled = now_ms();
        }
        if (what)
            dataplane_tend(dp, what, &tended, NULL);
    }
}

/* false: the end. */
static bool next_line(struct dataplane *dp, bool live, char *line, int size)
{
    if (live)
        look_after(dp);
    return fgets(line, size, stdin) && strcmp(line, "quit\n");
}

static bool has_option(int argc, char **argv, const char *option)
{
    for (int i = 3; i < argc; i++)
        if (!strcmp(argv[i], option))
            return true;
    return false;
}

int main(int argc, char **argv)
{
    struct dataplane_options options = {0};
    struct files files = {.link = -1};
    struct dataplane *dp = NULL;
    struct policy policy = {0};
    struct orb_err err = {0};
    char line[4096];
    int netns;

    if (argc < 3) {
        fprintf(stderr, "usage: dpctl NETNS-FILE BPFFS [no-kfunc|no-tcx] [live]\n");
        return 2;
    }
    netns = open(argv[1], O_RDONLY | O_CLOEXEC);
    if (netns < 0 || setns(netns, CLONE_NEWNET) < 0) {
        perror(argv[1]);
        return 77;
    }
    close(netns);
    options.bpffs = files.bpffs = argv[2];
    options.no_kfunc = has_option(argc, argv, "no-kfunc");
    options.no_tcx = has_option(argc, argv, "no-tcx");
    policy_init(&policy);
    if (dataplane_open(&options, &dp, &err) < 0) {
        printf("error %s\n", err.text);
        return 1;
    }
    printf("ready %s\n", dataplane_adopted(dp) ? "adopted" : "new");
    fflush(stdout);
    while (next_line(dp, has_option(argc, argv, "live"), line, sizeof(line))) {
        AUTO(buf) struct buf out = {0};
        int r = run(dp, &policy, &files, line, &out, &err);

        if (r < 0)
            printf("error %s%s%s\n", err.path, err.path[0] ? ": " : "", err.text);
        else
            printf("ok %s\n", buf_str(&out));
        fflush(stdout);
    }
    dataplane_close(dp);
    policy_fini(&policy);
    return 0;
}
