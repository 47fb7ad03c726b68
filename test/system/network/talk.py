"""Conversations of packets: a client, and the host that its packets reach. Each end acknowledges what it saw itself,
so that a translation which changes the length of the payload (FTP's addresses) is followed."""
import ipaddress
import random
import re
import time

from world import HOSTS, OWN4, ROUTER, home
import wire

OBEY_S = 0.11  # established flows obey a change within 100 ms
APPLIANCES = {a.split("/")[0] for addresses in ROUTER.values() for a in addresses} | set(OWN4)
SEVENS = bytes(i * 7 % 251 for i in range(4096))
OPENING = [(b"USER x\r\n", b"331 x\r\n")]  # the kernel's helper reads lines behind a first one only


def first_number(port, side):
    """A first sequence number whose bytes are also what the beginning of a header may have: who reads a packet at the wrong
    place finds no nonsense there."""
    r = random.Random(port * 2 + side)
    return int.from_bytes(bytes(r.choice([0x10, 0x50, 0x60, 0xff, r.randrange(256)]) for _ in range(4)), "big")


class Talk:
    def __init__(self, world, spec):
        self.w, self.spec, self.host = world, spec, spec.get("host") or home(spec["src"])
        self.proto = {"tcp": wire.TCP, "udp": wire.UDP, **wire.OTHERS}.get(spec["proto"], wire.ICMP6 if wire.is6(spec["src"]) else wire.ICMP)
        self.other = self.proto in wire.OTHERS.values()  # no ports, no numbers of its own
        self.far = None  # (host, Seen): the last packet of the client as the server saw it
        self.near = None  # Seen: the last one of the server as the client saw it
        self.moves = world.moves
        self.trail = []  # what came of each packet of the client: [(host, Seen)]
        self.mine, self.theirs = first_number(spec["sport"], 0), first_number(spec["sport"], 1)  # next ones of client and server
        self.has, self.server_has = 0, 0  # what client and server acknowledge
        self.plain, self.answer = {wire.TCP: (wire.PSH | wire.ACK,) * 2, wire.UDP: (0, 0), **dict.fromkeys(wire.OTHERS.values(), (0, 0))}.get(self.proto, ("ask", "answer"))

    def body(self, src, dst, sport, dport, flags, seq, ack, payload):
        if self.proto == wire.TCP:
            return wire.tcp(src, dst, sport, dport, flags, seq, ack if flags & wire.ACK else 0, payload)
        if self.proto == wire.UDP:
            return wire.udp(src, dst, sport, dport, payload)
        if self.other:
            return bytes(4) + payload
        kind = (128 if self.proto == wire.ICMP6 else 8) + (0 if flags == "ask" else 1 if self.proto == wire.ICMP6 else -8)
        return wire.icmp(src, dst, kind, 0, sport << 16 | 1, payload)

    def after(self, seen, flags):
        return seen.seq + len(seen.payload) + (1 if flags & (wire.SYN | wire.FIN) else 0)

    def out(self, flags, payload=b"", ttl=64, pieces=0, change=lambda packet: packet):
        s, number, tos = self.spec, self.w.next_number(), self.spec.get("tos", 0)
        body = self.body(s["src"], s["dst"], s["sport"], s["dport"], flags, self.mine, self.has, payload)
        packets = [wire.ip(s["src"], s["dst"], self.proto, number, body, ttl, tos=tos)]
        if pieces:
            cut = pieces // 8 * 8
            packets = cut_up(packets[0], s["src"], s["dst"], self.proto, number, body, cut, ttl, tos)
        received = self.w.carry(self.host, [change(p) for p in packets])
        self.trail.append([(h, x) for h, x in received if x.number == number and h != self.host])
        for host, seen in received:
            if host != self.host and seen.number == number and not pieces:
                self.far = (host, seen)
                if self.proto == wire.TCP:
                    self.server_has = self.after(seen, flags)
        if self.proto == wire.TCP:
            self.mine += len(payload) + (1 if flags & (wire.SYN | wire.FIN) else 0)
        return [f"{h} received {x.text}" for h, x in received]

    def back(self, flags, payload=b"", ttl=64, pieces=0, change=lambda packet: packet):
        if not self.far or self.far[1].sport is None and self.proto in (wire.TCP, wire.UDP):
            return []
        host, x = self.far
        if host in HOSTS and x.dst in APPLIANCES:  # a filter of others led it here: the answer would be a martian,
            return []  # which rules and the kernel both refuse, and only the fast path counts (docs/dataplane.md)
        number = self.w.next_number()
        sport = x.dport if x.sport is not None else int.from_bytes(x.raw[(40 if wire.is6(x.src) else 20) + 4:][:2], "big")
        tos, body = self.spec.get("tos", 0), self.body(x.dst, x.src, sport, x.sport, flags, self.theirs, self.server_has, payload)
        packets = [wire.ip(x.dst, x.src, self.proto, number, body, ttl, tos=tos)]
        if pieces:
            packets = cut_up(packets[0], x.dst, x.src, self.proto, number, body, pieces // 8 * 8, ttl, tos)
        received = self.w.carry(host, [change(p) for p in packets])
        for h, seen in received:
            if h == self.host and seen.number == number:
                self.near = seen
                if self.proto == wire.TCP:
                    self.has = self.after(seen, flags)
        if self.proto == wire.TCP:
            self.theirs += len(payload) + (1 if flags & (wire.SYN | wire.FIN) else 0)
        return [f"{h} received {y.text}" for h, y in received]

    def complaint(self, kind):
        """The server's host reports by ICMP that the client's last packet did not get through."""
        if not self.far:
            return []
        host, x = self.far
        number, six = self.w.next_number(), wire.is6(x.src)
        what, code, rest = {"port": (1, 4, 0) if six else (3, 3, 0), "size": (2, 0, 1280) if six else (3, 4, 1000)}[kind]
        body = wire.icmp(x.dst, x.src, what, code, rest, x.raw[:68 if six else 28])
        return [f"{h} received {y.text}" for h, y in
                self.w.carry(host, [wire.ip(x.dst, x.src, wire.ICMP6 if six else wire.ICMP, number, body)])]

    def begin(self):
        if self.proto != wire.TCP:
            return self.exchange(40)
        seen = self.out(wire.SYN)
        if self.far:
            seen += self.back(wire.SYN | wire.ACK) + self.out(wire.ACK)
        return seen + self.exchange(100)

    def exchange(self, size):
        at = (self.mine + size) * 36 % 251  # 7 * 36 is 1 modulo 251
        text = SEVENS[at:at + size]
        if self.proto == wire.TCP:
            return self.say(text, text[::-1])
        if self.proto == wire.UDP or self.other:
            return self.out(0, text) + self.back(0, text[::-1])
        return self.out("ask", text) + self.back("answer", text)

    def say(self, text, answer):
        """Lines of a TCP conversation."""
        return self.out(wire.PSH | wire.ACK, text) + self.back(wire.PSH | wire.ACK, answer) + self.out(wire.ACK)

    def once(self, flags, payload, ahead=0):
        """A packet the conversation does not go on from: what came before again, or what it does not allow."""
        mine, has = self.mine, self.server_has
        self.mine += ahead
        seen = self.out(flags, payload)
        self.mine, self.server_has = mine, has
        return seen

    def end(self, how):
        if self.proto != wire.TCP:
            return []
        if how == "rst":
            return self.out(wire.RST) + self.back(wire.ACK)
        return self.out(wire.FIN | wire.ACK) + self.back(wire.FIN | wire.ACK) + self.out(wire.ACK)


# what TCP does not allow, or seldom does
FLAGS = {"null": 0, "push": wire.PSH, "both": wire.SYN | wire.FIN, "urgent": wire.ACK | wire.URG, "congested": wire.ACK | wire.ECE,
         "begin": wire.SYN, "answer": wire.SYN | wire.ACK}


def cut_up(packet, src, dst, proto, number, body, cut, ttl, tos):
    """The two fragments of a packet."""
    if wire.is6(src):
        return list(wire.pieces6(packet, cut, number))
    return [wire.ip(src, dst, proto, number, body[:cut], ttl, 0, True, tos=tos), wire.ip(src, dst, proto, number, body[cut:], ttl, cut, tos=tos)]


def place(text, other):
    """(address, port) that a line of FTP names: RFC 959, or RFC 2428, whose passive answer has the other's address."""
    old = re.search(rb"(\d+),(\d+),(\d+),(\d+),(\d+),(\d+)", text)
    if old:
        n = [int(x) for x in old.groups()]
        return ".".join(map(str, n[:4])), n[4] * 256 + n[5]
    new = re.search(rb"\|(?:[12]?)\|([0-9a-f.:]*)\|(\d+)\|", text)
    return (new[1].decode() or other, int(new[2])) if new else None


def numbers(address, port):
    return f"{address.replace('.', ',')},{port >> 8},{port & 255}".encode()


def data_of(control, how, port):
    """Reports in the control conversation where data is sent; (what was seen, the data conversation's spec or None)."""
    spec, six = control.spec, wire.is6(control.spec["src"])
    seen = []
    for text, answer in OPENING:
        seen += control.say(text, answer)
    if not control.far:
        return seen, None
    if how == "active alone":  # what set the helper is gone, the helper is not
        control.w.shell("nft delete table inet x7 2>/dev/null || true")
        time.sleep(OBEY_S)
    if how != "passive":
        line = f"EPRT |2|{spec['src']}|{port}|\r\n".encode() if six else b"PORT " + numbers(spec["src"], port) + b"\r\n"
        seen += control.out(wire.PSH | wire.ACK, line)
        host, x = control.far
        there = place(x.payload, x.src)
        seen += control.back(wire.PSH | wire.ACK, b"200 x\r\n") + control.out(wire.ACK)
        if how == "active alone":
            time.sleep(OBEY_S)
        return seen, there and {"proto": "tcp", "src": x.dst, "dst": there[0], "sport": 20, "dport": there[1]}
    seen += control.out(wire.PSH | wire.ACK, b"EPSV\r\n" if six else b"PASV\r\n")
    control.near = None
    where = control.far[1].dst
    line = f"229 x (|||{port}|)\r\n".encode() if six else b"227 x (" + numbers(where, port) + b")\r\n"
    seen += control.back(wire.PSH | wire.ACK, line) + control.out(wire.ACK)
    there = control.near and place(control.near.payload, control.near.src)
    return seen, there and {"proto": "tcp", "src": spec["src"], "dst": there[0], "sport": port + 50, "dport": there[1]}


def begin(world, name, spec):
    world.talks[name] = Talk(world, spec)
    return world.talks[name].begin()


def ftp(world, name, spec, how, port):
    """A control conversation, and one of data as its ends understand it: NAMEd."""
    control = world.talks[name] = Talk(world, spec)
    seen = control.begin()
    more, data = data_of(control, how, port)
    seen += more
    if data and home(data["src"]):
        seen += begin(world, f"{name}d", data)
    return seen


def say(world, name, size, times=1, how=""):
    """A ping that runs ends where its way changes: what rules refuse there the fast path refuses, conntrack or not
    (docs/dataplane.md); with the fast path off it would go on."""
    talk = world.talks.get(name)
    if not talk or talk.proto in (wire.ICMP, wire.ICMP6) and talk.moves != world.moves:
        return []
    ask, answer = (b"", b"") if talk.proto == wire.TCP else (b"v" * 40, b"u" * 40)
    if how in ("port", "size"):
        return talk.complaint(how)
    if how == "ttl":
        return talk.out(wire.ACK if talk.proto == wire.TCP else talk.plain, b"", ttl=times)
    if how == "ttl back":
        return talk.back(wire.ACK if talk.proto == wire.TCP else talk.answer, b"", ttl=times)
    if how == "tos":  # another class than the rest of the conversation, there and back
        other = 0x28 if size > 500 else 0x10
        return talk.out(talk.plain, ask, change=lambda p: wire.marked(p, other)) + talk.back(talk.answer, answer, change=lambda p: wire.marked(p, other))
    if how == "again":  # sent twice; to conntrack it is old
        return talk.once(wire.PSH | wire.ACK, b"y" * 50, -50) if talk.proto == wire.TCP else talk.exchange(size)
    if how == "ahead":  # conntrack is told to be liberal
        return talk.once(wire.PSH | wire.ACK, b"z" * 50, 1 << 24) if talk.proto == wire.TCP else []
    if how in FLAGS:
        return talk.once(FLAGS[how], b"") if talk.proto == wire.TCP else []
    if how == "options":
        return talk.out(talk.plain, bytes(40), change=wire.with_options) + talk.back(talk.answer, bytes(30), change=wire.with_options)
    if how == "unsummed":
        four = talk.proto == wire.UDP and not wire.is6(talk.spec["src"])
        return talk.out(0, b"w" * size, change=wire.without_checksum) + talk.back(0, b"w") if four else []
    if how == "unasked":
        return sum((talk.back(talk.answer, bytes([i]) * size) for i in range(times + 1)), [])
    if how == "pieces" and world.vxlan and wire.is6(talk.spec["src"]):
        # With any program at XDP, also one that only passes, veth makes the buffers anew, and the kernel sends pieces
        # into a vxlan device one by one that it else sends as the packet they make.
        return talk.exchange(900)
    if how == "pieces":
        return talk.out(talk.plain, b"x" * 900, pieces=480) + talk.back(talk.answer, b"y" * 900, pieces=480)
    return sum((talk.exchange(size) for _ in range(times)), [])


LEARNED = {"redirect": (5, 1), "net redirect": (5, 0), "size": (3, 4)}


def learn(world, host, about, what, value):
    """A host reports by ICMP to the appliance, about its answer to a ping, what is to be learned of a destination: another
    gateway, or the largest size. Of pings the kernel sends itself only answers teach it (icmp_err)."""
    kind, code = LEARNED[what]
    own, gateway = OWN4[0], HOSTS[host][1][0].split("/")[0]
    seen = world.carry(host, [wire.ip(about, own, wire.ICMP, world.next_number(), wire.icmp(about, own, 8, 0, 0x77770001, bytes(20)))])
    answer = wire.ip(own, about, wire.ICMP, 1, wire.icmp(own, about, 0, 0, 0x77770001, bytes(20)))
    rest = value if what == "size" else int(ipaddress.ip_address(value))
    error = wire.ip(gateway, own, wire.ICMP, world.next_number(), wire.icmp(gateway, own, kind, code, rest, answer[:28]))
    return [f"{h} received {x.text}" for h, x in seen + world.carry(host, [error])]


def end(world, name, how):
    return world.talks[name].end(how) if name in world.talks else []
