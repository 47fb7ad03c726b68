"""A daemon that dies loses nothing, the next one takes over, and a change of policy loses nothing;
an established flow the new policy refuses stops at once; revert and disable change nothing that can
be seen."""
import json
import os
import re
import subprocess
import sys
import time

import lab

lab.need("ip", "nsenter", "ethtool", "nft", "ping", "prlimit")
L = lab.Lab(sys.argv[1])
L.offload(False)
L.echo("tcp", 5000)
V4 = "10.200.2.2"
KEPT = 16  # files of /proc that the data plane keeps open from the first policy on, about
ALLOW = {"10": {"from": "lan", "to": "wan", "protocol": "tcp", "action": "accept"},
         "20": {"from": "lan", "to": "wan", "protocol": "icmp", "action": "accept"}}
OTHER = dict(ALLOW, **{"5": {"from": "wan", "to": "lan", "protocol": "udp", "action": "drop"}})

# Round trips until its standard input ends, and the same number again, 500 at least; or until it is cut off.
STREAM = """
import select, socket, struct, sys, time
s = socket.create_connection(("%s", 5000), 20)
s.settimeout(5)
while s.recv(1) != b"\\n": pass
print("ready", flush=True)
n = worst = 0
last, how = None, "cut"
try:
    while last is None or n < last:
        if last is None and select.select([sys.stdin], [], [], 0)[0]:
            last = max(2 * n, 500)
        t = time.monotonic()
        s.send(b"x" * 100)
        got = 0
        while got < 100: got += len(s.recv(100)) or 1 / 0
        worst = max(worst, time.monotonic() - t)
        n += 1
        time.sleep(0.002)
    how = "whole"
except OSError: pass
again = struct.unpack_from("I", s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), 100)[0] # tcpi_total_retrans
print(n, worst, how, again)
""" % V4


def stream():
    child = L.start(L.client, [sys.executable, "-Sc", STREAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout.readline() == "ready\n"
    return child


def result(child):
    count, worst, how, again = child.communicate()[0].split()
    return int(count), float(worst), how, int(again)


def table():
    """The lines of nftables' table but those of counters and generation; the first has the table's number, which is
    new when the table is."""
    return [line for line in L.run(L.router, ["nft", "-a", "-s", "list", "table", "inet", "orbital"]).splitlines()
            if not any(word in line for word in ("generation", "elements", "counter ", "counter,"))]


def about():
    """The description in the table; each transaction of the daemon changes it."""
    return L.run(L.router, ["nft", "-s", "list", "chain", "inet", "orbital", "about"])


def remembered(d):
    """The daemon has looked at the table as its own transaction left it."""
    d.say("events")


def closed():
    """The table that closes everything ends when a policy is in force, also with a table that is kept, not when one is checked."""
    d = L.dpctl()
    d.apply(lab.policy("auto", ALLOW))
    remembered(d)
    d.kill()
    L.run(L.router, ["nft", "add", "table", "inet", "orbital_closed"])
    d = L.dpctl()
    for command, there in (("check", True), ("apply", False)):
        d.apply(lab.policy("auto", ALLOW), command)
        lab.check(f"after {command}: the table is {'there' if there else 'gone'}",
                  there == ("orbital_closed" in L.run(L.router, ["nft", "list", "tables"])))
    d.say("destroy")


def kept():
    """The table of the policy that the next daemon is given is not made anew; any other one is."""
    d = L.dpctl()
    d.apply(lab.policy("auto", ALLOW))
    remembered(d)
    L.run(L.client, ["ping", "-q", "-c", "3", V4])
    before, counted, generation = table(), d.rule(20)["packets"], d.status()["generation"]
    d.kill()
    d = L.dpctl()
    words = about()
    d.apply(lab.policy("auto", ALLOW))
    lab.check("the table of the same policy is kept over a death", table() == before)
    lab.check("and not written to", about() == words)
    lab.check("with its counters", d.rule(20)["packets"] == counted > 0)
    lab.check("and a generation of its own", d.status()["generation"] == generation + 1)
    d.say("revert")
    lab.check("revert keeps it, too", table() == before)
    d.apply(lab.policy("auto", OTHER))
    lab.check("another policy is applied", table() != before and d.rule(20)["packets"] >= counted)
    remembered(d)
    d.kill()
    before = table()
    for change in ("insert rule inet orbital forward accept", "delete element inet orbital tally { 20 }"):
        L.run(L.router, ["nft", *change.split()])
        d = L.dpctl()
        d.apply(lab.policy("auto", OTHER))
        lab.check(f"a table that was changed meanwhile is made anew ({change})",
                  table()[0] != before[0] and table()[1:] == before[1:] and d.rule(20)["packets"] >= 0)
        before = table()
        remembered(d)
        d.kill()
    d = L.dpctl()
    d.apply(lab.policy("auto", {}))
    lab.check("another policy than the one left is applied", table() != before)
    d.say("destroy")
    d.kill()


for mode, name in (("tcx", "tcx"), ("xdp", "xdp"), ("clsact", "tcx"))[not lab.HAS_TCX:]:
    options = ["no-tcx"] if mode == "clsact" else []
    d = L.dpctl(*options)
    d.apply(lab.policy(name, ALLOW))
    L.run(L.client, ["ping", "-q", "-c", "2", V4])
    ping = L.start(L.client, ["ping", "-q", "-i", "0.005", "-c", "800", "-W", "1", V4],
                   stdout=subprocess.PIPE)
    talk = stream()
    for _ in range(3):
        time.sleep(0.3)
        counted = d.rule(20)["packets"]
        d.kill()
        time.sleep(0.1)
        d = L.dpctl(*options)
        lab.check(f"{mode}: the next daemon adopts ({d.hello})", d.hello == "ready adopted")
        d.apply(lab.policy(name, OTHER))
        lab.check(f"{mode}: and counts on from {counted}", d.rule(20)["packets"] >= counted > 0)
    for i in range(20):
        d.apply(lab.policy(name, ALLOW if i % 2 else OTHER))
    d.say("disable")
    lab.check(f"{mode}: disabled, no port has a hook",
              all(p["mode"] == "off" for p in d.status()["ports"].values()))
    d.say("enable")
    d.apply(lab.policy(name, OTHER))
    d.say("revert")
    sent, received = lab.lost(ping.communicate()[0])
    count, worst, how, again = result(talk)
    lab.check(f"{mode}: {sent} pings over 3 kills and 24 changes, {received} answered",
              sent == received == 800)
    lab.check(f"{mode}: {count} round trips of a connection meanwhile, none longer than "
              f"{worst * 1000:.0f} ms, nothing sent twice", how == "whole" and not again)
    hits = d.rule(10)["fast-packets"]
    lab.check(f"{mode}: {hits} packets of it on the fast path", hits > 200)

    talk = stream()
    counted = d.rule(10)["packets"]
    while d.rule(10)["packets"] < counted + 20 and talk.poll() is None:
        time.sleep(0.01)
    generation = d.status()["generation"]
    d.apply(lab.policy(name, {"20": ALLOW["20"]}))
    try:
        talk.wait(60)
    except subprocess.TimeoutExpired:
        pass  # its standard input ends now, and it is whole
    count, _, how, _ = result(talk)
    lab.check(f"{mode}: a connection the new policy refuses is cut off ({count} round trips)", how == "cut")
    lab.check(f"{mode}: generation rises by one", d.status()["generation"] == generation + 1)
    d.say("revert")
    lab.check(f"{mode}: after revert it may connect again", L.talk("tcp", V4, 5000, 3)[0] == 3)
    d.say("destroy")
    d.kill()

def late():
    """The programs of a hook are there when a port needs it; what cannot be loaded refuses no policy."""
    pins = lambda: {n[5:] for n in os.listdir(L.bpffs) if n.startswith("prog_")}  # noqa: E731
    d = L.dpctl()
    lab.check(f"no port, no program of a hook: {pins()}", pins() == {"beat", "probe"})
    pid = d.process.pid
    lab.sh(f"prlimit --pid {pid} --nofile={len(os.listdir(f'/proc/{pid}/fd')) + KEPT + 8}:4096")
    d.apply(lab.policy("tcx", ALLOW))
    port = d.status()["ports"]["r0"]
    lab.check(f"the port has the reason why it cannot be loaded: {port}",
              port["mode"] == "off" and "Too many open files" in port["reason"] and pins() == {"beat", "probe"})
    lab.check("meanwhile nftables forwards", L.talk("tcp", V4, 5000, 3)[0] == 3)
    lab.sh(f"prlimit --pid {pid} --nofile=4096:4096")
    d.apply(lab.policy("tcx", ALLOW))
    lab.check(f"the next policy tries again: {d.status()['ports']['r0']}",
              d.status()["ports"]["r0"]["mode"] == "tcx" and pins() == {"beat", "probe", "tcx"})
    d.apply(lab.policy("xdp", ALLOW))
    lab.check("XDP's when a port needs it", d.status()["ports"]["r0"]["mode"] == "xdp"
              and pins() == {"beat", "probe", "tcx", "xdp"})
    d.kill()
    programs = lambda: re.findall(r"xdp.* id (\d+)", lab.sh(f"ip netns exec {L.router} ip -d link show r0"))  # noqa: E731
    before = programs()
    os.unlink(os.path.join(L.bpffs, "prog_xdp"))
    d = L.dpctl()
    lab.check(f"a link that is there has its program from the beginning: {before} {programs()}",
              d.hello == "ready adopted" and "xdp" in pins() and programs() != before)
    d.apply(lab.policy("xdp", ALLOW))
    lab.check("and forwards", L.talk("tcp", V4, 5000, 3)[0] == 3 and d.status()["ports"]["r0"]["mode"] == "xdp")
    d.say("destroy")
    d.kill()


kept()
closed()
late()
d = L.dpctl("no-kfunc")
d.apply(lab.policy("auto", ALLOW))
ports = d.status()["ports"]
lab.check(f"without conntrack for BPF every port is off and reports why: {ports['r0'].get('reason')}",
          all(p["mode"] == "off" and p["reason"] for p in ports.values()))
lab.check("and nftables enforces alone", L.talk("tcp", V4, 5000, 3)[0] == 3)
d.kill()
d = L.dpctl(before=["prlimit", "--nofile=16"])
d.apply(lab.policy("auto", ALLOW))
why = d.status()["ports"]["r0"].get("reason", "")
lab.check(f"a load that fails reports which step, in libbpf's words: {why}",
          "Too many open files: " in why and "no message from" not in why)
d.apply(lab.policy("auto", {}))
lab.check("both ways", L.talk("tcp", V4, 5000, 3, wait=0.5)[0] == 0)
bad = lab.policy("auto", dict(ALLOW))
bad["zones"]["lan"]["interfaces"] = ["r0", "r1"]
before = json.dumps(d.status())
try:
    d.apply(bad)
    lab.check("a policy that contradicts itself is refused", False)
except RuntimeError as e:
    lab.check(f"a policy that contradicts itself is refused ({e})", json.dumps(d.status()) == before)
d.say("destroy")
