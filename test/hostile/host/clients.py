"""Hostile clients of the control socket."""
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time

from appliance import Failed, expect, run  # noqa: E402
from lab import LONG_S, MEMORY_TIMES, attempt, chance, start, here  # noqa: E402
from wire import CANCEL, Client, Closed, EVENT, HELLO, LOG, PUB, READY, REP, REQ, STOP, frame  # noqa: E402

# ---- clients ----

def disconnected(watch, data, words, hello=True):
    c = Client(watch.sock, hello=hello)
    c.send(data)
    try:
        while True:
            type, corr, env, _ = c.next()
            if type == 7 and corr == 0:
                expect(re.search(words, env["err"]["text"]), f"told: {env}")
                break
            expect(type not in (REP,), f"answered with type {type}")
    except (Closed, ConnectionError) as e:
        raise Failed(f"closed without a word: {e}") from None
    c.close()
    watch.sound()


def asked(watch, data, code, hello=True):
    c = Client(watch.sock, hello=hello)
    c.send(data)
    type, _, env, _ = c.next()
    expect(type == 7 and env["err"]["code"] in code.split(), f"got type {type} {env}")
    c.close()
    watch.sound()


def crowd(watch, count, hello):
    """Connections that do nothing; a user must still get in."""
    crowd, refused = [], 0
    for _ in range(count):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.settimeout(20)
        try:
            s.connect(watch.sock)
            if hello == "half":
                s.sendall(frame(HELLO, {"abi": 1})[:13])
            crowd.append(s)
        except OSError:
            refused += 1
            s.close()
    begin = time.monotonic()
    try:
        done = watch.box.ctl("--json", "show", "boot", ok=False)
        took = time.monotonic() - begin
        expect(done.returncode == 0, f"orbctl: {done.stderr.strip()}")
        print(f"# with {len(crowd)} idle connections orbctl took {took * 1e3:.0f} ms")
        watch.sound()
    finally:
        for s in crowd:
            s.close()
    watch.box.until(5, lambda: watch.fds() < 200, "the descriptors are given back")


def killed_clients(watch):
    code = (f"import sys,time;sys.path.insert(0,{here!r});from wire import *;c=Client({watch.sock!r});"
            "[c.send(frame(REQ,{'to':'acme-probe@1','method':'slow'},{'ms':30000},corr=i)) for i in range(1,41)];"
            "print('sent',flush=True);time.sleep(60)")
    for _ in range(5):
        p = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        expect(p.stdout.readline() == b"sent\n", "the client did not start")
        p.kill()
        p.wait()
        p.stdout.close()
    c = Client(watch.sock)
    expect(c.call("acme-probe@1", "slow", {"ms": 1}) == {"ms": 1}, "a new client is refused")
    c.close()
    watch.sound()


def deaf_client(watch):
    c = Client(watch.sock)
    try:
        for i in range(20000):
            c.send(frame(REQ, {"to": "host@1", "method": "metrics"}, {}, corr=i + 1))
    except (OSError, Closed):
        pass
    watch.sound("client that never reads")
    expect(watch.memory_mb() < 200 * MEMORY_TIMES, f"the host has {watch.memory_mb()} MB")
    c.close()


def flooding_clients(watch):
    """Eight clients send as fast as they can for 3 s."""
    code = (f"import sys,time;sys.path.insert(0,{here!r});from wire import *;c=Client({watch.sock!r});c.s.setblocking(False);"
            "end=time.monotonic()+3;d=b''.join(frame(REQ,{'to':'host@1','method':'boot'},{},corr=i) for i in range(500))\n"
            "while time.monotonic()<end:\n"
            " try: c.s.send(d)\n"
            " except BlockingIOError: pass\n"
            " try: c.s.recv(1<<20)\n"
            " except BlockingIOError: time.sleep(0.0005)\n"
            " except OSError: break\n")
    procs = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL) for _ in range(8)]
    for p in procs:
        p.wait()
    watch.sound("8 flooding clients")


def many_connections(watch, count, hang_up):
    """A user with many connections sends requests as fast as it can; or all of them send, read no answer, and hang up at once."""
    code = (f"import os,sys,time;sys.path.insert(0,{here!r});from wire import *;cs=[Client({watch.sock!r}) for _ in range({count})];"
            "d=b''.join(frame(REQ,{'to':'host@1','method':'boot'},{},corr=i) for i in range(1,3000));at=[0]*len(cs);"
            f"[c.s.setblocking(False) for c in cs];end=time.monotonic()+{1 if hang_up else 3}\n"
            "while time.monotonic()<end:\n"
            " for i,c in enumerate(cs):\n"
            "  try: at[i]=(at[i]+c.s.send(d[at[i]:]))%len(d)\n"
            "  except BlockingIOError: pass\n"
            "  try: " + ("pass" if hang_up else "c.s.recv(1<<16)") + "\n"
            "  except BlockingIOError: pass\n"
            "print(sum(at),flush=True);os._exit(0)")
    done = run(sys.executable, "-c", code, check=False)
    expect(int(done.stdout or 0) > count * 1000, f"control: the connections are there and send: {done.stderr[-300:]}")
    watch.box.until(30, lambda: watch.fds() < 60, "all of them are closed")
    watch.sound(f"{count} connections of one user" + (" that hang up" if hang_up else ""))


def other_user(watch):
    code = f"import socket,os;os.setgid(65534);os.setuid(65534);s=socket.socket(socket.AF_UNIX);s.connect({watch.sock!r})"
    done = run(sys.executable, "-c", code, check=False)
    expect("PermissionError" in done.stderr, f"another user gets in: {done.stderr}")


def lingering(seconds):
    """A TCP socket whose close waits for what its peer never takes, and what keeps it so."""
    server, s = socket.socket(), socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(1)
    s.connect(server.getsockname())
    peer, _ = server.accept()
    s.setblocking(False)
    try:
        while True:
            s.send(b"x" * 65536)
    except BlockingIOError:
        pass
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, seconds))
    return s, (server, peer)


DESCRIPTORS = ("many", "behind half a frame", "lingering")


def descriptors(watch, how):
    """How many of 20 the kernel refused. Descriptors with a request: the host closes what it throws away, and that may take long."""
    kept, refused, fds = [], 0, watch.fds()
    for n in range(20):
        c = Client(watch.sock)
        if how == "lingering":
            s, more = lingering(3 * LONG_S)
            kept.append(more)
        else:
            s = open("/dev/null")
        data = frame(REQ, {"to": "host@1", "method": "version"}, {}, corr=1)
        if how == "behind half a frame":
            data = data[:-1]
        os.kill(watch.box.daemon.pid, signal.SIGSTOP)  # the last reference is the one in the queue
        try:
            socket.send_fds(c.s, [data], [s.fileno()] * (1 if how == "lingering" else 253))
        except OSError:
            refused += 1
            if how == "lingering":  # it is closed here, then
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0))
        s.close()
        os.kill(watch.box.daemon.pid, signal.SIGCONT)
        c.close()
    print(f"# descriptors, {how}: the kernel refused {refused} of 20")
    watch.sound(f"descriptors, {how}")
    watch.box.until(10, lambda: watch.fds() <= fds + 2, "they are all closed")
    c = Client(watch.sock)
    expect("version" in c.call("host@1", "version"), "control: a request without descriptors")
    c.close()
    return refused


def client_attempts(box, watch):
    big = b'{"to":"host@1","method":"boot","x":"' + b"a" * 250000 + b'"}'
    for label, data, words in (
            ("an envelope of 256 KiB", b"\xff\xff\x03\x00\xff\xff\x05\x00" + bytes(16), "envelope length"),
            ("a frame of 4 GiB", b"\xff\xff\xff\xff\x00\x00\x05\x00" + bytes(16), "over the limit"),
            ("a zero frame", bytes(24), "type 0"), ("noise", chance.randbytes(3) + b"\xfe" * 60, "frame"),
            ("a second HELLO", frame(HELLO, {"abi": 1}), "second HELLO"), ("READY of a client", frame(READY, {}, {"revision": 1}), "does not send READY"),
            ("LOG of a client", frame(LOG, b"", {"event": "x"}), "does not send LOG"), ("an answer of a client", frame(REP, b"", {}, corr=1), "does not send REP"),
            ("an event of a client", frame(EVENT, {"from": "config", "topic": "committed"}, {}), "does not send EVENT"),
            ("PUB of a client", frame(PUB, {"topic": "committed"}, {}), "does not send PUB"), ("STOP of a client", frame(STOP), "does not send STOP"),
            ("CANCEL of a client", frame(CANCEL, corr=1), "does not send CANCEL"),
            ("a forged sender", frame(REQ, {"to": "host@1", "method": "boot"}, {}, corr=1, src=1), "no session"),
            ("flags", frame(REQ, {"to": "host@1", "method": "boot"}, {}, corr=1, flags=1), "flags")):
        attempt(f"client: {label}", disconnected, watch, data, words)
    attempt("client: a request before HELLO", disconnected, watch, frame(REQ, {"to": "host@1", "method": "boot"}, {}, corr=1), "before HELLO", False)
    attempt("client: another abi", disconnected, watch, frame(HELLO, {"abi": 2}), "abi", False)
    attempt("client: HELLO without abi", disconnected, watch, frame(HELLO, {"name": "x"}), "abi", False)
    for label, data, code in (
            ("a payload of 250 kB of brackets", frame(REQ, {"to": "host@1", "method": "boot"}, b"[" * 250000, corr=1), "syntax limit"),
            ("broken UTF-8", frame(REQ, {"to": "host@1", "method": "boot"}, b'{"a":"\xff"}', corr=1), "syntax"),
            ("a key twice", frame(REQ, b'{"to":"host@1","to":"auth@1","method":"boot"}', {}, corr=1), "syntax"),
            ("a big unknown member", frame(REQ, {"to": "host@1", "method": "logs"}, big, corr=1), "schema"),
            ("a handle never opened", frame(REQ, b"", {}, corr=1, route=77), "invalid"),
            ("an internal method", frame(REQ, {"to": "host@1", "method": "schemas"}, {}, corr=1), "denied"),
            ("a login of a client", frame(REQ, {"to": "auth@1", "method": "login"}, {"token": "x"}, corr=1), "denied"),
            ("prepare of a client", frame(REQ, {"to": "service.acme-probe@1", "method": "prepare"}, {"tx": 1, "revision": 1, "patch": []}, corr=1), "denied"),
            ("the data plane of a client", frame(REQ, {"to": "dataplane@1", "method": "begin"}, {}, corr=1), "denied"),
            ("an interface of 100 bytes", frame(REQ, {"to": "x" * 100, "method": "boot"}, {}, corr=1), "invalid"),
            ("line breaks in a name", frame(REQ, {"to": "host@1", "method": "service"}, {"name": "a\nb\x1b[2J"}, corr=1), "not-found schema")):
        attempt(f"client: {label}", asked, watch, data, code)
    attempt("client: another user's uid", other_user, watch)
    attempt("client: 1000 silent connections", crowd, watch, 1000, None)
    attempt("client: 1000 half HELLOs", crowd, watch, 1000, "half")
    attempt("client: kill -9 in mid request", killed_clients, watch)
    attempt("client: never reads", deaf_client, watch)
    attempt("client: floods", flooding_clients, watch)
    for hang_up in (False, True):
        attempt(f"client: 90 connections{' that hang up at once' if hang_up else ''}", many_connections, watch, 90, hang_up)
    for how in DESCRIPTORS:
        attempt(f"client: descriptors, {how}", descriptors, watch, how)
