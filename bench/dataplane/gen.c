/* gen - loads and drives the programs of gen.bpf.c, for bench/dataplane.py.
 *
 *   gen load PIN NETNS DEV MAC     pins all programs and maps in PIN; the fixed forwarder and the
 *                                  device map send out of DEV of NETNS to MAC
 *   gen xdp PIN NETNS DEV PROGRAM  native XDP on DEV: sink, fixed, fib or none
 *   gen tc PIN NETNS DEV on|off    the sink at tc ingress
 *   gen send PIN NETNS DEV KEY=VALUE...   sends and prints one JSON object; keys: packets, cpu,
 *                                  flows, scan, mac, source, destination, port, expect, hops,
 *                                  every-ms: so often one frame of each flow, 0: at full speed
 *
 * The figure is CPU time: of the sending thread, in which softirqs run most of the time, and of
 * ksoftirqd of its core. Wall time would measure who else uses the machine. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bench/dataplane/gen.h"
#include "bench/gen.skel.h"
#include "core/base/buf.h"
#include "core/base/now.h"
#include "core/base/own.h"

#define BATCH 64
#define DRAIN_MS 300
#define MAX_CPUS 1024

struct job {
    const char *pin;
    unsigned packets, cpu, flows, scan, port, hops, every_ms;
    uint8_t mac[6];
    struct in_addr source, destination, expect;
    struct in6_addr source6, destination6;
    bool six; /* the last two are what is sent; then scan is implied */
};

struct result {
    uint64_t cpu_ns, wall_ns;
    struct gen_counts counts;
};

static void __attribute__((noreturn, format(printf, 1, 2))) give_up(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("gen: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static void enter(const char *netns)
{
    AUTO_FREE char *path = buf_format("/run/netns/%s", netns);
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
        give_up("network namespace %s: %s", netns, strerror(errno));
}

static unsigned device(const char *name)
{
    unsigned ifindex = if_nametoindex(name);

    if (!ifindex)
        give_up("interface %s: %s", name, strerror(errno));
    return ifindex;
}

static void read_mac(const char *text, uint8_t mac[6])
{
    if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4],
               &mac[5]) != 6)
        give_up("\"%s\" is no MAC address", text);
}

static int pinned(const char *pin, const char *name)
{
    AUTO_FREE char *path = buf_format("%s/%s", pin, name);
    int fd = bpf_obj_get(path);

    if (fd < 0)
        give_up("%s: %s", path, strerror(errno));
    return fd;
}

/* ---- load, xdp, tc ---- */

static void pin_as(int fd, const char *pin, const char *name)
{
    AUTO_FREE char *path = buf_format("%s/%s", pin, name); /* libbpf's own would change its dots */

    if (bpf_obj_pin(fd, path))
        give_up("%s: %s", path, strerror(errno));
}

static int load(const char *pin, const char *netns, const char *dev, const char *mac)
{
    struct gen *gen = gen__open();
    struct bpf_program *program;
    uint32_t ifindex;
    uint8_t macs[12];
    int r;

    if (!gen)
        give_up("the programs cannot be opened: %s", strerror(errno));
    enter(netns);
    ifindex = device(dev);
    if (ifindex >= GEN_DEVICES)
        give_up("%s has index %u; only indexes below %d fit", dev, ifindex, GEN_DEVICES);
    read_mac(mac, macs);
    memcpy(macs + 6, macs, 6); /* any source address will do on this link */
    memcpy(gen->bss->fixed_mac, macs, sizeof(macs));
    gen->bss->fixed_ifindex = ifindex;
    r = gen__load(gen);
    if (r < 0)
        give_up("the programs cannot be loaded: %s", strerror(-r));
    if (bpf_map_update_elem(bpf_map__fd(gen->maps.devices), &ifindex, &ifindex, BPF_ANY) ||
        bpf_map_update_elem(bpf_map__fd(gen->maps.routed), &ifindex, &ifindex, BPF_ANY))
        give_up("device maps: %s", strerror(errno));
    if (mkdir(pin, 0700))
        give_up("%s: %s", pin, strerror(errno));
    bpf_object__for_each_program(program, gen->obj)
        pin_as(bpf_program__fd(program), pin, bpf_program__name(program));
    pin_as(bpf_map__fd(gen->maps.counts), pin, "counts");
    pin_as(bpf_map__fd(gen->maps.expect), pin, "expect");
    gen__destroy(gen);
    return 0;
}

static int attach_xdp(const char *pin, const char *netns, const char *dev, const char *program)
{
    AUTO_FD int fd = strcmp(program, "none") ? pinned(pin, program) : -1;
    int r;

    enter(netns);
    r = bpf_xdp_attach((int)device(dev), fd, XDP_FLAGS_DRV_MODE, NULL);
    if (r < 0)
        give_up("XDP %s at %s: %s", program, dev, strerror(-r));
    return 0;
}

static int attach_tc(const char *pin, const char *netns, const char *dev, bool on)
{
    LIBBPF_OPTS(bpf_tc_hook, hook, .attach_point = BPF_TC_INGRESS);
    LIBBPF_OPTS(bpf_tc_opts, options, .handle = 1, .priority = 1);
    AUTO_FD int fd = pinned(pin, "sink_tc");
    int r;

    enter(netns);
    hook.ifindex = (int)device(dev);
    if (!on) {
        hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
        bpf_tc_hook_destroy(&hook);
        return 0;
    }
    bpf_tc_hook_create(&hook);
    options.prog_fd = fd;
    r = bpf_tc_attach(&hook, &options);
    if (r < 0)
        give_up("tc sink at %s: %s", dev, strerror(-r));
    return 0;
}

/* ---- send ---- */

static uint32_t add_words(const uint8_t *data, size_t len, uint32_t sum)
{
    for (size_t i = 0; i < len; i += 2)
        sum += (uint32_t)data[i] << 8 | data[i + 1];
    return sum;
}

static uint16_t finish(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return htons((uint16_t)~sum);
}

static void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* The frame of flow 0: Ethernet, IPv4, UDP, 18 bytes of payload. */
static void fill_image(const struct job *job, uint8_t image[GEN_FRAME])
{
    uint8_t *ip = image + 14, *udp = ip + 20, *payload = udp + 8;
    uint16_t check;

    memset(image, 0, GEN_FRAME);
    memcpy(image, job->mac, 6);
    memcpy(image + 6, job->mac, 6);
    image[11] ^= 1;
    put16(image + 12, 0x0800);
    ip[0] = 0x45;
    put16(ip + 2, GEN_FRAME - 14);
    ip[8] = 64;
    ip[9] = 17;
    memcpy(ip + 12, &job->source, 4);
    memcpy(ip + 16, &job->destination, 4);
    check = finish(add_words(ip, 20, 0));
    memcpy(ip + 10, &check, 2);
    put16(udp, GEN_PORT);
    put16(udp + 2, job->port);
    put16(udp + 4, GEN_FRAME - 34);
    put16(payload, 0xffff);
    put16(payload + 2, GEN_MARK >> 16);
    put16(payload + 4, GEN_MARK & 0xffff);
    check = finish(add_words(ip + 12, GEN_FRAME - 26, 17 + GEN_FRAME - 34));
    memcpy(udp + 6, &check, 2);
}

/* Without checksum, as what scan sends of IPv4: nothing on the way looks at it. */
static void fill_image6(const struct job *job, uint8_t image[GEN_FRAME6])
{
    uint8_t *ip = image + 14, *udp = ip + 40, *payload = udp + 8;

    memset(image, 0, GEN_FRAME6);
    memcpy(image, job->mac, 6);
    memcpy(image + 6, job->mac, 6);
    image[11] ^= 1;
    put16(image + 12, 0x86dd);
    ip[0] = 0x60;
    put16(ip + 4, GEN_FRAME6 - 54);
    ip[6] = 17;
    ip[7] = 64;
    memcpy(ip + 8, &job->source6, 16);
    memcpy(ip + 24, &job->destination6, 16);
    put16(udp, GEN_PORT);
    put16(udp + 2, job->port);
    put16(udp + 4, GEN_FRAME6 - 54);
    put16(payload + 2, GEN_MARK >> 16);
    put16(payload + 4, GEN_MARK & 0xffff);
}

static struct gen_counts read_counts(int fd)
{
    struct gen_counts each[MAX_CPUS], all = {0};
    uint32_t zero = 0;
    int cpus = libbpf_num_possible_cpus();

    if (cpus < 1 || cpus > MAX_CPUS || bpf_map_lookup_elem(fd, &zero, each))
        give_up("the sink's counters: %s", strerror(errno));
    for (int i = 0; i < cpus; i++) {
        all.good += each[i].good;
        all.wrong += each[i].wrong;
        all.bytes += each[i].bytes;
    }
    return all;
}

/* The pid of ksoftirqd/CPU. */
static int find_softirqd(unsigned cpu)
{
    AUTO_FREE char *name = buf_format("ksoftirqd/%u", cpu);

    for (int pid = 2; pid < 4096; pid++) {
        AUTO_FREE char *path = buf_format("/proc/%d/comm", pid);
        AUTO_FILE FILE *file = fopen(path, "re");
        char comm[32];

        if (file && fscanf(file, "%31s", comm) == 1 && !strcmp(comm, name))
            return pid;
    }
    give_up("no %s", name);
}

static uint64_t softirqd_ns(int pid)
{
    AUTO_FREE char *path = buf_format("/proc/%d/schedstat", pid);
    AUTO_FILE FILE *file = fopen(path, "re");
    uint64_t ns;

    if (!file || fscanf(file, "%" SCNu64, &ns) != 1)
        give_up("%s cannot be read", path);
    return ns;
}

static uint64_t thread_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void pin_to(unsigned cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) < 0)
        give_up("core %u: %s", cpu, strerror(errno));
}

/* All at once, or one frame of each flow and the next after a while. */
static void send_frames(const struct job *job, int fd, struct bpf_test_run_opts *options)
{
    unsigned turns = job->every_ms ? job->packets / job->flows : 1;
    uint64_t next = now_ns();

    for (unsigned i = 0; i < turns; i++) {
        uint64_t now = now_ns();

        if (next > now)
            usleep((useconds_t)((next - now) / 1000));
        next += (uint64_t)job->every_ms * 1000000;
        options->repeat = (int)(job->packets / turns);
        if (bpf_prog_test_run_opts(fd, options))
            give_up("sending live frames: %s", strerror(errno));
    }
}

static void run(const struct job *job, struct gen *gen, unsigned ifindex, struct result *ret)
{
    uint8_t frame[GEN_FRAME6] = {0};
    unsigned size = job->six ? GEN_FRAME6 : GEN_FRAME;
    struct xdp_md md = {.data_end = size, .ingress_ifindex = ifindex};
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = size, .ctx_in = &md,
                .ctx_size_in = sizeof(md), .flags = BPF_F_TEST_XDP_LIVE_FRAMES,
                .batch_size = BATCH);
    AUTO_FD int counts = pinned(job->pin, "counts"), expect = pinned(job->pin, "expect");
    struct gen_expect want = {.source = job->expect.s_addr, .hops = job->hops};
    struct gen_counts before, after;
    int softirqd = find_softirqd(job->cpu);
    uint64_t cpu, wall, seen = 0;
    uint32_t zero = 0;

    if (bpf_map_update_elem(expect, &zero, &want, BPF_ANY))
        give_up("the sink's settings: %s", strerror(errno));
    pin_to(job->cpu);
    before = read_counts(counts);
    wall = now_ns();
    cpu = thread_ns() + softirqd_ns(softirqd);
    send_frames(job, bpf_program__fd(job->six ? gen->progs.send6 : gen->progs.send), &options);
    ret->wall_ns = now_ns() - wall;
    /* Packets still in queues are processed by softirqs a moment later. */
    for (int ms = 0; ms < DRAIN_MS; ms++) {
        after = read_counts(counts);
        seen = after.good + after.wrong - before.good - before.wrong;
        if (seen == job->packets)
            break;
        usleep(1000);
    }
    ret->cpu_ns = thread_ns() + softirqd_ns(softirqd) - cpu;
    ret->counts = (struct gen_counts){.good = after.good - before.good,
                                      .wrong = after.wrong - before.wrong,
                                      .bytes = after.bytes - before.bytes};
}

static int send_all(struct job *job, const char *netns, const char *dev)
{
    struct gen *gen = gen__open();
    struct result result = {0};
    struct bpf_program *program;
    uint8_t image[GEN_FRAME6] = {0};
    int r;

    if (!gen)
        give_up("the programs cannot be opened: %s", strerror(errno));
    bpf_object__for_each_program(program, gen->obj) bpf_program__set_autoload(
        program, program == (job->six ? gen->progs.send6 : gen->progs.send));
    if (job->six)
        fill_image6(job, image);
    else
        fill_image(job, image);
    memcpy(gen->bss->image, image, sizeof(image));
    gen->data->flows = job->flows;
    gen->bss->scan = job->scan;
    enter(netns);
    r = gen__load(gen);
    if (r < 0)
        give_up("the generator cannot be loaded: %s", strerror(-r));
    run(job, gen, device(dev), &result);
    printf("{\"sent\":%u,\"good\":%" PRIu64 ",\"wrong\":%" PRIu64 ",\"cpu-ns\":%.2f,"
           "\"wall-ns\":%.2f}\n",
           job->packets, (uint64_t)result.counts.good, (uint64_t)result.counts.wrong,
           (double)result.cpu_ns / job->packets, (double)result.wall_ns / job->packets);
    gen__destroy(gen);
    return 0;
}

/* A source or destination of IPv6. */
static bool read_address6(struct job *job, const char *text)
{
    const char *value = strchr(text, '=');

    if (!value || !strchr(value, ':'))
        return false;
    if (!strncmp(text, "mac=", 4))
        return false;
    job->six = true;
    if (inet_pton(AF_INET6, value + 1,
                  !strncmp(text, "source=", 7) ? &job->source6 : &job->destination6) != 1)
        give_up("\"%s\" is no IPv6 address", value + 1);
    return true;
}

static void read_address(const char *text, struct in_addr *to)
{
    if (inet_pton(AF_INET, text, to) != 1)
        give_up("\"%s\" is no IPv4 address", text);
}

static void read_key(struct job *job, const char *text)
{
    const struct {
        const char *name;
        unsigned *to;
    } numbers[] = {{"packets=", &job->packets},  {"cpu=", &job->cpu},   {"flows=", &job->flows},
                   {"scan=", &job->scan},        {"port=", &job->port}, {"hops=", &job->hops},
                   {"every-ms=", &job->every_ms}};
    const struct {
        const char *name;
        struct in_addr *to;
    } addresses[] = {
        {"source=", &job->source}, {"destination=", &job->destination}, {"expect=", &job->expect}};
    const char *value = strchr(text, '=');

    if (read_address6(job, text))
        return;
    for (size_t i = 0; value && i < ARRAY_LEN(numbers); i++)
        if (!strncmp(text, numbers[i].name, strlen(numbers[i].name))) {
            *numbers[i].to = (unsigned)strtoul(value + 1, NULL, 10);
            return;
        }
    for (size_t i = 0; value && i < ARRAY_LEN(addresses); i++)
        if (!strncmp(text, addresses[i].name, strlen(addresses[i].name))) {
            read_address(value + 1, addresses[i].to);
            return;
        }
    if (strncmp(text, "mac=", 4))
        give_up("unknown key in \"%s\"", text);
    read_mac(value + 1, job->mac);
}

int main(int argc, char **argv)
{
    struct job job = {.packets = 1u << 19, .flows = 1, .port = 2000, .hops = 63};
    const char *word = argc > 1 ? argv[1] : "";

    libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
    if (!strcmp(word, "load") && argc == 6)
        return load(argv[2], argv[3], argv[4], argv[5]);
    if (!strcmp(word, "xdp") && argc == 6)
        return attach_xdp(argv[2], argv[3], argv[4], argv[5]);
    if (!strcmp(word, "tc") && argc == 6)
        return attach_tc(argv[2], argv[3], argv[4], !strcmp(argv[5], "on"));
    if (strcmp(word, "send") || argc < 5)
        give_up("load PIN NETNS DEV MAC | xdp PIN NETNS DEV PROGRAM | tc PIN NETNS DEV on|off | "
                "send PIN NETNS DEV KEY=VALUE...");
    job.pin = argv[2];
    for (int i = 5; i < argc; i++)
        read_key(&job, argv[i]);
    if (!job.packets || !job.flows || job.flows > 32768)
        give_up("packets must be positive and flows at most 32768");
    return send_all(&job, argv[3], argv[4]);
}
