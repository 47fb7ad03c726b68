"""Where the kernel has no tcx the same programs run as a filter at clsact: what is attached, what of
others is left alone, and that nothing is left behind when a port is switched off."""
import os
import sys

import lab

lab.need("ip", "nsenter", "ethtool", "nft", "ping", "tc")
L = lab.Lab(sys.argv[1])
L.offload(False)
RULES = {"10": {"from": "lan", "to": "wan", "protocol": "udp", "action": "drop"}}
V4 = "10.200.2.2"
FOREIGN = ["u32", "match", "u32", "0", "0", "flowid", "1:1"]


def tc(*command):
    return L.run(L.router, ["tc", *command])


def filters(port):
    return [line for line in tc("filter", "show", "dev", port, "ingress").splitlines()
            if "direct-action" in line]


def disciplines(port):
    return tc("qdisc", "show", "dev", port).count("clsact")


def refused(d):
    before = d.rule(10)["fast-packets"]
    L.run(L.client, [sys.executable, "-Sc",
                     "import socket\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n"
                     f"for i in range(50): s.sendto(b'x', ('{V4}', 7000))"])
    return d.rule(10)["fast-packets"] - before


def check(what, port, ours, discipline):
    found, there = filters(port), disciplines(port)
    lab.check(f"{what}: {port} has {len(found)} filters of ours and {there} clsact",
              len(found) == ours and there == discipline)


L.run(L.client, ["ping", "-q", "-c", "1", "10.200.1.1"])
tc("qdisc", "add", "dev", "r1", "clsact")
tc("filter", "add", "dev", "r1", "egress", "prio", "7", *FOREIGN)
d = L.dpctl("no-tcx")
d.apply(lab.policy("auto", RULES))
ports = d.status()["ports"]
lab.check(f"auto takes it, too: {ports['r0']['reason']}",
          ports["r0"]["mode"] == "tcx" and "clsact" in ports["r0"]["reason"])
check("one filter each", "r0", 1, 1)
check("beside a foreign one", "r1", 1, 1)
lab.check("it refuses", refused(d) == 50)
d.say("tend")
for what, hand in (("filter", ["filter", "del", "dev", "r0", "ingress"]), ("discipline", ["qdisc", "del", "dev", "r0", "clsact"])):
    tc(*hand)
    lab.check(f"no status claims a deleted {what}", d.status()["ports"]["r0"]["mode"] == "off")
    shown = d.say("tend")
    lab.check(f"a deleted {what} is put back and reported: {shown}", "r0; it is back" in shown)
    check("put back", "r0", 1, 1)
    lab.check("and nothing more is reported, and it refuses", d.say("tend") == ";;" and refused(d) == 50)
before = filters("r0")
for _ in range(3):
    d.apply(lab.policy("auto", RULES))
lab.check("further commits leave it as it is", filters("r0") == before)

d.kill()
d = L.dpctl("no-tcx")
lab.check("the next daemon leaves a program there that is its own",
          filters("r0") == before and d.hello == "ready adopted")
d.kill()
os.unlink(os.path.join(L.bpffs, "prog_tcx"))  # as that of another build
d = L.dpctl("no-tcx")
lab.check("else it runs its own one there, before any policy",
          filters("r0") != before and d.hello == "ready adopted" and len(filters("r0")) == 1)
d.apply(lab.policy("xdp", RULES))
lab.check(f"behind XDP {d.status()['ports']['r0']}", d.status()["ports"]["r0"]["mode"] == "xdp")
check("it stays for what XDP cannot send", "r0", 1, 1)
lab.check("XDP refuses, and each packet once", refused(d) == 50)
d.apply(lab.policy("off", RULES))
check("off", "r0", 0, 0)
check("off, the foreign filter", "r1", 0, 1)
lab.check("which is there", "u32" in tc("filter", "show", "dev", "r1", "egress"))

d.apply(lab.policy("tcx", RULES))
tc("filter", "add", "dev", "r0", "ingress", "prio", "9", *FOREIGN)
d.apply(lab.policy("off", RULES))
check("a discipline of ours in which others put a filter stays", "r0", 0, 1)
tc("qdisc", "del", "dev", "r0", "clsact")

d.apply(lab.policy("tcx", RULES))
tc("qdisc", "del", "dev", "r0", "clsact")
d.apply(lab.policy("tcx", RULES))
check("what another program deleted is there again after a commit", "r0", 1, 1)
d.kill()
if lab.HAS_TCX:
    d = L.dpctl()
    d.apply(lab.policy("tcx", RULES))
    check("a daemon on a kernel with tcx takes it away", "r0", 0, 0)
    d.say("tend")  # until then the former object there is another program's
    lab.check("and refuses by tcx", refused(d) == 50)
    d.kill()
d = L.dpctl("no-tcx")
d.apply(lab.policy("tcx", RULES))
check("and back", "r0", 1, 1)
lab.check("each packet is counted once", refused(d) == 50)
d.kill()
d = L.dpctl("no-kfunc")
check("a daemon that cannot load takes it away", "r0", 0, 0)
d.kill()
d = L.dpctl("no-tcx")
d.apply(lab.policy("tcx", RULES))
d.say("destroy")
check("destroyed", "r0", 0, 0)
check("destroyed, of others", "r1", 0, 1)
