"""test_api_clients.py BUILD - clients of the API that are slow, many, or send ambiguous requests."""
import contextlib
import os
import re
import select
import signal
import socket
import sys
import time

from lab import Appliance, Tap, receive

tap = Tap()
check = tap.check
HOST = b"Host: localhost\r\n"
CUT_MS = 10000  # for the first head


def raw(box, data, seconds=3):
    """What comes back until the end, and whether the end came."""
    s, out = box.connect(), b""
    s.settimeout(seconds)
    try:
        s.sendall(data)
        while piece := s.recv(65536):
            out += piece
        return out, True
    except TimeoutError:
        return out, False
    except ConnectionError:
        return out, True
    finally:
        s.close()


def framing(box, token):
    who = HOST + b"Authorization: Bearer " + token.encode() + b"\r\n"
    second = b"GET /api/v1/whoami HTTP/1.1\r\n" + who + b"Connection: close\r\n\r\n"
    post = b"POST /api/v1/config/discard HTTP/1.1\r\nContent-Type: application/json\r\n"
    get = b"GET /healthz HTTP/1.1\r\n"
    chunks = b"2\r\n{}\r\n0\r\n\r\n"
    out, ended = raw(box, post + who + b"Content-Length: 2\r\n\r\n{}" + second)
    check(ended and out.count(b"HTTP/1.1 200") == 2, "control: two plain requests, two answers", out)
    out, ended = raw(box, post + who + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + second)
    check(ended and out.count(b"HTTP/1.1 200") == 2, "control: chunks alone", out)
    for name, data in {
            "two lengths": post + who + b"Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}",
            "a length twice": post + who + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
            "length and chunks": post + who + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
            + chunks,
            "chunks and length": post + who + b"Transfer-Encoding: chunked\r\ncontent-length: 12\r\n\r\n"
            + chunks,
            "chunks twice": post + who + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n" + chunks,
            "another coding": post + who + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + chunks,
            "a coding with a blank": post + who + b"Transfer-Encoding: \x0bchunked\r\n\r\n" + chunks,
            "chunks in HTTP/1.0": post.replace(b"1.1", b"1.0") + who +
            b"Transfer-Encoding: chunked\r\n\r\n" + chunks,
            "a blank before the colon": get + HOST + b"Transfer-Encoding : chunked\r\n\r\n" + chunks,
            "two hosts": get + HOST + b"Host: evil.example\r\n\r\n",
            "no host": get + b"\r\n",
            "two tokens": b"GET /api/v1/whoami HTTP/1.1\r\n" + who + b"Authorization: Bearer x\r\n\r\n",
            "two types": post + who + b"Content-Length: 2\r\nContent-Type: text/plain\r\n\r\n{}",
            "a carriage return": get + HOST + b"X: a\rHost: b\r\n\r\n"}.items():
        out, ended = raw(box, data + second)
        check(ended and out.startswith(b"HTTP/1.1 400") and out.count(b"HTTP/1.1 ") == 1,
              f"{name}: one 400, and nothing more is read", out)


def slow(box):
    """A byte now and then does not keep a connection, and a slow client that ends is answered."""
    begun = time.monotonic()
    hung = [box.connect() for _ in range(8)]
    fair = box.connect()
    text = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
    for s in hung:
        s.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ")
    ended, shown = {}, []
    while len(ended) < len(hung) and time.monotonic() - begun < 120:
        for s in hung:
            if s in ended:
                continue
            try:
                s.sendall(b"x")
            except OSError:
                pass
        if text:
            fair.sendall(text[:8])
            text = text[8:]
        for s in select.select([s for s in hung if s not in ended], [], [], 0.5)[0]:
            try:
                shown.append(s.recv(4096))
            except OSError:
                shown.append(b"")
            ended[s] = time.monotonic() - begun
    check(len(ended) == len(hung), "clients that never end a head are cut off", len(ended))
    check(all(t * 1000 >= CUT_MS - 500 for t in ended.values()), "not before their time",
          sorted(ended.values()))
    check(any(t.startswith(b"HTTP/1.1 408") for t in shown), "with 408", shown)
    check(receive(fair).status == 200, "control: a slow head that ends in time is answered")
    [s.close() for s in hung + [fair]]


def many(box, token):
    """Connections without a token, many more than there are, beside a user's."""
    kept = box.connect()
    ask = b"GET /api/v1/whoami HTTP/1.1\r\n" + HOST + f"Authorization: Bearer {token}\r\n\r\n".encode()
    kept.sendall(ask)
    check(receive(kept).status == 200, "a user has a connection")
    crowd = []
    try:
        for i in range(400):
            crowd.append(box.connect())
            crowd[-1].sendall(b"GET /healthz HTTP/1.1\r\n")
            if i % 40 == 39:
                r = box.http("GET", "/api/v1/whoami", token)
                if r.status != 200:
                    break
        check(r.status == 200, "the same user gets in anew beside 400 that hold theirs", r)
        kept.sendall(ask)
        check(receive(kept).status == 200, "and keeps the connection it had")
        # A client that made room gets no answer; one that took too long for a header, however slow the machine, gets 408.
        lost = 0
        while not lost and len(crowd) < 700:
            for _ in range(150):
                crowd.append(box.connect())
            lost = sum(1 for s in select.select(crowd, [], [], 0)[0] if gone(s))
        check(lost, "those of the crowd made room, before their time was over", lost)
    finally:
        [s.close() for s in crowd + [kept]]
    status = box.ask("ipc", "call", "api", "status")
    check(status["cut-off"] >= lost, "status counts them", status)


def gone(s):
    try:
        return s.recv(4096, socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def memory_kib(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmData:\s+(\d+)", f.read())[1])


def refused_lines(box, token):
    """Requests whose line the library refuses leave nothing behind: 192 MiB would be full after some thousands."""
    pid = box.ask("service", "show", "api")["pid"]
    lines = {"a query of 15000 names": b"/x?" + b"a&" * 15000, "a path of 30 KB": b"/" + b"x" * 30000, "no end of a line": b"/x?" + b"a" * 40000}

    def hundred(target):
        for _ in range(100):
            s = box.connect()
            try:
                s.sendall(b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n")
            except ConnectionError:
                pass
            s.close()
        until = time.monotonic() + 120  # those that are not answered are cut off
        while box.ask("ipc", "call", "api", "status")["connections"] and time.monotonic() < until:
            time.sleep(0.05)
        check(box.http("GET", "/api/v1/whoami", token).status == 200, "control: another request is answered")
        return memory_kib(pid)

    for name, target in lines.items():
        before = hundred(target)  # as much as so many connections take at once
        grew = hundred(target) - before
        check(grew < 1024, f"{name}, 100 times: memory does not grow", f"{grew} KiB")


def unknown_tokens(box):
    """Refused logins, more than the log's memory holds, do not push out what was ordered before."""
    box.token("order-of-before", "viewer")
    for i in range(800):
        s = box.connect()
        s.sendall(b"GET /api/v1/whoami HTTP/1.1\r\n" + HOST + f"Authorization: Bearer orb_{i:043d}\r\n\r\n".encode())
        if receive(s).status != 401:
            check(False, "an invented token is refused")
            break
        s.close()
    audit = box.must("logs", "--audit")
    check(audit.count("audit.login-refused") >= 100, "control: refused logins are recorded", audit[-400:])
    check(audit.count("audit.login-refused") < 300, "but not all of them", audit.count("audit.login-refused"))
    check("order-of-before" in audit, "the order before them is still there", audit[:400])
    check("order-of-before" in open(box.dir + "/state/audit.jsonl").read(), "and is in a file of its own")
    check("orbital_log_not_recorded_total 0\n" not in box.must("metrics"), "what was not recorded is counted")


def burst(box, token):
    """More connections at once than the worker takes in a moment: no client's first packet is dropped, which the
    client would send again after a second."""
    pid = box.ask("service", "show", "api")["pid"]
    crowd, lost = [], 0
    os.kill(pid, signal.SIGSTOP)
    try:
        for _ in range(300):
            try:
                crowd.append(box.connect())
            except OSError:
                lost += 1
                break
    finally:
        with contextlib.suppress(ProcessLookupError):  # a connect that hung outlasted its pings
            os.kill(pid, signal.SIGCONT)
    check(not lost, "300 connections wait for a worker that is busy", len(crowd))
    [s.close() for s in crowd]
    check(box.http("GET", "/api/v1/whoami", token).status == 200, "control: another request is answered")


def large_bodies(box, token):
    """Who sends many large bodies at once is refused some of them; no other client is refused anything."""
    other = box.token("neighbour", "viewer")
    body = b'{"greeting":"' + b"x" * 190000 + b'"}'
    put = b"PUT /api/v1/config/candidates/mine/acme-probe HTTP/1.1\r\n" + HOST + f"Authorization: Bearer {token}\r\n".encode() + \
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    ask = b"GET /api/v1/whoami HTTP/1.1\r\n" + HOST + f"Authorization: Bearer {other}\r\n\r\n".encode()
    sockets, quiet = [box.connect() for _ in range(12)], box.connect()
    statuses, wrong = [], []
    for _ in range(10):
        for s in sockets:
            s.sendall(put)
        for _ in range(5):
            quiet.sendall(ask)
            r = receive(quiet)
            wrong += [] if r.status == 200 else [r]
        statuses += [receive(s).status for s in sockets]
    [s.close() for s in (*sockets, quiet)]
    check(not wrong, "another user's requests are answered", wrong[:2])
    check(429 in statuses and set(statuses) - {429}, "control: some of the large ones are answered, some are refused", sorted(set(statuses)))


def main():
    with Appliance(sys.argv[1], "clients") as box:
        token = box.token("ada", "admin")
        framing(box, token)
        refused_lines(box, token)
        burst(box, token)
        many(box, token)
        slow(box)
        large_bodies(box, token)
        unknown_tokens(box)
    tap.end()


main()
