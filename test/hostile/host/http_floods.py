"""Floods by clients of the HTTP API: a process that runs until it is ended (SIGTERM) and then prints its number of
answers by status. Before: "begun" with the connections, "answered" with the first answer.

    http_floods.py KIND CONNECTIONS TOKEN"""
import json
import re
import select
import signal
import socket
import struct
import sys
import time

HOST = b"Host: localhost\r\n"
PORT = ("127.0.0.1", 8080)
BODY = b'{"greeting":"' + b"x" * 190000 + b'"}'


def requests(who):
    """Requests that are sent again and again on a connection, whether the answers came or not."""
    def get(path, *more):
        return b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"".join(more) + b"\r\n"
    put = b"PUT /api/v1/config/candidates/mine/acme-probe HTTP/1.1\r\n" + HOST + who + b"Content-Type: application/json\r\n"
    return {
        "healthz": get(b"/healthz"), "unknown paths": get(b"/x"), "heads of 25 KB": get(b"/x", b"a:\r\n" * 5000),
        "cookies": get(b"/x", b"Cookie: " + b"a=;" * 6000 + b"\r\n"), "queries": get(b"/x?" + b"a&" * 9000), "long paths": get(b"/" + b"x" * 30000),
        "login attempts": get(b"/api/v1/whoami", b"Authorization: Bearer orb_" + b"A" * 43 + b"\r\n"),
        "whoami": get(b"/api/v1/whoami", who), "services": get(b"/api/v1/services", who), "the logs": get(b"/api/v1/logs?limit=1000", who),
        "the schema": get(b"/api/v1/schema", who), "the metrics": get(b"/metrics", who), "the history": get(b"/api/v1/config/history", who),
        "bodies without a token": b"POST /api/v1/config/discard HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\nContent-Length: 500000\r\n\r\n" + b" " * 500000,
        "large bodies": put + f"Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY,
        "bodies of one byte a chunk": put + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 50000 + b"2\r\n{}\r\n0\r\n\r\n",
        "not HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 this is TLS\r\n\r\n",
    }


class Flood:
    def __init__(self, kind, count, token):
        self.kind, self.count, self.ending = kind, count, False
        who = b"Authorization: Bearer " + token.encode() + b"\r\n"
        self.data = requests(who).get(kind, b"")
        self.data *= max(1, 200000 // max(1, len(self.data)))
        self.at, self.answers, self.opened, self.told = {}, {}, 0, False
        signal.signal(signal.SIGTERM, self.on_end)

    def on_end(self, *_):
        self.ending = True

    def connect(self):
        s = socket.socket()
        s.settimeout(5)
        s.connect(PORT)
        s.setblocking(False)
        self.at[s] = 0
        self.opened += 1
        return s

    def begun(self):
        """Reports once that the connections are open, or that no more can be opened."""
        if not self.told:
            self.told = True
            print("begun", flush=True)

    def drop(self, s):
        self.at.pop(s, None)
        s.close()

    def fill(self):
        while len(self.at) < self.count and not self.ending:
            try:
                self.connect()
            except OSError:
                break
        self.begun()

    def read(self, s):
        try:
            data = s.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        for status in re.findall(rb"HTTP/1.1 (\d{3})", data):
            if not self.answers:
                print("answered", flush=True)
            self.answers[status.decode()] = self.answers.get(status.decode(), 0) + 1
        if not data:
            self.drop(s)

    def write(self, s):
        try:
            self.at[s] = (self.at[s] + s.send(self.data[self.at[s]:self.at[s] + 131072])) % len(self.data)
        except BlockingIOError:
            pass
        except OSError:
            self.drop(s)

    def pipelined(self, reads=True):
        while not self.ending:
            self.fill()
            readable, writable, _ = select.select(list(self.at) if reads else [], list(self.at), [], 0.1)
            for s in writable:
                self.write(s)
            for s in readable:
                if s in self.at:
                    self.read(s)
            if not reads:
                time.sleep(0.01)

    def slow_heads(self):
        """A byte now and then, and a new connection for each that is cut off."""
        while not self.ending:
            self.fill()
            for s in list(self.at):
                try:
                    s.send(b"GET /healthz HTTP/1.1\r\nX: "[self.at[s]:self.at[s] + 1] or b"x")
                    self.at[s] += 1
                except OSError:
                    self.drop(s)
                else:
                    self.read(s)
            time.sleep(0.02)

    def silent(self):
        while not self.ending:
            self.fill()
            for s in select.select(list(self.at), [], [], 0.02)[0]:
                self.read(s)

    def come_and_go(self, reset):
        """As many connections as possible, each with a request or none, and closed."""
        n = 0
        while not self.ending:
            n += 1
            try:
                s = self.connect()
                self.begun()
                s.setblocking(True)
                if n % 2:
                    s.sendall(b"GET /x HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
                if n % 8 == 1:
                    self.read(s)
                if reset and s in self.at:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            except OSError:
                pass
            for s in list(self.at):
                self.drop(s)

    def run(self):
        ways = {"slow heads": self.slow_heads, "silent connections": self.silent, "connections that come and go": lambda: self.come_and_go(False),
                "connections that are reset": lambda: self.come_and_go(True)}
        if self.kind in ways:
            ways[self.kind]()
        elif self.kind.endswith(", unread"):
            self.data = requests(b"")["healthz"] * 1000 if self.kind.startswith("healthz") else self.data
            self.pipelined(reads=False)
        else:
            self.pipelined()
        print(json.dumps({"answers": self.answers, "opened": self.opened}), flush=True)


if __name__ == "__main__":
    Flood(sys.argv[1], int(sys.argv[2]), sys.argv[3]).run()
