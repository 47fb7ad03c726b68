"""Many conversations at once that go on while policies change, for tests of what a change does to them.

  running.py serve ADDRESS,… PORT,…   UDP and TCP on each; every answer reports who got the question, from which address, and
                                      its number. TCP answers, and those from port 5040, also come unasked, as
                                      from a server that streams.
  running.py talk PATH                table from standard input: {name: [protocol, host, port]}; each asks every
                                      20 ms; the answers are in PATH, made anew 50 times a second
"""
import json
import os
import select
import socket
import sys
import threading
import time


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def stream(c, line, lock):
    try:
        while True:
            time.sleep(0.01)  # the point: it sends without being asked
            with lock:
                c.sendall(f"{line} -\n".encode())
    except OSError:
        pass


def serve_one(c, peer):
    own = c.getsockname()
    line = f"{own[0]} {own[1]} {peer[0]}"
    lock = threading.Lock()
    threading.Thread(target=stream, args=(c, line, lock), daemon=True).start()
    try:
        for number in c.makefile("r"):
            with lock:
                c.sendall(f"{line} {number.strip()}\n".encode())
    except OSError:
        pass
    c.close()


def accept(listener):
    while True:
        threading.Thread(target=serve_one, args=listener.accept(), daemon=True).start()


def stream_plain(u, peers):
    own = u.getsockname()
    while True:
        time.sleep(0.001)  # the point: it sends without being asked, and more often than it is
        for peer in list(peers):
            try:
                u.sendto(f"{own[0]} {own[1]} {peer[0]} -\n".encode(), peer)
            except OSError:
                pass  # an ICMP error about an earlier answer


def serve(addresses, ports):
    plain, peers = {}, {}
    for address in addresses:
        for port in ports:
            u = socket.socket(family_of(address), socket.SOCK_DGRAM)
            u.bind((address, port))
            plain[u.fileno()] = u
            if port == 5040:
                peers[u.fileno()] = set()
                threading.Thread(target=stream_plain, args=(u, peers[u.fileno()]), daemon=True).start()
            t = socket.socket(family_of(address), socket.SOCK_STREAM)
            t.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            t.bind((address, port))
            t.listen(64)
            threading.Thread(target=accept, args=(t,), daemon=True).start()
    print("ready", flush=True)
    while True:
        for fd in select.select(list(plain), [], [])[0]:
            u = plain[fd]
            try:
                data, peer = u.recvfrom(2000)
                peers.get(fd, set()).add(peer)
                own = u.getsockname()
                u.sendto(f"{own[0]} {own[1]} {peer[0]} {data.decode().strip()}\n".encode(), peer)
            except OSError:
                pass  # an ICMP error about an earlier answer


class Conversation:
    def __init__(self, protocol, host, port):
        self.udp = protocol == "udp"
        self.sent = self.got = self.gaps = self.last = 0
        self.at, self.shown, self.error, self.rest = 0.0, "", "", ""
        self.s = socket.socket(family_of(host), socket.SOCK_DGRAM if self.udp else socket.SOCK_STREAM)
        self.s.settimeout(5)
        self.s.connect((host, port))
        self.s.setblocking(False)

    def ask(self):
        if self.error:
            return
        try:
            self.s.send(f"{self.sent + 1}\n".encode())
            self.sent += 1
        except BlockingIOError:
            pass
        except OSError as e:
            self.failed(e)

    def failed(self, e):
        if not self.udp:  # a datagram may be refused now and get an answer later
            self.error = e.strerror or str(e)

    def read(self):
        try:
            data = self.s.recv(65536).decode()
        except BlockingIOError:
            return
        except OSError as e:
            self.failed(e)
            return
        if not data:
            self.error = "closed" if not self.udp else ""
            return
        *lines, self.rest = (self.rest + data).split("\n")
        for line in lines:
            self.shown, _, number = line.rpartition(" ")
            self.at = time.monotonic()
            if number == "-":
                continue
            self.got += 1
            self.gaps += int(number) - self.last - 1
            self.last = int(number)


def talk(path):
    table = {name: Conversation(*row) for name, row in json.load(sys.stdin).items()}
    while True:
        for c in table.values():
            c.ask()
        end = time.monotonic() + 0.02
        while (left := end - time.monotonic()) > 0:
            alive = {c.s: c for c in table.values() if not c.error}
            for s in select.select(list(alive), [], [], left)[0]:
                alive[s].read()
        with open(path + ".new", "w") as f:
            json.dump({name: {"at": c.at, "got": c.got, "shown": c.shown, "gaps": c.gaps, "error": c.error}
                       for name, c in table.items()}, f)
        os.rename(path + ".new", path)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2].split(","), [int(p) for p in sys.argv[3].split(",")])
    else:
        talk(sys.argv[2])
