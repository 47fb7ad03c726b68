"""A client of the control socket: frames as in docs/ipc.md, one request at a time."""
import json
import socket
import struct

HEADER = struct.Struct("<IHBBIIII")  # len, envlen, type, flags, route, corr, src, deadline_ms
HELLO, WELCOME, REQ, REP, ERR, PROGRESS = 1, 2, 5, 6, 7, 24
DEADLINE_MS = 120000


class Refused(Exception):
    pass


class Wire:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(path)
        self.corr = 0
        self.send(HELLO, {"abi": 1, "name": "bench"}, b"")
        kind, envelope, _ = self.receive()
        if kind != WELCOME:
            raise Refused(f"no welcome: {envelope}")

    def close(self):
        self.socket.close()

    def send(self, kind, envelope, payload):
        text = json.dumps(envelope).encode()
        self.socket.sendall(HEADER.pack(len(text) + len(payload), len(text), kind, 0, 0, self.corr, 0,
                                        DEADLINE_MS if kind == REQ else 0) + text + payload)

    def exactly(self, count):
        data = bytearray()
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise Refused("the connection was closed")
            data += more
        return bytes(data)

    def receive(self):
        size, envlen, kind, *_ = HEADER.unpack(self.exactly(HEADER.size))
        body = self.exactly(size)
        return kind, body[:envlen], body[envlen:]

    def call(self, to, method, given):
        self.corr += 1
        self.send(REQ, {"to": to, "method": method}, json.dumps(given).encode())
        kind = PROGRESS
        while kind == PROGRESS:  # a long commit reports progress
            kind, envelope, payload = self.receive()
        if kind != REP:
            raise Refused(f"{to} {method}: {envelope.decode()}")
        return json.loads(payload or b"{}")
