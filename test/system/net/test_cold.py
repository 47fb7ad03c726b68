"""A cold start forwards nothing that the policy refuses, with any fast path: the policy is in force from the first
packet, and connections that began without it end."""
import json
import os
import re
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from closed_lab import CONFIG, Box, Tap, expect, is_closed, need_root, run  # noqa: E402

BUILD = sys.argv[1]
UDP = {"from": "lan", "to": "wan", "protocol": "udp", "action": "accept"}

SENDER = """
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", 4000))
while True:
    try: s.sendto(b"x", ("192.0.2.1", 5000))
    except OSError: pass
    time.sleep(0.01)
"""
# Counts datagrams by source; for a line it prints the counts.
RECEIVER = """
import collections, json, select, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", 5000))
seen = collections.Counter()
print("ready", flush=True)
while True:
    for r in select.select([s, sys.stdin], [], [])[0]:
        if r is s: seen[s.recvfrom(99)[1][0]] += 1
        elif not sys.stdin.readline(): sys.exit()
        else: print(json.dumps(seen), flush=True); seen.clear()
"""


class Talk:
    """A flow of datagrams from LAN to WAN, always the same ports."""

    def __init__(self, box):
        self.receiver = subprocess.Popen(["ip", "netns", "exec", f"{box.ns}-wan", sys.executable, "-Sc", RECEIVER],
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        expect(self.receiver.stdout.readline() == "ready\n", "the receiver")
        self.sender = subprocess.Popen(["ip", "netns", "exec", f"{box.ns}-lan", sys.executable, "-Sc", SENDER])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for p in self.sender, self.receiver:
            p.kill()
            p.wait()

    def seen(self):
        """{source address: datagrams} since the last call."""
        self.receiver.stdin.write("\n")
        self.receiver.stdin.flush()
        return json.loads(self.receiver.stdout.readline())


def flows_begun_without(box):
    """A flow that began while there was no table is not let go on as it was."""
    box.ctl("config", "set", "firewall", "rules", "20", json.dumps(UDP))
    box.ctl("config", "commit")
    box.kill(signal.SIGTERM)
    box.nft("flush", "ruleset")
    run("umount", f"{box.dir}/bpf")
    run("mount", "-t", "bpf", "bpf", f"{box.dir}/bpf")
    with Talk(box) as talk:
        box.until(5, lambda: talk.seen().get("10.1.0.2"), "without a table nothing is translated")
        box.start()
        box.until(10, box.right, "the policy is in force")
        talk.seen()
        box.until(5, lambda: set(talk.seen()) == {"192.0.2.2"}, "the same flow is translated by now")
    box.ctl("config", "delete", "firewall", "rules", "20")
    box.ctl("config", "commit")


def boot_window(box, mode):
    """Rebooted, forwarding on: from the first packet everything is as in the policy."""
    config = json.loads(json.dumps(CONFIG))
    for port in config["interfaces"].values():
        port["fast-path"] = mode
    config["firewall"]["rules"]["20"] = UDP
    box.commit(config)
    box.kill(signal.SIGTERM)
    box.reboot()
    for family in ("ipv4.ip_forward", "ipv6.conf.all.forwarding"):
        box.sysctl(f"net.{family}", 1)
    outputs = [open(f"{box.dir}/ping-{mode}-{i}", "w+") for i in range(2)]
    pings = [subprocess.Popen(["ip", "netns", "exec", f"{box.ns}-wan", "ping", "-n", "-O", "-i", "0.01", "-W", "1", to],
                              stdout=out, stderr=subprocess.DEVNULL, text=True)
             for to, out in zip(("10.1.0.2", "192.0.2.2"), outputs)]
    try:
        with Talk(box) as talk:
            box.start()
            seen = {}

            def translated():
                for source, count in talk.seen().items():
                    seen[source] = seen.get(source, 0) + count
                return seen.get("192.0.2.2", 0) > 50
            box.until(20, translated, "the flow that is allowed")
            # lines of each that is not answered in time
            box.until(20, lambda: all(len(set(re.findall(r"icmp_seq=(\d+)", open(out.name).read()))) > 20 for out in outputs),
                      "pings enough")
            expect(set(seen) == {"192.0.2.2"}, f"left untranslated: {seen}")
    finally:
        for ping in pings:
            ping.send_signal(signal.SIGINT)
    for ping, out in zip(pings, outputs):
        ping.wait(60)
        out.seek(0)
        shown = out.read()
        sent, got = map(int, re.search(r"(\d+) packets transmitted, (\d+) received", shown).groups())
        expect(sent > 20 and got == 0, f"{got} of {sent} refused pings were answered")
    box.until(10, lambda: box.json("show", "dataplane")["ports"]["lan0"]["mode"] == mode, mode)
    box.commit(CONFIG)


def disabled(box):
    """A firewall that the configuration disables leaves its last policy, and after a reboot nothing open."""
    box.ctl("config", "set", "services", "firewall", "enabled", "false")
    box.ctl("config", "commit")
    box.until(10, lambda: box.service("firewall")["state"] == "Disabled", "it is disabled")
    expect(box.right(), "the last policy stays in force")
    box.kill(signal.SIGTERM)
    box.reboot()
    box.sysctl("net.ipv4.ip_forward", 1)
    box.start(wait=False)
    box.until(20, lambda: "10.1.0.1" in run(*box.inside("ip", "addr")).stdout, "the addresses")
    expect(is_closed(box), "closed")
    expect("the table is closed" in box.ctl("show", "dataplane").stdout, "and reported")
    expect(box.json("show", "boot")["phase"] != "operational", "without its firewall it is not operational")
    box.ctl("config", "set", "services", "firewall", "enabled", "true")
    box.ctl("config", "commit")
    box.until(10, box.right, "the policy is in force again")
    box.until(10, lambda: box.json("show", "boot")["phase"] == "operational", "and it is operational")


def main():
    need_root()
    tap = Tap()
    with Box(BUILD, "cold", dataplane=True) as box:
        for host in ("lan", "wan"):
            run("ip", "netns", "exec", f"{box.ns}-{host}", "ethtool", "-K", "eth0", "gro", "on", "tx", "off")
        box.configure()
        for name, fn, *args in (("flows begun without the table", flows_begun_without),
                                ("a cold start at off", boot_window, "off"),
                                ("a cold start at tcx", boot_window, "tcx"),
                                ("a cold start at xdp", boot_window, "xdp"),
                                ("a firewall that is disabled", disabled)):
            if len(sys.argv) < 3 or sys.argv[2] in name:
                tap.test(name, fn, box, *args)
    tap.end()


main()
