"""Entries of conntrack, made and asked by netlink inside a namespace: for connections that cannot be made by sending.

  entries.py         a list from standard input, each {"tuple": [source, destination, source port, port], "mark":
                     number, "master": tuple or null, "make": true or false}; prints the marks they have, null where there is none
"""
import json
import socket
import struct
import sys

NEW, GET, REQUEST, ACK, CREATE = 0x100, 0x101, 1, 4, 0x400
ORIGINAL, REPLY, STATUS, PROTOCOL, TIMEOUT, MARK, MASTER = 1, 2, 3, 4, 7, 8, 14


def attribute(kind, data):
    return struct.pack("=HH", len(data) + 4, kind) + data + b"\0" * (-len(data) % 4)


def nest(kind, *inside):
    return attribute(kind | 0x8000, b"".join(inside))


def end(kind, source, destination, sport, dport):
    return nest(kind, nest(1, attribute(1, socket.inet_aton(source)), attribute(2, socket.inet_aton(destination))),
                nest(2, attribute(1, bytes([socket.IPPROTO_TCP])), attribute(2, struct.pack("!H", sport)),
                     attribute(3, struct.pack("!H", dport))))


def word(kind, value):
    return attribute(kind, struct.pack("!I", value))


def ask(s, kind, flags, body):
    body = struct.pack("=BBH", socket.AF_INET, 0, 0) + body
    s.send(struct.pack("=IHHII", 16 + len(body), kind, REQUEST | flags, 1, 0) + body)
    return s.recv(65536)


def make(s, entry):
    a, b, sport, dport = entry["tuple"]
    body = end(ORIGINAL, a, b, sport, dport) + end(REPLY, b, a, dport, sport)
    body += word(TIMEOUT, 3600) + word(MARK, entry["mark"])
    body += word(STATUS, 2 | 4 | 8 | 0x180)  # answered, assured, confirmed, no translation to come
    body += nest(PROTOCOL, nest(1, attribute(1, bytes([3]))))  # established
    if entry["master"]:
        body += end(MASTER, *entry["master"])
    answer = ask(s, NEW, ACK | CREATE, body)
    if number := struct.unpack_from("=i", answer, 16)[0]:
        raise OSError(-number, f"making {entry}")


def mark_of(s, entry):
    answer, at = ask(s, GET, 0, end(ORIGINAL, *entry["tuple"])), 20
    if struct.unpack_from("=H", answer, 4)[0] == 2:  # an error: there is none
        return None
    while at < struct.unpack_from("=I", answer)[0]:
        size, kind = struct.unpack_from("=HH", answer, at)
        if kind & 0x3fff == MARK:
            return struct.unpack_from("!I", answer, at + 4)[0]
        at += (size + 3) & ~3
    return None


with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as netlink:  # NETLINK_NETFILTER
    entries = json.load(sys.stdin)
    for e in entries:
        if e["make"]:
            make(netlink, e)
    print(json.dumps([mark_of(netlink, e) for e in entries]))
