"""Makes every UDP conversation of this namespace that was answered a stream to conntrack, which takes two seconds of
talking otherwise. Prints how many there were.

  assured.py [SECONDS]   waits that long, at most, until there is one
  assured.there(NAMESPACE, SECONDS)   the same in a namespace of `ip netns`, without a process"""
import socket
import struct
import sys
import time

import netspace

NEW, GET, REQUEST, ACK, DUMP, DONE, ERROR = 0x100, 0x101, 1, 4, 0x300, 3, 2
ORIGINAL, STATUS, TUPLE_PROTOCOL, ANSWERED, ASSURED = 1, 3, 2, 2, 4


def attributes(data):
    at = 0
    while at + 4 <= len(data):
        size, kind = struct.unpack_from("=HH", data, at)
        yield kind & 0x3fff, data[at + 4:at + size]
        at += (size + 3) & ~3


def messages(s):
    while True:
        data, at = s.recv(1 << 20), 0
        while at < len(data):
            size, kind = struct.unpack_from("=IH", data, at)
            if kind == DONE:
                return
            yield kind, data[at + 16:at + size]
            at += (size + 3) & ~3


def ask(s, kind, flags, family, body):
    body = struct.pack("=BBH", family, 0, 0) + body
    s.send(struct.pack("=IHHII", 16 + len(body), kind, REQUEST | flags, 1, 0) + body)


def assure(s):
    ask(s, GET, DUMP, socket.AF_UNSPEC, b"")
    found = []
    for kind, body in messages(s):
        if kind == ERROR:
            raise OSError(-struct.unpack_from("=i", body)[0], "reading conntrack")
        shown = dict(attributes(body[4:]))
        protocol = dict(attributes(dict(attributes(shown[ORIGINAL]))[TUPLE_PROTOCOL]))[1][0]
        status, = struct.unpack("!I", shown[STATUS])
        if protocol == socket.IPPROTO_UDP and status & ANSWERED:
            found.append((body[0], shown[ORIGINAL], status))
    for family, original, status in found:
        ask(s, NEW, ACK, family, struct.pack("=HH", len(original) + 4, ORIGINAL | 0x8000) + original +
            struct.pack("=HH", 8, STATUS) + struct.pack("!I", status | ASSURED))
        if number := struct.unpack_from("=i", s.recv(65536), 16)[0]:
            raise OSError(-number, "a stream of conntrack")
    return len(found)


def awaited(seconds):
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as netlink:  # NETLINK_NETFILTER
        deadline = time.monotonic() + seconds
        while not (count := assure(netlink)) and time.monotonic() < deadline:
            time.sleep(0.01)
        return count


def there(namespace, seconds=0):
    """This thread enters it and returns."""
    with netspace.entered(namespace):
        return awaited(seconds)


if __name__ == "__main__":
    print(awaited(float(sys.argv[1] if len(sys.argv) > 1 else 0)))
