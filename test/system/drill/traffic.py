#!/usr/bin/env python3
"""One host beside the appliance: sends what it should and should not, and counts what arrives.

    traffic.py ROLE      ROLE: office, inet or listener

Each line on standard input is answered by one line of counters (JSON). Ends with end of file."""
import json
import select
import socket
import struct
import sys
import time

ETH_ALL = 3
EVERY_S = 0.002  # between two rounds of probes
OFFICE, OFFICE6 = "10.1.0.2", "2001:db8:1::2"
INET, INET6, SERVER = "192.0.2.1", "2001:db8:2::1", "198.51.100.10"
WAN, WAN6 = "192.0.2.2", "2001:db8:2::2"
SERVICE, REFUSED, FLOW = 22, 9, 9000


def datagrams(source, port):
    s = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((source, port))
    s.setblocking(False)
    return s


def send(s, to, port):
    """What the kernel does not take (no route yet) is simply not sent."""
    try:
        s.sendto(b"probe", (to, port))
    except OSError:
        pass


def headers(frame):
    """(source, destination, protocol, payload) of an IP packet in an Ethernet frame, or None."""
    kind = struct.unpack_from("!H", frame, 12)[0]
    ip = frame[14:]
    if kind == 0x0800 and len(ip) >= 20:
        return (socket.inet_ntoa(ip[12:16]), socket.inet_ntoa(ip[16:20]), ip[9], ip[(ip[0] & 15) * 4:])
    if kind == 0x86DD and len(ip) >= 40:
        return (socket.inet_ntop(socket.AF_INET6, ip[8:24]), socket.inet_ntop(socket.AF_INET6, ip[24:40]),
                ip[6], ip[40:])
    return None


def port_of(payload):
    return struct.unpack_from("!H", payload, 2)[0] if len(payload) >= 4 else -1


class Office:
    """A client of the LAN: its flow to the server is allowed and must leave translated."""

    def __init__(self):
        self.flow = datagrams(OFFICE, 40000)
        self.count = {"sent": 0, "answered": 0, "leaked_in": 0}

    def probe(self):
        self.count["sent"] += 1
        send(self.flow, SERVER, FLOW)

    def seen(self, source, to, protocol, payload):
        if to in (OFFICE, OFFICE6) and protocol == 17 and port_of(payload) == REFUSED:
            self.count["leaked_in"] += 1
        elif to == OFFICE and protocol == 17 and source == SERVER:
            self.count["answered"] += 1


class Inet:
    """The other side of the WAN: sends what the configuration refuses, and answers the flow."""

    def __init__(self):
        self.out = datagrams(INET, 40001)
        self.out6 = datagrams(INET6, 40001)
        self.server = datagrams(SERVER, FLOW)
        self.calls = []
        self.count = {"sent": 0, "untranslated": 0, "translated": 0, "input_answered": 0}

    def probe(self):
        self.count["sent"] += 1
        for s, to in ((self.out, OFFICE), (self.out, WAN), (self.out6, OFFICE6), (self.out6, WAN6)):
            send(s, to, REFUSED)
        self.call()

    def call(self):
        """One TCP call of the appliance's own port; the eight youngest are kept open."""
        s = socket.socket()
        s.setblocking(False)
        s.bind((INET, 0))
        s.connect_ex((WAN, SERVICE))
        self.calls.append(s)
        if len(self.calls) > 8:
            self.calls.pop(0).close()

    def seen(self, source, to, protocol, payload):
        if protocol == 17 and port_of(payload) == FLOW:
            self.count["translated" if source == WAN else "untranslated"] += 1
            self.answer()
        elif source in (WAN, WAN6) and (protocol == 6 or self.unreachable(protocol, payload)):
            self.count["input_answered"] += 1

    @staticmethod
    def unreachable(protocol, payload):
        return (protocol, payload[:1]) in ((1, b"\x03"), (58, b"\x01"))

    def answer(self):
        try:
            data, peer = self.server.recvfrom(2048)
            self.server.sendto(data, peer)
        except OSError:
            pass


class Listener:
    """A service of the appliance itself that may not be reached from outside."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("0.0.0.0", SERVICE))
        self.socket.listen(64)
        self.count = {"accepted": 0}


def serve_listener(host):
    while True:
        for s in select.select([host.socket, sys.stdin], [], [])[0]:
            if s is sys.stdin:
                if not sys.stdin.readline():
                    return
                print(json.dumps(host.count), flush=True)
            else:
                host.socket.accept()[0].close()
                host.count["accepted"] += 1


def serve(host):
    sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_ALL))
    sniffer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    sniffer.bind(("eth0", ETH_ALL))
    due = time.monotonic()
    while True:
        ready = select.select([sniffer, sys.stdin], [], [], max(0, due - time.monotonic()))[0]
        if sniffer in ready:
            frame, where = sniffer.recvfrom(2048)
            packet = headers(frame)
            if packet and where[2] != socket.PACKET_OUTGOING:
                host.seen(*packet)
        if sys.stdin in ready:
            if not sys.stdin.readline():
                return
            print(json.dumps(host.count), flush=True)
        if time.monotonic() >= due:
            host.probe()
            due = time.monotonic() + EVERY_S


role = {"office": Office, "inet": Inet, "listener": Listener}[sys.argv[1]]()
if isinstance(role, Listener):
    serve_listener(role)
else:
    serve(role)
