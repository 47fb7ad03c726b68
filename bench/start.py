#!/usr/bin/env python3
"""start.py BUILD [--json] [--rounds N] - for how long the appliance does not answer.

Three appliances, each in a namespace of its own: one that is new each time (no state, no pins, no table),
one with 100 firewall rules and two ports on the fast path that is "rebooted" (its state is kept, pins and
table are gone), and one with 1000 rules whose daemon is killed and started again over its pins. In between, in
turns, the peers: what a start costs that does nothing (nsenter and /bin/true), and the same rules,
addresses and routes put by nft(8) and ip(8) from files."""
import argparse
import os
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import bed  # noqa: E402
import rules  # noqa: E402
import wire  # noqa: E402

RULES = 1000
REBOOT_RULES = 100
TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")
GIVE_UP_S = 60
LINKS = (("lan0", "lan0-peer"), ("wan0", "wan0-peer"))
CONFIG = {"interfaces": {"lan0": {"addresses": ["172.16.0.1/24"]}, "wan0": {"addresses": ["192.0.2.1/24"]}},
          "routing": {"static": {"0.0.0.0/0": {"next-hops": {"192.0.2.254": {}}}}},
          "firewall": rules.firewall(RULES, snat=True)}
REBOOTED = {**CONFIG, "interfaces": {link: {**of, "fast-path": "tcx"} for link, of in CONFIG["interfaces"].items()},
            "firewall": rules.firewall(REBOOT_RULES, snat=True)}


def family(pid):
    """A process and all below it."""
    all_of, new = {pid}, {pid}
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                parents[int(entry)] = int(open(f"/proc/{entry}/stat").read().rpartition(")")[2].split()[1])
            except (OSError, ValueError):
                pass  # it ended meanwhile
    while new:
        new = {p for p, parent in parents.items() if parent in new} - all_of
        all_of |= new
    return all_of


def cpu_ms(pid):
    total = 0
    for p in family(pid):
        try:
            fields = open(f"/proc/{p}/stat").read().rpartition(")")[2].split()
            total += sum(int(f) for f in fields[11:15]) * TICK_MS
        except (OSError, ValueError):
            pass
    return total


class Side:
    def __init__(self, build, name):
        self.box = bed.Bed(build, name, dataplane=True, links=LINKS)
        self.path = None

    def __enter__(self):
        self.box.__enter__()
        self.path = f"{self.box.dir}/run/control.sock"
        return self

    def __exit__(self, *_):
        self.box.__exit__()

    def ask(self, connection):
        """The phase, None when no daemon answers (any more)."""
        try:
            connection = connection or wire.Wire(self.path)
            return connection, connection.call("host@1", "boot", {})["phase"]
        except (OSError, wire.Refused):
            return None, None

    def start(self):
        """Milliseconds from exec to the first answer and to operational, and of processor until then."""
        connection, answered, phase = None, None, None
        began = time.perf_counter()
        self.box.start(wait=False)
        while phase != "operational":
            connection, phase = self.ask(connection)
            now = time.perf_counter() - began
            answered = answered or (phase and now)
            if now > GIVE_UP_S:
                raise bed.Failed(f"not operational within {GIVE_UP_S} s")
            time.sleep(0.002)
        cpu = cpu_ms(self.box.daemon.pid)
        connection.close()
        return {"control": answered * 1000, "operational": now * 1000, "cpu": cpu}

    def ready(self):
        self.box.until(GIVE_UP_S, lambda: all(s["state"] == "Running" for s in
                                              self.box.json("show", "services")["services"]), "every service runs")

    def fast(self):
        """Both ports have the configured programs."""
        self.box.until(GIVE_UP_S, lambda: all(p["mode"] == "tcx" for p in
                                              self.box.json("show", "dataplane")["ports"].values()), "ports at tcx")

    def reboot(self):
        """A machine that was switched off and on: the disk is all that is left."""
        self.box.kill(signal.SIGTERM)
        bed.run("umount", f"{self.box.dir}/bpf", check=False)
        bed.run("mount", "-t", "bpf", "bpf", f"{self.box.dir}/bpf")
        bed.run(*self.box.inside("nft", "flush", "ruleset"))
        shutil.rmtree(f"{self.box.dir}/run", ignore_errors=True)

    def forget(self):
        """A machine that was never switched on before."""
        self.reboot()
        shutil.rmtree(f"{self.box.dir}/state", ignore_errors=True)


class Peer:
    """nft(8) and ip(8) with what the appliance has put, in a namespace of their own."""

    def __init__(self, side):
        self.ns = f"orbb-peer-{os.getpid()}"
        self.dir = side.box.dir
        with open(f"{self.dir}/peer.nft", "w") as f:
            f.write("flush ruleset\n" + bed.run(*side.box.inside("nft", "-s", "list", "ruleset")).stdout)
        with open(f"{self.dir}/peer.ip", "w") as f:
            f.write("addr replace 172.16.0.1/24 dev lan0\naddr replace 192.0.2.1/24 dev wan0\n"
                    "route replace default via 192.0.2.254\n")

    def __enter__(self):
        bed.run("ip", "netns", "add", self.ns)
        for a, b in LINKS:
            bed.run("ip", "-n", self.ns, "link", "add", a, "type", "veth", "peer", "name", b)
            bed.run("ip", "-n", self.ns, "link", "set", a, "up")
        return self

    def __exit__(self, *_):
        bed.run("ip", "netns", "del", self.ns, check=False)

    def inside_ms(self, *command):
        began = time.perf_counter()
        subprocess.run(["nsenter", f"--net=/run/netns/{self.ns}", "--", *command], check=True,
                       stdout=subprocess.DEVNULL)
        return (time.perf_counter() - began) * 1000

    def tables_ms(self):
        return self.inside_ms("nft", "-f", f"{self.dir}/peer.nft") + \
            self.inside_ms("ip", "-batch", f"{self.dir}/peer.ip")

    def nothing_ms(self):
        return self.inside_ms("/bin/true")


def absolute(name, value, versus, ratio, most):
    f = bed.figure(name, value, "ms", versus, ratio)
    return {**f, "target": f"<= {most} ms", "holds": value <= most}


def rounds(build, count):
    cold, rebooted, again, tables, nothing = [], [], [], [], []
    with Side(build, "cold") as new, Side(build, "boot") as kept, Side(build, "kill") as used:
        kept.start()
        kept.ready()
        kept.box.load(REBOOTED, f"{REBOOT_RULES} rules")
        used.start()
        used.ready()
        used.box.load(CONFIG, f"{RULES} rules")
        with Peer(used) as peer:
            for _ in range(count):
                nothing.append(peer.nothing_ms())
                new.forget()
                cold.append(new.start())
                kept.ready()
                kept.fast()
                kept.reboot()
                rebooted.append(kept.start())
                tables.append(peer.tables_ms())
                used.ready()
                used.box.kill(signal.SIGKILL)
                again.append(used.start())
    return cold, rebooted, again, tables, nothing


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    bed.need_root("start")
    bed.stop_cleanly()
    cold, rebooted, again, tables, nothing = rounds(args.build, args.rounds)
    of = lambda runs, key: bed.median([r[key] for r in runs])  # noqa: E731
    peer, bare = bed.median(tables), bed.median(nothing)
    by_tables = f"nft -f and ip -batch with the same {peer:.0f} ms"
    by_nothing = f"nsenter and true {bare:.1f} ms"
    figures = [
        absolute("control socket answers, cold", of(cold, "control"), by_nothing, of(cold, "control") / bare, 100),
        absolute(f"control socket answers after SIGKILL, {RULES} rules", of(again, "control"), by_nothing,
                 of(again, "control") / bare, 100),
        absolute("operational, cold", of(cold, "operational"), by_nothing, of(cold, "operational") / bare, 700),
        absolute(f"operational, rebooted, {REBOOT_RULES} rules, 2 ports", of(rebooted, "operational"), by_nothing,
                 of(rebooted, "operational") / bare, 700),
        absolute(f"operational after SIGKILL, {RULES} rules", of(again, "operational"), by_tables,
                 of(again, "operational") / peer, 1000),
        absolute("processor until operational, cold", of(cold, "cpu"), None, None, 350),
        absolute(f"processor until operational, rebooted, {REBOOT_RULES} rules, 2 ports", of(rebooted, "cpu"),
                 None, None, 350),
        absolute(f"processor until operational after SIGKILL, {RULES} rules", of(again, "cpu"), by_tables,
                 of(again, "cpu") / peer, 350),
    ]
    notes = [f"{args.rounds} starts of each kind, in turns with the peers"]
    for what, runs in (("cold", cold), ("rebooted", rebooted), ("SIGKILL", again)):
        for key in ("control", "operational", "cpu"):
            values = [r[key] for r in runs]
            notes.append(f"  {what:8} {key:12} median {bed.median(values):7.1f} ms   "
                         f"{min(values):7.1f} to {max(values):7.1f}")
    bed.show(figures, notes, args.json)


if __name__ == "__main__":
    try:
        main()
    except (bed.Failed, wire.Refused) as e:
        sys.exit(f"bench start: {e}")
    except KeyboardInterrupt:
        sys.exit(130)
