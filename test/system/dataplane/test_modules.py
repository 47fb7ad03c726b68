"""What needs modules of the kernel that not every machine has: a VRF, a bond, a VLAN, IPVS. Each is honoured or its port's
packets are the kernel's, with the reason. `./dev vm run` runs it on Debian's own kernel.

    test_modules.py DPCTL [KIND]..."""
import os
import socket
import struct
import sys

import lab
import netspace

lab.need("ip", "nsenter", "nft")
L = lab.Lab(sys.argv[1])
RULES = {"10": {"from": "lan", "to": "wan", "action": "accept"}}
SERVER, PORT, COUNT = "10.200.2.2", 5004, 60


def has(*words):
    """The kernel makes such a device."""
    made = "added" in lab.sh(f"ip -n {L.router} link add {' '.join(words)} && echo added", check=False)
    if made:
        lab.sh(f"ip -n {L.router} link del {words[words.index('type') - 1]}")
    return made


def ip(line):
    lab.sh(f"ip -n {L.router} {line}")


def begin(ports, more=(), rules=None):
    """A daemon with these ports, the first in lan."""
    d = L.dpctl("live")
    p = lab.policy("tcx", rules or RULES)
    p["ports"] = {port: {"fast-path": "tcx"} for port in ports}
    p["zones"] = {"lan": {"interfaces": [ports[0]]}, "wan": {"interfaces": [*ports[1:], *more]}}
    d.apply(p)
    d.say("tend")
    return d


def end(d):
    d.say("destroy")
    d.kill()


def reason(d, port):
    return d.status()["ports"][port].get("reason", "")


def talks(d, what, least, host=SERVER):
    """A conversation is answered; so many of its packets at least are the fast path's, exactly none where least is 0."""
    for _ in range(5):  # while foreign state is being read all is the kernel's
        before = d.rule(10)["fast-packets"]
        got, _ = L.talk("udp", host, PORT, COUNT, 0.001, assured=True)
        fast = d.rule(10)["fast-packets"] - before
        if got != COUNT or not least or fast >= least:
            break
    lab.check(f"{what}: {got} of {COUNT} questions answered, {fast} packets on the fast path",
              got == COUNT and (fast >= least if least else fast == 0))


def awaits(d, port, text, there=True):
    for _ in range(200):
        shown = reason(d, port)
        if (text in shown) == there and "being read" not in shown:
            break
        lab.sh("sleep 0.05")
    lab.check(f"{port} reports {'' if there else 'not '}{text!r}: {shown}", (text in shown) == there)


def vrf():
    if not has("red", "type", "vrf", "table", "77"):
        return "VRFs"
    # at forward the VRF is nftables' ingress interface: rules about the ports' zones do not match there
    d = begin(["r0", "r1"], rules={"10": {"action": "accept"}})
    talks(d, "without a VRF", 40)
    ip("link add red type vrf table 77")
    ip("link set red up")
    for port in ("r0", "r1"):
        ip(f"link set {port} master red")
    awaits(d, "r0", "VRF")
    talks(d, "in a VRF", 0)
    ip("link del red")
    awaits(d, "r0", "VRF", False)
    talks(d, "without it again", 40)
    end(d)


def vlan():
    if not L.has_vlans():
        return "VLANs"
    lab.sh(f"ip -n {L.client} link add link c0 name c0.5 type vlan id 5; ip -n {L.client} addr add 10.205.1.2/24 dev c0.5; "
           f"ip -n {L.client} link set c0.5 up; ip -n {L.client} route replace default via 10.205.1.1")
    ip("link add link r0 name r0.5 type vlan id 5")
    ip("addr add 10.205.1.1/24 dev r0.5")
    ip("link set r0.5 up")
    d = begin(["r0.5", "r1"])
    talks(d, "a VLAN as a port", 40)
    end(d)
    d = begin(["r0", "r1"])
    p = lab.policy("tcx", RULES)
    p["zones"]["lan"]["interfaces"] = ["r0", "r0.5"]
    d.apply(p)
    talks(d, "what comes in by a VLAN on a port is the kernel's, answers are not", 40)
    end(d)
    ip("link del r0.5")
    lab.sh(f"ip -n {L.client} link del c0.5; ip -n {L.client} route replace default via 10.200.1.1")


def bond():
    if not has("bond0", "type", "bond", "mode", "active-backup"):
        return "bonds"
    lab.sh(f"ip -n {L.router} link del bond0", check=False)  # the module makes one
    ip("link add bond0 type bond mode active-backup")
    ip("link set r1 down")
    ip("link set r1 master bond0")
    ip("link set bond0 up")
    ip("addr flush dev r1")
    ip("addr add 10.200.2.1/24 dev bond0")
    lab.sh(f"ip -n {L.server} neigh flush all")
    d = begin(["r0", "bond0"])
    talks(d, "a bond as a port", 40)
    end(d)
    d = begin(["r0", "r1"], ["bond0"])
    lab.check(f"a member is no port: {d.status()['ports']['r1']}", d.status()["ports"]["r1"]["mode"] == "off" and reason(d, "r1"))
    end(d)
    ip("link del bond0")
    ip("link set r1 up")
    ip("addr replace 10.200.2.1/24 dev r1")


class Netlink:
    """Generic netlink, as far as IPVS needs it."""

    def __init__(self):
        self.s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)
        self.s.bind((0, 0))
        self.family = 16
        shown = self.ask(3, self.attribute(2, b"IPVS\0"))  # CTRL_CMD_GETFAMILY, by name: loads the module
        at = 20
        while at < len(shown):
            size, kind = struct.unpack_from("=HH", shown, at)
            if kind == 1:
                self.family = struct.unpack_from("=H", shown, at + 4)[0]
            at += (size + 3) & ~3

    @staticmethod
    def attribute(kind, data):
        return struct.pack("=HH", 4 + len(data), kind) + data.ljust((len(data) + 3) & ~3, b"\0")

    def ask(self, command, body):
        self.s.send(struct.pack("=IHHIIBBH", 20 + len(body), self.family, 5, 1, 0, command, 1, 0) + body)
        data = self.s.recv(65536)
        if struct.unpack_from("=H", data, 4)[0] == 2 and struct.unpack_from("=i", data, 16)[0]:
            raise OSError(-struct.unpack_from("=i", data, 16)[0], "generic netlink")
        return data


def in_router(make):
    with netspace.entered(L.router):
        return make()


def ipvs():
    try:
        netlink = in_router(Netlink)
    except OSError as e:
        return f"IPVS ({e})"
    a = netlink.attribute
    service = a(0x8001, a(1, struct.pack("=H", 2)) + a(2, struct.pack("=H", 17)) + a(3, socket.inet_aton("10.200.1.1").ljust(16, b"\0")) +
                a(4, struct.pack("!H", 9999)) + a(6, b"rr\0") + a(7, struct.pack("=II", 0, 0xffffffff)) + a(8, struct.pack("=I", 0)) +
                a(9, b"\xff\xff\xff\xff"))
    d = begin(["r0", "r1"])
    talks(d, "without IPVS", 40)
    netlink.ask(1, service)  # IPVS_CMD_NEW_SERVICE
    awaits(d, "r0", "services of IPVS")
    talks(d, "beside IPVS", 0)
    end(d)


KINDS = {"vrf": vrf, "vlan": vlan, "bond": bond, "ipvs": ipvs}
L.echo("udp", PORT)
missing = {name: KINDS[name]() for name in sys.argv[2:] or KINDS}
for name, what in missing.items():
    if what:
        print(f"# skipped: this kernel has no {what}")
if all(missing.values()):
    sys.exit(lab.SKIP)
