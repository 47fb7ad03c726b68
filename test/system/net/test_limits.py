"""What the kernel loses or refuses costs neither the filter nor the following of it: lost events, settings that
cannot be written, more links than the fast path has room for, routes by advertisement."""
import json
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from closed_lab import Box, Tap, expect, need_root, run  # noqa: E402

BUILD = sys.argv[1]
LIBERAL = "net.netfilter.nf_conntrack_tcp_be_liberal"
MANY = 1100


class Wrapped(Box):
    """read_only: paths below /proc/sys that the daemon cannot write."""

    read_only = ()

    def command(self, *more):
        plain = super().command(*more)
        if not self.read_only:
            return plain
        binds = " && ".join(f"mount --bind {p} {p} && mount -o remount,ro,bind {p}" for p in self.read_only)
        inside = plain[:plain.index("--") + 1]
        return ["unshare", "-m", "--propagation", "private", *inside, "sh", "-c", f'{binds} && exec "$@"', "sh",
                *plain[len(inside):]]


def verdict(box):
    found = json.loads(box.ctl("--json", "show", "health", ok=False).stdout)
    return found["verdict"], " ".join(r["what"] for r in found["reasons"])


def reasons(box):
    return [p.get("reason", "") for p in box.json("show", "dataplane")["ports"].values()]


def begin_with(box, settings, *read_only):
    box.kill()
    box.reboot()
    for name, value in settings.items():
        box.sysctl(name, value)
    box.read_only = read_only
    box.start()
    box.until(10, lambda: box.service("firewall")["state"] == "Running", "the firewall runs")
    box.read_only = ()


def settings_that_are_right(box):
    """Nothing is written that is right already: a container may have them read-only."""
    right = {"net.ipv4.ip_forward": 1, "net.ipv6.conf.all.forwarding": 1, LIBERAL: 1,
             "net.netfilter.nf_conntrack_tcp_ignore_invalid_rst": 1, "net.ipv6.conf.all.ignore_routes_with_linkdown": 1}
    for link in ("lan0", "wan0"):
        right.update({f"net.ipv6.conf.{link}.ignore_routes_with_linkdown": 1, f"net.ipv6.conf.{link}.accept_ra": 2})
        right.update({f"net.ipv4.conf.{link}.promote_secondaries": 1,
                      f"net.ipv4.conf.{link}.ignore_routes_with_linkdown": 1})
    begin_with(box, right, "/proc/sys")
    box.until(10, box.right, "the policy is in force")
    expect("cannot be set" not in verdict(box)[1], verdict(box))
    expect(box.json("show", "dataplane")["ports"]["lan0"]["mode"] == "tcx", "with its fast path")


def without_liberal(box):
    begin_with(box, {LIBERAL: 0, "net.ipv4.ip_forward": 0}, f"/proc/sys/{LIBERAL.replace('.', '/')}")
    box.until(10, box.right, "nftables enforces alone")
    expect(all("tcp_be_liberal" in reason for reason in reasons(box)), reasons(box))
    level, words = verdict(box)
    expect(level == "degraded" and "tcp_be_liberal" in words, words)


def without_forwarding(box):
    begin_with(box, {LIBERAL: 0, "net.ipv4.ip_forward": 0}, "/proc/sys/net/ipv4/ip_forward")
    box.until(10, lambda: "lan0" in box.table(), "the policy is in force")
    expect(box.sysctl("net.ipv4.ip_forward") == "0" and not box.pings("wan", "192.0.2.2"), "nothing is let in")
    level, words = verdict(box)
    expect(level == "degraded" and "ip_forward" in words, words)


def advertised(box):
    """An interface that accepted routes by advertisement continues to do so once the machine forwards."""
    begin_with(box, {"net.ipv6.conf.all.forwarding": 0, "net.ipv6.conf.wan0.accept_ra": 1,
                     "net.ipv6.conf.lan0.accept_ra": 0})
    box.until(10, box.right, "the policy is in force")
    expect(box.sysctl("net.ipv6.conf.all.forwarding") == "1", "it forwards")
    expect(box.sysctl("net.ipv6.conf.wan0.accept_ra") == "2", "wan0 takes advertisements as before")
    expect(box.sysctl("net.ipv6.conf.lan0.accept_ra") == "0", "lan0 took none")


def drops(box, protocol):
    """Events lost by sockets of the daemon."""
    sockets = set()
    for fd in os.listdir(f"/proc/{box.daemon.pid}/fd"):
        try:
            sockets.add(os.readlink(f"/proc/{box.daemon.pid}/fd/{fd}"))
        except OSError:
            pass
    rows = [line.split() for line in run(*box.inside("cat", "/proc/net/netlink")).stdout.splitlines()[1:]]
    return sum(int(row[8]) for row in rows if row[1] == str(protocol) and f"socket:[{row[9]}]" in sockets)


def lost_table_events(box):
    """The flush is among the events that were lost."""
    def batch(n):
        elements = ",".join(f"10.{i >> 8}.{i & 255}.{n}" for i in range(20000))
        return f"table inet foreign {{ set s{n} {{ type ipv4_addr; elements = {{ {elements} }}\n }}\n}}\n"
    box.daemon.send_signal(signal.SIGSTOP)
    try:
        for n in range(40):
            box.nft("-f", box.file(batch(n)))
            if drops(box, 12):
                break
        expect(drops(box, 12), "no event was lost: this test shows nothing")
        box.nft("flush", "ruleset")
    finally:
        box.daemon.send_signal(signal.SIGCONT)
    box.until(5, lambda: box.table().count("hook ") >= 5 and box.right(), "the table is back")
    box.nft("flush", "ruleset")
    box.until(3, lambda: box.table().count("hook ") >= 5 and box.right(), "and the next time as well")


def lost_link_events(box):
    """A port that was made anew meanwhile gets its program, and so does the next one."""
    def anew():
        run(*box.inside("ip", "link", "del", "lan0"))
        run("ip", "link", "add", "eth0", "netns", f"{box.ns}-lan", "type", "veth", "peer", "name", "lan0",
            "netns", box.ns)
        for words in (("addr", "add", "10.1.0.2/24", "dev", "eth0"), ("link", "set", "eth0", "up"),
                      ("route", "add", "default", "via", "10.1.0.1")):
            run("ip", "-n", f"{box.ns}-lan", *words)

    def batch(*lines):
        run(*box.inside("ip", "-force", "-batch", "-"), input="".join(f"{line}\n" for line in lines), check=False)
    batch(*[f"link add d{i} type bridge" for i in range(100)])
    box.daemon.send_signal(signal.SIGSTOP)
    try:
        for n in range(200):
            batch(*[f"link set d{i} {word}" for i in range(100) for word in ("up", "down")])
            if drops(box, 0):
                break
        expect(drops(box, 0), "no event was lost: this test shows nothing")
        anew()
    finally:
        box.daemon.send_signal(signal.SIGCONT)
    for again in range(2):
        box.until(20, lambda: box.json("show", "dataplane")["ports"]["lan0"]["mode"] == "tcx" and box.right(),
                  f"lan0 has its program again ({again})")
        if not again:
            anew()
    batch(*[f"link del d{i}" for i in range(100)])


def more_links(box):
    """The ports and the zones' members have their place; the rest is left to the kernel."""
    run(*box.inside("ip", "-batch", "-"), input="".join(f"link add v{i} type ifb\nlink set v{i} group 7\n" for i in range(MANY)))
    box.kill()
    box.start()
    box.until(10, lambda: box.service("firewall")["state"] == "Running" and box.right(), "the policy is in force")
    box.ctl("config", "set", "firewall", "rules", "40", json.dumps({"from": "lan", "to": "wan", "action": "drop"}))
    box.ctl("config", "commit")
    status = box.json("show", "dataplane")
    expect(status["unaccelerated"]["interfaces"] > 50, status)
    expect(all(p["mode"] == "tcx" for p in status["ports"].values()), "the ports have theirs")
    shown = box.ctl("show", "dataplane").stdout
    expect("unaccelerated: " in shown and "left to the kernel" in shown, shown)


def remove_links(box):
    """At once, by their group: those of a namespace that ends, one by one, keep netlink from other tests longer."""
    box.kill()
    run(*box.inside("ip", "link", "del", "group", "7"), check=False)


def main():
    need_root()
    tap = Tap()
    with Wrapped(BUILD, "limits", dataplane=True) as box:
        box.configure()
        for name, fn in (("settings that are right are not written", settings_that_are_right),
                         ("conntrack's setting cannot be written", without_liberal),
                         ("forwarding cannot be written", without_forwarding), ("advertised routes", advertised),
                         ("lost events of nftables", lost_table_events), ("lost events of links", lost_link_events),
                         (f"{MANY} links", more_links)):
            if len(sys.argv) < 3 or sys.argv[2] in name:
                tap.test(name, fn, box)
        remove_links(box)
    tap.end()


main()
