"""Packets as bytes: built and read by hand, so that each is exactly what the script specifies. IPv4 carries the
number of a packet in its identification (RFC 791), IPv6 in its flow label (RFC 8200): both cross a router."""
import functools
import ipaddress
import socket
import struct
import zlib

ICMP, TCP, UDP, ICMP6 = 1, 6, 17, 58
FIN, SYN, RST, PSH, ACK, URG, ECE = 1, 2, 4, 8, 16, 32, 64
OPTIONS6 = 60  # destination options (RFC 8200 4.6)
FRAGMENT6 = 44
MSS = 1460
VXLAN = 4789
OTHERS = {"igmp": 2, "gre": 47, "esp": 50, "ah": 51, "ospf": 89, "pim": 103, "vrrp": 112, "sctp": 132}
NAMES = {ICMP: "icmp", TCP: "tcp", UDP: "udp", ICMP6: "icmp6", **{n: name for name, n in OTHERS.items()}}
ND = range(130, 144)  # multicast listeners and neighbours: the hosts' kernels speak these
ERRORS4, ERRORS6 = (3, 4, 5, 11, 12), (1, 2, 3, 4)


def is6(address):
    return ":" in address


def mac(data):
    return data.hex(":")


@functools.cache
def packed(address):
    return ipaddress.ip_address(address).packed


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def pseudo(src, dst, protocol, length):
    if len(src) == 16:
        return src + dst + struct.pack("!II", length, protocol)
    return src + dst + struct.pack("!BBH", 0, protocol, length)


def transport(src, dst, protocol, head, at, payload):
    """head with the checksum at offset AT filled in, and the payload."""
    whole = head + payload
    if protocol == ICMP:
        total = checksum(whole)
    else:
        total = checksum(pseudo(src, dst, protocol, len(whole)) + whole)
    if protocol == UDP and not total:
        total = 0xffff
    return whole[:at] + struct.pack("!H", total) + whole[at + 2:]


def tcp(src, dst, sport, dport, flags, seq, ack, payload=b""):
    options = struct.pack("!BBH", 2, 4, MSS) if flags & SYN else b""
    head = struct.pack("!HHIIBBHHH", sport, dport, seq & 0xffffffff, ack & 0xffffffff, 5 + len(options) // 4 << 4, flags, 65000, 0, 0) + options
    return transport(packed(src), packed(dst), TCP, head, 16, payload)


def udp(src, dst, sport, dport, payload=b""):
    return transport(packed(src), packed(dst), UDP, struct.pack("!HHHH", sport, dport, 8 + len(payload), 0), 6, payload)


def icmp(src, dst, kind, code, rest, payload=b""):
    return transport(packed(src), packed(dst), ICMP6 if is6(src) else ICMP, struct.pack("!BBHI", kind, code, 0, rest), 2, payload)


def ip(src, dst, protocol, number, body, ttl=64, offset=0, more=False, dont=True, tos=0):
    if is6(src):
        return struct.pack("!IHBB", 6 << 28 | tos << 20 | number, len(body), protocol, ttl) + packed(src) + packed(dst) + body
    where = offset // 8 | (0x2000 if more else 0) | (0x4000 if dont and not more and not offset else 0)
    head = struct.pack("!BBHHHBBH", 0x45, tos, 20 + len(body), number, where, ttl, protocol, 0) + packed(src) + packed(dst)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body


def with_options(packet):
    """The packet with four bytes that do nothing: options of IPv4, an extension header of IPv6."""
    if packet[0] >> 4 == 6:
        length, = struct.unpack("!H", packet[4:6])
        return packet[:4] + struct.pack("!HB", length + 8, OPTIONS6) + packet[7:40] + bytes([packet[6], 0, 1, 4, 0, 0, 0, 0]) + packet[40:]
    length, = struct.unpack("!H", packet[2:4])
    head = b"\x46" + packet[1:2] + struct.pack("!H", length + 4) + packet[4:10] + b"\0\0" + packet[12:20] + b"\1\1\1\0"
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + packet[20:]


def pieces6(packet, cut, number):
    """Two fragments of an IPv6 packet (RFC 8200 4.5)."""
    body = packet[40:]
    for at, part, more in ((0, body[:cut], 1), (cut, body[cut:], 0)):
        head = struct.pack("!BBHI", packet[6], 0, at | more, number)
        yield packet[:4] + struct.pack("!HB", len(part) + 8, FRAGMENT6) + packet[7:40] + head + part


def marked(packet, tos):
    """The packet with another TOS or traffic class."""
    if packet[0] >> 4 == 6:
        word, = struct.unpack("!I", packet[:4])
        return struct.pack("!I", word & ~(0xff << 20) | tos << 20) + packet[4:]
    head = packet[:1] + bytes([tos]) + packet[2:10] + b"\0\0" + packet[12:20]
    return head[:10] + struct.pack("!H", checksum(head)) + packet[12:20] + packet[20:]


def without_checksum(packet):
    """UDP over IPv4 whose checksum is 0: there is none (RFC 768)."""
    return packet[:26] + b"\0\0" + packet[28:]


def frame(to, source, packet):
    return to + source + (b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\x00") + packet


def layers(packet):
    """(version, number, protocol, ttl, class, src, dst, offset, more, body) or None."""
    try:
        if packet[0] >> 4 == 4:
            size = (packet[0] & 15) * 4
            _, tos, length, number, where, ttl, protocol = struct.unpack("!BBHHHBB", packet[:10])
            src, dst = socket.inet_ntop(socket.AF_INET, packet[12:16]), socket.inet_ntop(socket.AF_INET, packet[16:20])
            return 4, number, protocol, ttl, tos, src, dst, (where & 0x1fff) * 8, bool(where & 0x2000), packet[size:length]
        if packet[0] >> 4 == 6:
            word, length, protocol, ttl = struct.unpack("!IHBB", packet[:8])
            src, dst = socket.inet_ntop(socket.AF_INET6, packet[8:24]), socket.inet_ntop(socket.AF_INET6, packet[24:40])
            body = packet[40:40 + length]
            if protocol == OPTIONS6:
                protocol, body = body[0], body[8 + body[1] * 8:]
            if protocol == FRAGMENT6:
                protocol, where = body[0], struct.unpack("!H", body[2:4])[0]
                return 6, word & 0xfffff, protocol, ttl, word >> 20 & 0xff, src, dst, where & ~7, bool(where & 1), body[8:]
            return 6, word & 0xfffff, protocol, ttl, word >> 20 & 0xff, src, dst, 0, False, body
    except (struct.error, IndexError, ValueError):
        pass
    return None


def sums_hold(version, protocol, src, dst, packet, body):
    if version == 4 and checksum(packet[:(packet[0] & 15) * 4]):
        return False
    if protocol == ICMP:
        return not checksum(body)
    if protocol not in (TCP, UDP, ICMP6):
        return True
    if protocol == UDP and body[6:8] == b"\0\0":
        return version == 4
    return not checksum(pseudo(packed(src), packed(dst), protocol, len(body)) + body)


class Seen:
    """What a host saw of one packet. number: the script's; None: the router made it."""

    def __init__(self, number, protocol, src, dst, sport, dport, text, seq=0, payload=b"", raw=b""):
        self.number, self.protocol, self.src, self.dst, self.sport, self.dport = number, protocol, src, dst, sport, dport
        self.text, self.seq, self.payload, self.raw = text, seq, payload, raw


def port(number, sport):
    return f":{number}" if sport is not None else ""


def seen(packet, numbers):
    """Seen of an IP packet, or None for what the hosts' kernels and neighbours say among themselves."""
    found = layers(packet)
    if not found:
        return None
    version, number, protocol, ttl, tos, src, dst, offset, more, body = found
    if protocol not in NAMES or protocol == ICMP6 and body and body[0] in ND:
        return None
    sport = dport = None
    seq, payload, extra, ours = 0, body, "", number in numbers
    whole = not offset and not more
    if protocol in OTHERS.values() and not ours:
        return None
    if whole and protocol == TCP and len(body) >= 20:
        sport, dport, seq, ack, size, flags = struct.unpack("!HHIIBB", body[:14])
        payload = body[(size >> 4) * 4:]
        ours = ours and flags & ~RST or number in numbers
        extra = f"{''.join(n for b, n in zip((2, 16, 8, 1, 4, 32, 64), 'SAPFRUE') if flags & b)} seq {seq} ack {ack} {body[20:(size >> 4) * 4].hex()}"
    elif whole and protocol == UDP and len(body) >= 8:
        sport, dport = struct.unpack("!HH", body[:4])
        payload = body[8:]
        if dport == VXLAN:  # packets of the router itself in there have random numbers
            inner = seen(payload[8 + 14:], numbers)
            return inner and Seen(None, protocol, src, dst, None, None, f"vxlan {src} > {dst} of {inner.text}")
    elif whole and protocol in (ICMP, ICMP6) and len(body) >= 8:
        kind, code, _, rest = struct.unpack("!BBHI", body[:8])
        payload = body[8:]
        extra = f"{kind}/{code} {rest:#x}"
        if kind in (8, 128) and not ours:
            return None  # a ping of the router's own: that is how it is made to know its neighbours
        if kind in (ERRORS4 if protocol == ICMP else ERRORS6):
            inner = layers(payload)
            about = f"{inner[1]} {inner[5]} > {inner[6]} {inner[9][:4].hex()}" if inner else "?"
            text = f"{NAMES[protocol]} {extra} {src} > {dst} about {about}"
            return Seen(number if ours else None, protocol, src, dst, None, None, text, raw=packet)
    elif not whole:
        extra = f"fragment {offset}{'+' if more else ''}"
        if not offset and protocol in (TCP, UDP) and len(body) >= 20:  # a port may be a translation's, by chance
            sport, dport = struct.unpack("!HH", body[:4])
            payload = body[20 if protocol == TCP else 8:]
    between = packet[20:(packet[0] & 15) * 4] if version == 4 else packet[40:48 + packet[41] * 8] if packet[6] == OPTIONS6 else b""
    extra += f" options {between.hex()}" if between else ""
    good = "" if not whole or not ours or sums_hold(version, protocol, src, dst, packet, body) else " BAD CHECKSUM"
    text = (f"{NAMES[protocol]} {src}{port(sport, sport)} > {dst}{port(dport, dport)} {extra} ttl {ttl} tos {tos:#x} "
            f"{len(payload)} bytes {zlib.crc32(payload):08x}{good}")
    return Seen(number if ours else None, protocol, src, dst, sport, dport, text, seq, payload, packet)


def arp_request(mac, mine, address):
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac + packed(mine) + b"\0" * 6 + packed(address)
    return b"\xff" * 6 + mac + b"\x08\x06" + body


def solicitation(mac, mine, address):
    """A neighbour solicitation (RFC 4861 4.3) for ADDRESS with the address of the host that asks."""
    to = packed("ff02::1:ff00:0")[:13] + packed(address)[13:]
    head = struct.pack("!BBHI", 135, 0, 0, 0) + packed(address) + b"\1\1" + mac
    body = transport(packed(mine), to, ICMP6, head, 2, b"")
    return frame(b"\x33\x33" + to[12:], mac, struct.pack("!IHBB", 6 << 28, len(body), ICMP6, 255) + packed(mine) + to + body)
