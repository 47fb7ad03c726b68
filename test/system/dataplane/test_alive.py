"""Who watches foreign state: a thread of the data plane, whatever the rest of the daemon does. And when it does not any more, because the daemon is stopped or dead, everything is the kernel's after half a second: an established
conversation obeys what changes then."""
import os
import signal
import sys
import time

import lab
import stream

lab.need("ip", "nsenter", "ethtool", "nft")
L = lab.Lab(sys.argv[1])
L.offload(False)
SERVER, PORT = "10.200.2.2", 5004
RULES = {"10": {"from": "lan", "to": "wan", "action": "accept"}}
EVENTS = 20000  # each twice; they fill a buffer of 16 MiB
HOLDER = os.path.join(os.path.dirname(lab.ASSURED), "rtnl_held.py")
WITHIN = 60  # seconds, for what hangs: traffic that continues without a heartbeat never stops
stream.answer(L, L.server, SERVER, PORT, "server")


def nft(text):
    L.run(L.router, ["nft", text])


def refuse():
    nft("add table inet others; add chain inet others c { type filter hook forward priority 5; policy drop; }")


def carried(d):
    end = time.monotonic() + 10
    while time.monotonic() < end:
        before = stream.hits(d)
        time.sleep(0.1)
        if stream.hits(d) - before >= 4:
            return True
    return False


def obeyed(mode, talk, when):
    """Another program refuses the conversation, and lets it go on."""
    refuse()
    lab.check(f"{mode}: {when}: what another program refuses stops",
              talk.stopped(time.monotonic(), within=WITHIN) is not None)
    nft("delete table inet others")
    lab.check(f"{mode}: {when}: without it the conversation continues", talk.flows() is not None)


def held_up(mode, talk):
    """The data plane is not asked for what it noticed, as while the daemon's loop is held up."""
    d = L.dpctl()
    d.apply(lab.policy(mode, RULES))
    d.say("tend")
    lab.check(f"{mode}: the fast path carries it", carried(d))
    obeyed(mode, talk, "held up")
    d.say("read")
    lab.check(f"{mode}: what was noticed is read then, and the fast path carries it again", carried(d))
    d.kill()


def fast_packets(d):
    """Without asking for links, which waits for the network lock."""
    return d.rule(10)["fast-packets"]


def locked(mode, talk):
    """The network lock is held for longer than the fast path continues without a heartbeat: reading events needs no lock."""
    d = L.dpctl()
    d.apply(lab.policy(mode, RULES))
    d.say("tend")
    lab.check(f"{mode}: the fast path carries it", carried(d))
    holder = L.start(L.server, [sys.executable, "-S", HOLDER], stdin=-1, stdout=-1)
    shown = holder.stdout.readline().strip()
    if shown != "held":
        print(f"# skipped: the network lock cannot be held: {shown}")
        d.kill()
        return
    count, end = talk.last()[1], time.monotonic() + 60
    while talk.last()[1] < count + 100 and time.monotonic() < end:  # one in 10 ms
        time.sleep(0.02)
    before, count = fast_packets(d), talk.last()[1]
    while talk.last()[1] < count + 50 and time.monotonic() < end:
        time.sleep(0.02)
    found = fast_packets(d) - before
    lab.check(f"{mode}: the fast path continues while the network lock is held: {found} packets beside 50 answers", found >= 40)
    obeyed(mode, talk, "the network lock is held")
    holder.stdin.close()
    holder.wait()
    d.kill()


def stopped(mode, talk):
    d = L.dpctl("live")
    d.apply(lab.policy(mode, RULES))
    lab.check(f"{mode}: the fast path carries it", carried(d))
    os.kill(d.process.pid, signal.SIGSTOP)
    obeyed(mode, talk, "stopped")
    os.kill(d.process.pid, signal.SIGCONT)
    lab.check(f"{mode}: a daemon that runs on takes the fast path up again", carried(d))
    return d


def overrun(mode, talk, d):
    """More events than there is room for, the one that matters among them: everything is read anew."""
    os.kill(d.process.pid, signal.SIGSTOP)
    for turn in ("add", "del"):
        L.run(L.router, [sys.executable, "-Sc", "import subprocess, sys\nsubprocess.run(['ip', '-batch', '-'], text=True, check=True, input=''.join("
                         f"'route {turn} blackhole 10.77.%d.%d/32\\n' % (n >> 8, n & 255) for n in range({EVENTS})))"])
    for words in (["qdisc", "add", "dev", "r0", "clsact"],
                  ["filter", "add", "dev", "r0", "ingress", "prio", "7", "u32", "match", "u32", "0", "0", "flowid", "1:1"]):
        L.run(L.router, ["tc", *words])
    lab.check(f"{mode}: events are lost: {lost()}", lost())
    os.kill(d.process.pid, signal.SIGCONT)
    end = time.monotonic() + 10
    while "tc ingress filter" not in d.status()["ports"]["r0"].get("reason", "") and time.monotonic() < end:
        time.sleep(0.02)
    port, count = d.status()["ports"]["r0"], talk.last()[1]
    lab.check(f"{mode}: what came with events that were lost is known: {port}", "tc ingress filter" in port.get("reason", ""))
    while talk.last()[1] < count + 20 and time.monotonic() < end + 10:
        time.sleep(0.02)
    found = d.status()["ports"]["r0"]["hits"] - port["hits"], talk.last()[1] - count
    lab.check(f"{mode}: and obeyed: {found[0]} of {found[1]} packets on the fast path", found[0] == 0 and found[1] >= 20)
    L.run(L.router, ["tc", "qdisc", "del", "dev", "r0", "clsact"])
    lab.check(f"{mode}: without it the conversation continues, by the fast path", talk.flows() is not None and carried(d))


def lost():
    """Netlink sockets in the router that lost messages: the column Drops."""
    lines = L.run(L.router, ["cat", "/proc/net/netlink"]).splitlines()
    column = lines[0].split().index("Drops")
    return sum(int(line.split()[column]) for line in lines[1:])


def dead(mode, talk, d):
    d.kill()
    obeyed(mode, talk, "dead")
    d = L.dpctl("live")
    lab.check(f"{mode}: the next daemon adopts: {d.hello}", d.hello == "ready adopted")
    d.apply(lab.policy(mode, RULES))
    lab.check(f"{mode}: and takes the fast path up again", carried(d))
    d.say("destroy")
    d.kill()


for mode in sys.argv[2:] or ("tcx", "xdp"):
    talk = stream.Stream(L, SERVER, PORT)
    first = L.dpctl("live")
    first.apply(lab.policy(mode, RULES))
    talk.assured()
    first.kill()
    held_up(mode, talk)
    locked(mode, talk)
    d = stopped(mode, talk)
    if mode == "tcx":
        overrun(mode, talk, d)
    dead(mode, talk, d)
    talk.close()
