"""Who watches what else decides: a thread of the data plane, whatever the rest of the daemon does. And when nobody does
any more, because the daemon is stopped or dead, everything is the kernel's after half a second: an established
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
WITHIN = 5  # seconds; without a heartbeat it would be never
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
    lab.check(f"{mode}: {when}: what another program refuses stands still",
              talk.stands(time.monotonic(), within=WITHIN) is not None)
    nft("delete table inet others")
    lab.check(f"{mode}: {when}: without it the conversation goes on", talk.flows() is not None)


def held_up(mode, talk):
    """Nobody asks the data plane for what it noticed, as while the daemon's loop is held up."""
    d = L.dpctl()
    d.apply(lab.policy(mode, RULES))
    d.say("tend")
    lab.check(f"{mode}: the fast path carries it", carried(d))
    obeyed(mode, talk, "held up")
    d.say("read")
    lab.check(f"{mode}: what was noticed is read then, and the fast path carries it again", carried(d))
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
    dead(mode, talk, stopped(mode, talk))
    talk.close()
