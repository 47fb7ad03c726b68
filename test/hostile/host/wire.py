"""Frames over the control socket, for clients that measure and clients that misbehave."""
import json
import socket
import struct
import threading
import time

HELLO, WELCOME, OPEN, OPENED, REQ, REP, ERR, CANCEL, SUB, UNSUB, PUB, EVENT, GAP, PING, PONG, READY, LOG, METRIC, STOP = range(1, 20)
HEAD = struct.Struct("<IHBBIIII")


def frame(type, envelope=b"", payload=b"", corr=0, route=0, src=0, flags=0, deadline=0):
    envelope = envelope if isinstance(envelope, bytes) else json.dumps(envelope).encode()
    payload = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return HEAD.pack(len(envelope) + len(payload), len(envelope), type, flags, route, corr, src, deadline) + envelope + payload


class Closed(Exception):
    pass


class Refused(Exception):
    def __init__(self, err):
        super().__init__(f"{err.get('code')}: {err.get('text')}")
        self.code = err.get("code")


class Client:
    def __init__(self, path, hello=True, timeout=30):
        self.s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.s.settimeout(timeout)
        self.s.connect(path)
        self.buf = b""
        self.corr = 0
        if hello:
            self.greet()

    def greet(self):
        self.s.sendall(frame(HELLO, {"abi": 1, "name": "test"}))
        self.welcome = self.until(WELCOME)

    def close(self):
        self.s.close()

    def send(self, data):
        self.s.sendall(data)

    def take(self, n):
        while len(self.buf) < n:
            try:
                more = self.s.recv(1 << 18)
            except ConnectionError as e:
                raise Closed(str(e)) from None
            if not more:
                raise Closed("end of file")
            self.buf += more
        out, self.buf = self.buf[:n], self.buf[n:]
        return out

    def next(self):
        """(type, corr, envelope, payload)"""
        length, envlen, type, _, route, corr, _, _ = HEAD.unpack(self.take(24))
        body = self.take(length)
        env = json.loads(body[:envlen]) if envlen else {}
        return type, corr, env, body[envlen:]

    def until(self, type):
        while True:
            got = self.next()
            if got[0] == type:
                return json.loads(got[3] or b"{}")
            if got[0] == ERR and got[1] == 0:
                raise Refused(got[2]["err"])

    def call(self, to, method, given=None):
        self.corr += 1
        self.send(frame(REQ, {"to": to, "method": method}, given or {}, corr=self.corr))
        while True:
            type, corr, env, payload = self.next()
            if type == ERR and corr in (0, self.corr):
                raise Refused(env["err"])
            if type == REP and corr == self.corr:
                return json.loads(payload or b"{}")


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * q))] if values else 0.0


class Control(threading.Thread):
    """The positive control: calls the host and a well-behaved package all the time, and records the durations.
    A wrong or missing answer is an error that no attack may cause."""
    PACE_S = 0.008  # how long an answer takes is told as well by a hundred a second, which cost the machine less

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.lock = path, threading.Lock()
        self.times, self.errors, self.count, self.ending = [], [], 0, False

    def run(self):
        client, n = None, 0
        while not self.ending:
            begin = time.monotonic()
            try:
                client = client or Client(self.path)
                n += 1
                if n % 2:
                    good = client.call("host@1", "boot")["phase"] == "operational"
                else:
                    text = f"control {n}"
                    good = client.call("acme-probe@1", "echo", {"text": text}) == {"text": text}
                if not good:
                    self.errors.append(f"a wrong answer to request {n}")
            except (Refused, Closed, OSError, ValueError) as e:
                if not self.ending:
                    self.errors.append(f"{type(e).__name__}: {e}")
                client = None
                time.sleep(0.05)
            with self.lock:
                self.times.append(time.monotonic() - begin)
                self.count += 1
            time.sleep(self.PACE_S)

    def take(self):
        """Latencies and errors since the last time."""
        with self.lock:
            times, errors = self.times, self.errors
            self.times, self.errors = [], []
        return times, errors
