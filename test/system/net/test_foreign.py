"""Changes of the filter and the fast path by others: they are reverted within a second, with one record each, and the
status never shows what does not exist."""
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "faults"), os.path.join(HERE, "..", "..", "lib")]
import fastpath  # noqa: E402
import netspace  # noqa: E402
from closed_lab import CONFIG, Box, Tap, expect, need_root, run  # noqa: E402

BUILD = sys.argv[1]
SECOND = 3  # what must be back within a second; until() has patience with a machine that does other things as well


def mode_of(box, port="lan0"):
    return box.json("show", "dataplane")["ports"][port]["mode"]


def modes(box, mode):
    config = json.loads(json.dumps(CONFIG))
    for port in config["interfaces"].values():
        port["fast-path"] = mode
    box.commit(config)
    box.until(5, lambda: mode_of(box) == mode and mode_of(box, "wan0") == mode, f"both ports at {mode}")
    box.seen()


def pin(box, hook, port="lan0"):
    return f"{box.dir}/bpf/link_{hook}_{box.index(port)}"


def has_xdp(box, port="lan0"):
    link = json.loads(run(*box.inside("ip", "-j", "-d", "link", "show", "dev", port)).stdout)[0]
    return "xdp" in link


def verdict(box):
    return json.loads(box.ctl("--json", "show", "health", ok=False).stdout)["verdict"]


def detach(box, hook):
    identity = json.loads(run("bpftool", "-j", "link", "show", "pinned", pin(box, hook)).stdout)["id"]
    run("bpftool", "link", "detach", "id", identity)


def records(box, word):
    return len(re.findall(word, box.logged()))


def one_record(box, word, what):
    time.sleep(0.7)  # a second record that must not come: the links are looked at twice a second
    expect(records(box, word) == 1, f"{what}: {records(box, word)} records {word}")
    expect(box.right(), what)
    box.seen()


def link_taken(box, hook):
    detach(box, hook)
    # Reading the status looks at the links: never a claim in between.
    expect(mode_of(box) == "off" or "ports-put-back" in box.logged(), "no fast path is claimed that is not there")
    box.until(SECOND, lambda: "ports-put-back" in box.logged(), f"{hook} is attached again")
    expect(mode_of(box) == hook, "and told")
    one_record(box, "ports-put-back", f"a detached {hook}")


def links(box):
    for hook in ("tcx", "xdp"):
        modes(box, hook)
        link_taken(box, hook)


def behind(box):
    """The program behind XDP takes what XDP cannot send: it is restored as well."""
    modes(box, "xdp")
    detach(box, "tcx")
    box.until(SECOND, lambda: "ports-put-back" in box.logged(), "tcx behind XDP is attached again")
    one_record(box, "ports-put-back", "tcx behind XDP")


def xdp_off(box):
    modes(box, "xdp")
    for command in (("ip", "link", "set", "dev", "lan0", "xdp", "off"),
                    ("bpftool", "net", "detach", "xdp", "dev", "lan0")):
        run(*box.inside(*command), check=False)  # the kernel refuses: a link holds it
        expect(mode_of(box) == "xdp" and has_xdp(box), " ".join(command))


def pins(box):
    modes(box, "tcx")
    for name in sorted(box.pins()):
        os.unlink(f"{box.dir}/bpf/{name}")
    box.until(SECOND, lambda: os.path.exists(pin(box, "tcx")) and os.path.exists(f"{box.dir}/bpf/control"),
              "all pins are there again")
    one_record(box, "ports-put-back", "all pins removed")
    names = box.pins()
    expect({"prog_xdp", "prog_tcx", "flows4", "link_tcx_%d" % box.index("wan0")} <= names, names)


def maps_alone(box):
    before = box.pins()
    for name in ("flows4", "policies", "prog_tcx"):
        os.unlink(f"{box.dir}/bpf/{name}")
    box.until(SECOND, lambda: box.pins() == before, "single pins are there again")


def unmounted(box):
    run("umount", f"{box.dir}/bpf")
    try:
        box.until(SECOND, lambda: os.path.exists(pin(box, "tcx")), "the pins are there again")
        expect(mode_of(box) == "tcx" and box.right(), "and the ports")
    finally:
        if not os.path.ismount(f"{box.dir}/bpf"):
            run("mount", "-t", "bpf", "bpf", f"{box.dir}/bpf")
    box.seen()


def held(box):
    """As unmounted, while another process holds the links: the kernel does not let go of them, and they are found."""
    modes(box, "tcx")
    holders = [fastpath.pinned(pin(box, "tcx", port)) for port in ("lan0", "wan0")]
    run("umount", f"{box.dir}/bpf")
    try:
        box.until(SECOND, lambda: mode_of(box) == "tcx" and os.path.exists(pin(box, "tcx")), "attached again")
        for fd in holders:
            os.close(fd)
        holders = []
        box.until(SECOND, lambda: verdict(box) == "ok", "all is well")
        expect(mode_of(box) == "tcx" and box.right(), "and stays so without the other process")
    finally:
        for fd in holders:
            os.close(fd)
        if not os.path.ismount(f"{box.dir}/bpf"):
            run("mount", "-t", "bpf", "bpf", f"{box.dir}/bpf")
    box.seen()


def covered(box):
    """Another BPF file system is mounted over the one with the pins; the links live on below, also for the next daemon."""
    for mode in ("tcx", "xdp"):
        modes(box, mode)
        run("mount", "-t", "bpf", "bpf", f"{box.dir}/bpf")
        try:
            box.until(SECOND, lambda: os.path.exists(pin(box, mode)) and mode_of(box) == mode, "pinned again")
            box.until(SECOND, lambda: verdict(box) == "ok", "all is well")
            box.kill()
            run("umount", f"{box.dir}/bpf")
            run("mount", "-t", "bpf", "bpf", f"{box.dir}/bpf")
            box.start()
            box.until(SECOND, lambda: mode_of(box) == mode and mode_of(box, "wan0") == mode, "for the next daemon")
            box.until(SECOND, lambda: verdict(box) == "ok", "which takes the places of the programs of the last")
            expect(box.right(), "and the policy holds")
        finally:
            run("umount", f"{box.dir}/bpf")
        box.until(SECOND, lambda: os.path.exists(pin(box, mode)), "pins in the one below")
    box.seen()


def foreign_program(box):
    """Another program's XDP program is attached first: Orbital's is attached behind it, and replaces it later."""
    modes(box, "off")
    with tempfile.TemporaryDirectory(prefix=f"{box.ns}-prog.") as where:
        with open(f"{where}/pass.c", "w") as f:
            f.write('__attribute__((section("xdp"), used)) int p(void *c) { return 2; }\n'
                    'char l[] __attribute__((section("license"), used)) = "GPL";\n')
        run("clang", "-O2", "-target", "bpf", "-c", f"{where}/pass.c", "-o", f"{where}/pass.o")
        run(*box.inside("ip", "link", "set", "dev", "lan0", "xdp", "obj", f"{where}/pass.o", "sec", "xdp"))
    config = {"interfaces": {"lan0": {"fast-path": "xdp"}, "wan0": {"fast-path": "xdp"}}}
    box.ctl("config", "load", "-", stdin=json.dumps(config))
    box.ctl("config", "commit")
    port = box.json("show", "dataplane")["ports"]["lan0"]
    expect(port["mode"] == "tcx" and "XDP" in port["reason"], port)
    expect(box.right(), "with the other's program")
    run(*box.inside("ip", "link", "set", "dev", "lan0", "xdp", "off"))
    box.until(SECOND, lambda: mode_of(box) == "xdp", "ours is there once the other is gone")
    expect(box.right(), "with ours")


def last_program(box):
    """The program of the daemon before, whose link another process holds: ours takes its place."""
    for mode in ("tcx", "xdp"):
        modes(box, mode)
        holder = fastpath.pinned(pin(box, mode))
        try:
            box.kill()
            run("umount", f"{box.dir}/bpf")
            run("mount", "-t", "bpf", "bpf", f"{box.dir}/bpf")
            box.start()
            box.until(SECOND, lambda: mode_of(box) == mode and mode_of(box, "wan0") == mode, f"{mode} at both ports")
            box.until(SECOND, lambda: verdict(box) == "ok", "nothing of another is there")
            expect(box.right(), "the policy holds")
        finally:
            os.close(holder)
    box.seen()


def foreign_link(box):
    """Another XDP program, by a link, whose end no event reports: Orbital's replaces it all the same."""
    modes(box, "off")
    program = fastpath.pinned(f"{box.dir}/bpf/prog_probe")
    number = box.index("lan0")
    try:
        with netspace.entered(box.ns):
            link = fastpath.attach_xdp(program, number)
    finally:
        os.close(program)
    try:
        config = {"interfaces": {"lan0": {"fast-path": "xdp"}, "wan0": {"fast-path": "xdp"}}}
        box.ctl("config", "load", "-", stdin=json.dumps(config))
        box.ctl("config", "commit")
        box.until(SECOND, lambda: mode_of(box, "wan0") == "xdp", "the other port")
        port = box.json("show", "dataplane")["ports"]["lan0"]
        expect(port["mode"] == "tcx" and "another XDP program" in port["reason"], port)
    finally:
        os.close(link)
    box.until(SECOND, lambda: mode_of(box) == "xdp", "XDP once the other is gone")
    box.until(SECOND, box.right, "with ours")
    box.seen()


HANDS = (("flush", "ruleset"), ("delete", "table", "inet", "orbital"), ("flush", "chain", "inet", "orbital", "input"),
         ("insert", "rule", "inet", "orbital", "input", "accept"),
         ("add", "rule", "inet", "orbital", "forward", "counter", "accept"))


def is_whole(box, good):
    return shape(box) == good


def shape(box):
    """The table without what counts."""
    return re.sub(r"counter packets \d+ bytes \d+", "counter", re.sub(r"elements = \{[^}]*\}", "", box.table()))


def rule_deleted(box):
    good = shape(box)
    listing = box.nft("-a", "list", "chain", "inet", "orbital", "input")
    handle = re.findall(r"# handle (\d+)", listing)[-1]
    box.nft("delete", "rule", "inet", "orbital", "input", "handle", handle)
    box.until(SECOND, lambda: "rules-put-back" in box.logged() and is_whole(box, good), "the rule is back")
    one_record(box, "rules-put-back", "a deleted rule")


def during_commits(box):
    """Each hand at each moment of a commit: the commit succeeds or has a reason, and the table is the policy's."""
    stop = threading.Event()

    def hands():
        i = 0
        while not stop.wait(0.03):
            box.nft(*HANDS[i % len(HANDS)], check=False)
            i += 1
    worker = threading.Thread(target=hands)
    worker.start()
    done = 0
    try:
        for n in range(12):
            box.ctl("config", "set", "firewall", "rules", "20",
                    json.dumps({"from": "lan", "to": "wan", "protocol": "tcp",
                                "destination-ports": [str(1000 + n)], "action": "accept"}))
            commit = box.ctl("config", "commit", ok=False)
            expect(commit.returncode == 0 or "nftables" in commit.stderr, commit.stderr)
            done += commit.returncode == 0
    finally:
        stop.set()
        worker.join()
    expect(done, "no commit at all went through")
    box.ctl("config", "set", "firewall", "rules", "20", json.dumps(
        {"from": "lan", "to": "wan", "protocol": "tcp", "destination-ports": ["4711"], "action": "accept"}))
    box.ctl("config", "commit", ok=False)
    port = box.json("config", "show", "firewall", "rules", "20")["destination-ports"][0]
    box.until(SECOND, lambda: f"dport {port}" in box.table() and box.table().count("hook ") >= 5 and
              not re.search(r"counter packets \d+ bytes \d+ accept", box.table()), "the table is the policy's")
    expect(box.right(), "after it")
    box.until(10, lambda: verdict(box) == "ok", "nothing is wrong any more")
    box.seen()


def burst(box):
    """Ten flushes in a second."""
    good = shape(box)
    told = 0
    for _ in range(10):
        box.nft("flush", "ruleset")
        begin = time.monotonic()
        if box.table():
            told += 1
        else:
            shown = verdict(box), box.ctl("show", "dataplane").stdout
            told += bool(box.table()) or (shown[0] == "failed" and "table: the table is missing" in shown[1])
        time.sleep(max(0, 0.1 - (time.monotonic() - begin)))
    last = time.monotonic()
    box.until(SECOND, lambda: is_whole(box, good), "the table is back")
    print(f"# {time.monotonic() - last:.2f} s after the last of ten flushes the table is whole")
    time.sleep(1)
    count = records(box, "rules-put-back")
    expect(1 <= count <= 10, f"{count} records of ten flushes")
    expect(told == 10, f"{10 - told} times the table was gone and health did not say so")
    box.until(5, lambda: verdict(box) == "ok", "nothing is wrong any more")
    expect(box.right(), "after the burst")
    box.seen()


def settings_under_pace(box):
    """Settings switched again and again, on a machine that is late, are no change of the table."""
    def switch_off():
        box.sysctl("net.ipv4.ip_forward", "0")

    def is_back():
        return box.sysctl("net.ipv4.ip_forward") == "1"

    for _ in range(5):  # the pauses grow
        switch_off()
        box.until(SECOND, is_back, "forwarding is on again")
    for _ in range(3):
        switch_off()
        time.sleep(0.05)
        box.daemon.send_signal(signal.SIGSTOP)
        time.sleep(1)
        box.daemon.send_signal(signal.SIGCONT)
        box.until(SECOND, is_back, "forwarding is on again")
    expect("dataplane.table" not in box.logged(), [line for line in box.logged().splitlines() if ".table" in line])
    box.until(SECOND, lambda: verdict(box) == "ok", "nothing is wrong")
    box.seen()


SETTINGS = (("net.ipv4.ip_forward", "0"), ("net.ipv6.conf.all.forwarding", "0"),
            ("net.ipv4.conf.lan0.forwarding", "0"), ("net.ipv6.conf.wan0.forwarding", "0"),
            ("net.netfilter.nf_conntrack_tcp_be_liberal", "0"),
            ("net.ipv6.conf.lan0.ignore_routes_with_linkdown", "0"))


def settings(box):
    for name, bad in SETTINGS:
        good = box.sysctl(name)
        expect(good != bad, f"{name} is {good}")
        box.sysctl(name, bad)
        box.until(SECOND, lambda: box.sysctl(name) == good, f"{name} is {good} again")
        box.until(SECOND, lambda: "settings-put-back" in box.logged(), f"{name}: a record")
        box.seen()
    expect(box.right(), "after it")


def main():
    need_root()
    tap = Tap()
    with Box(BUILD, "foreign", dataplane=True) as box:
        for host in ("lan", "wan"):
            run("ip", "netns", "exec", f"{box.ns}-{host}", "ethtool", "-K", "eth0", "gro", "on", "tx", "off")
        box.configure()
        for name, fn in (("a link that another program detached", links), ("the one behind XDP", behind),
                         ("XDP switched off by ip and bpftool", xdp_off), ("all pins removed", pins),
                         ("some pins removed", maps_alone), ("the file system of the pins unmounted", unmounted),
                         ("its links held by another process", held), ("another program at XDP", foreign_program),
                         ("a link of another at XDP", foreign_link), ("the program of the daemon before", last_program),
                         ("another file system over that of the pins", covered),
                         ("a deleted rule", rule_deleted),
                         ("hands during commits", during_commits), ("ten flushes in a second", burst),
                         ("settings", settings), ("settings again and again", settings_under_pace)):
            if len(sys.argv) < 3 or sys.argv[2] in name:
                tap.test(name, fn, box)
    tap.end()


main()
