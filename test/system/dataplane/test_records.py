"""What is written to the kernel's log, read there, and packets conntrack calls invalid: the same at off, tcx and xdp.
Each record occurs once, with the text of its rule, and a limit bounds records or what matches, never both."""
import atexit
import collections
import json
import os
import re
import select
import subprocess
import sys
import time

import lab

lab.need("ip", "nsenter", "ethtool", "nft")
HERE = os.path.dirname(os.path.abspath(__file__))
L = lab.Lab(sys.argv[1])
L.offload(False)
SETTING = "/proc/sys/net/netfilter/nf_log_all_netns"


def let_namespaces_log():
    """The kernel logs for the first namespace only, unless a setting of the whole machine changes that."""
    try:
        with open(SETTING, "r+") as f:
            if f.read().strip() != "1":
                f.seek(0)
                f.write("1")
                f.flush()
                atexit.register(lambda: open(SETTING, "w").write("0") and None)
        return os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    except OSError as e:
        print(f"skipped: the kernel's log of a namespace cannot be read: {e}")
        sys.exit(lab.SKIP)


KMSG = let_namespaces_log()
MAC = json.loads(L.run(L.router, ["ip", "-j", "link", "show", "r0"]))[0]["address"]
FROM = 20000 + os.getpid() % 30000  # source port of what the router sends: its records name no MAC address
S, S6, ROUTER = "10.200.2.2", "fd00:200:2::2", "10.200.1.1"
server = L.start(L.server, [sys.executable, "-S", os.path.join(HERE, "talks.py"), "serve", *map(str, range(5000, 5012))],
                 stdout=subprocess.PIPE)
assert server.stdout.readline() == "ready\n"
TCP, UDP, ICMP = 6, 17, 1


def rule(port, action, protocol="tcp", **more):
    return {"from": "lan", "protocol": protocol, "destination-ports": [str(port)], "action": action, **more}


ONCE = {"rate": 1, "per": "day", "burst": 3}
RULES = {
    "1": rule(5010, "accept", state=["invalid"], log=True, **{"log-prefix": "odd"}),
    "2": rule(5010, "accept"),
    "3": rule(5011, "accept"),
    "10": rule(5000, "accept", "tcp_udp", log=True),
    "11": rule(5001, "accept", log=True, **{"log-prefix": "web, new"}),
    "12": rule(5002, "drop", "udp", log=True),
    "13": rule(5003, "reject", log=True, **{"log-prefix": "no"}),
    "14": rule(5004, "drop", "udp", log=True, **{"log-limit": ONCE}),
    "15": rule(5005, "accept", "udp", log=True, limit=ONCE),
    "16": rule(5005, "drop", "udp"),
    "17": {"from": "lan", "to": "local", "protocol": "udp", "destination-ports": ["5006"], "action": "drop", "log": True},
    "18": {"from": "local", "protocol": "udp", "destination-ports": ["5007"], "action": "drop", "log": True},
    "19": rule(5008, "accept"),
    "20": {"from": "lan", "to": "local", "protocol": "icmp", "action": "accept"},
}
SENDS = """import socket, sys, json
for family, kind, host, port, count in json.loads(sys.argv[1]):
    for _ in range(count):
        s = socket.socket(family, kind)
        s.settimeout(0.3)
        try:
            if len(sys.argv) > 2:
                s.bind(("", int(sys.argv[2])))
            s.connect((host, port))
            for i in range(4 if kind == socket.SOCK_STREAM else 1):
                s.send(b"x")
                s.recv(999) if kind == socket.SOCK_STREAM else 0
        except OSError:
            pass
        s.close()
"""
LAN = [[2, 1, S, 5000, 1], [2, 2, S, 5000, 1], [10, 1, S6, 5000, 1], [2, 1, S, 5001, 2], [2, 2, S, 5002, 2],
       [10, 2, S6, 5002, 1], [2, 1, S, 5003, 1], [2, 2, S, 5004, 8], [2, 2, S, 5005, 8], [2, 2, ROUTER, 5006, 1],
       [2, 1, S, 5008, 3], [2, 2, S, 5009, 2], [10, 2, S6, 5009, 1], [2, 2, ROUTER, 5009, 1], [2, 2, ROUTER, 5999, 1]]
BOX = [[2, 2, S, 5007, 1], [2, 2, S, 5009, 1], [2, 2, S, 5999, 1]]
F, I, O = ["r0", "r1"], ["r0", ""], ["", "r1"]
WANT = collections.Counter({json.dumps([prefix, 4 if "." in str(v) else 6, protocol, port, *way]): count
                            for (prefix, v, protocol, port, way), count in {
    ("orbital rule 10: ", "v.4", TCP, 5000, (*F,)): 1, ("orbital rule 10: ", "v.4", UDP, 5000, (*F,)): 1,
    ("orbital rule 10: ", "v6", TCP, 5000, (*F,)): 1,
    ("orbital rule 11: web, new: ", "v.4", TCP, 5001, (*F,)): 2,
    ("orbital rule 12: ", "v.4", UDP, 5002, (*F,)): 2, ("orbital rule 12: ", "v6", UDP, 5002, (*F,)): 1,
    ("orbital rule 13: no: ", "v.4", TCP, 5003, (*F,)): 1,
    ("orbital rule 14: ", "v.4", UDP, 5004, (*F,)): 3,
    ("orbital rule 15: ", "v.4", UDP, 5005, (*F,)): 3,
    ("orbital rule 17: ", "v.4", UDP, 5006, (*I,)): 1,
    ("orbital rule 18: ", "v.4", UDP, 5007, (*O,)): 1,
    ("orbital default forward: ", "v.4", UDP, 5009, (*F,)): 2, ("orbital default forward: ", "v6", UDP, 5009, (*F,)): 1,
    ("orbital default input: ", "v.4", UDP, 5009, (*I,)): 1, ("orbital default input: ", "v.4", UDP, 5999, (*I,)): 1,
    ("orbital default output: ", "v.4", UDP, 5009, (*O,)): 1, ("orbital default output: ", "v.4", UDP, 5999, (*O,)): 1,
}.items()})
HITS = {"12": 3, "14": 8, "16": 5, "17": 1, "18": 1}


LINE = re.compile(r"(orbital .*: )IN=(\S*) OUT=(\S*) (?:MAC=(\S*) )?SRC=(\S+) .*PROTO=(\w+)(?: SPT=(\d+) DPT=(\d+))?")
NUMBERS = {"TCP": TCP, "UDP": UDP}


def lines_of(seconds):
    """What the kernel logs from here on, a line at a time; the test fails when there is nothing for so long."""
    while True:
        try:
            yield os.read(KMSG, 8192).decode(errors="replace")
        except BlockingIOError:
            if not select.select([KMSG], [], [], seconds)[0]:
                raise RuntimeError("the kernel logged nothing") from None
        except BrokenPipeError:
            pass  # others logged so much that some was lost; the next read continues


class Records:
    """The log of the router from here on; a datagram to port 9 of the appliance is the end of what was sent."""

    def __init__(self):
        os.lseek(KMSG, 0, os.SEEK_END)

    def all(self):
        L.python(L.client, "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'', (sys.argv[1], 9))", ROUTER)
        found = collections.Counter()
        for line in lines_of(10):
            m = LINE.search(line)
            if not m or not ((m[4] or "").startswith(MAC) or m[7] == str(FROM)):
                continue  # of others
            if m[8] == "9":
                return found
            found[json.dumps([m[1], 6 if ":" in m[5] else 4, NUMBERS[m[6]], int(m[8]), m[2], m[3]])] += 1


def differ(found, want):
    return {k: (found[k], want[k]) for k in {*found, *want} if found[k] != want[k]}


def policy_of(mode, **default):
    policy = lab.policy(mode, dict(RULES))
    policy["rules"]["30"] = {"from": "lan", "to": "local", "protocol": "udp", "destination-ports": ["9"], "action": "drop",
                             "log": True}
    policy["default"] = {"forward": "drop", "input": "drop", "output": "drop", **default}
    return policy


def lines(mode, d):
    d.apply(policy_of(mode, log=["forward", "input", "output"], **{"log-limit": {"rate": 100, "burst": 100}}))
    records = Records()
    L.python(L.client, SENDS, json.dumps(LAN))
    L.python(L.router, SENDS, json.dumps(BOX), FROM)
    wrong = differ(records.all(), WANT)
    lab.check(f"{mode}: {sum(WANT.values())} records are as their rules say {wrong or ''}", not wrong)
    hits = {n: d.rule(int(n))["packets"] for n in HITS}
    lab.check(f"{mode}: a limit of records bounds no matches, a limit of matches does {hits}", hits == HITS)


def default_limit(mode, d):
    d.apply(policy_of(mode, log=["forward"], **{"log-limit": ONCE}))
    records = Records()
    L.python(L.client, SENDS, json.dumps([[2, 2, S, 5009, 10], [2, 2, ROUTER, 5009, 2]]))
    found = records.all()
    lab.check(f"{mode}: records of defaults are bounded, and only those that are named {dict(found)}",
              found == {json.dumps(["orbital default forward: ", 4, UDP, 5009, *F]): 3})


# TCP segments of any flags: the client's own kernel has no socket for them.
RAW = """
def total(data):
    data += b"\\0" * (len(data) % 2)
    t = sum(struct.unpack(f"!{len(data) // 2}H", data))
    t = (t >> 16) + (t & 0xffff)
    return ~(t + (t >> 16)) & 0xffff

def segment(a, b, sport, dport, flags, bad=0):
    head = struct.pack("!HHIIBBHHH", sport, dport, 1000, 1000, 5 << 4, flags, 1000, 0, 0)
    ends = socket.inet_aton(a) + socket.inet_aton(b)
    check = total(ends + struct.pack("!BBH", 0, 6, len(head)) + head) ^ bad
    return head[:16] + struct.pack("!H", check) + head[18:]
import json
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, 6)
for sport, dport, flags, bad in json.loads(sys.argv[3]):
    raw.sendto(segment(sys.argv[1], sys.argv[2], sport, dport, flags, bad), (sys.argv[2], 0))
"""
SEEN = """
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 6)
s.settimeout(10)
print("ready", flush=True)
while True:
    data = s.recv(9999)[20:]
    sport, dport = struct.unpack_from("!HH", data)
    if dport == 5999:
        break
    if sport in (4000, 4001) or (sport == int(sys.argv[1]) and data[13] & 0x3f in (0, 3, 8, 0x20, 0x28)):
        print(sport, dport, data[13], flush=True)
"""
TALK = """
s = socket.socket()
s.bind(("", int(sys.argv[2])))
s.connect((sys.argv[1], 5011))
for i in range(150):
    s.send(b"x" * 50)
    if not s.recv(999):
        break
    if i == 30:
        print("begun", flush=True)
    time.sleep(0.005)
print("done" if i == 149 else i, flush=True)
"""
FLAGS = {"none": 0, "syn fin": 3, "push": 8, "urgent": 0x20, "push urgent": 0x28}


def invalid(mode, d, port):
    policy = policy_of(mode)
    policy["rules"]["40"] = {"from": "lan", "protocol": "tcp", "destination-ports": ["5999"], "action": "accept"}
    d.apply(policy)
    records = Records()
    code = "import socket, struct, sys, time\n"
    seen = L.start(L.server, [sys.executable, "-Sc", code + SEEN, str(port)], stdout=subprocess.PIPE)
    assert seen.stdout.readline() == "ready\n"
    talk = L.start(L.client, [sys.executable, "-Sc", code + TALK, S, str(port)], stdout=subprocess.PIPE)
    assert talk.stdout.readline() == "begun\n"
    odd = [[port, 5011, flags, 0] for flags in FLAGS.values()]  # of the conversation that runs
    odd += [[4000, to, flags, 0] for to in (5010, 5011) for flags in (0, 3, 0x12)]  # of none
    odd += [[4001, to, 2, 0x5555] for to in (5010, 5011)]  # a wrong checksum begins nothing
    L.python(L.client, RAW, "10.200.1.2", S, json.dumps(odd))
    lab.check(f"{mode}: a conversation continues beside packets that are none of it", talk.stdout.readline() == "done\n")
    L.python(L.client, RAW, "10.200.1.2", S, json.dumps([[4000, 5999, 2, 0]]))
    arrived = sorted(seen.stdout.read().split("\n")[:-1])
    want = sorted([*(f"4000 5010 {flags}" for flags in (0, 3, 0x12)), "4001 5010 2"])
    lab.check(f"{mode}: what conntrack calls invalid passes by a rule only {arrived}", arrived == want)
    found = records.all()
    lab.check(f"{mode}: and is in the log {dict(found)}",
              found == {json.dumps(["orbital rule 1: odd: ", 4, TCP, 5010, *F]): 4})


for number, mode in enumerate(("off", "tcx", "xdp")):
    d = L.dpctl()
    d.apply(policy_of(mode))
    got = d.status()["ports"]["r0"]["mode"]
    lab.check(f"{mode}: the port is {got}", got == mode)
    lines(mode, d)
    default_limit(mode, d)
    invalid(mode, d, 4444 + number)
    d.say("destroy")
    d.kill()
