"""Conversations for tests that compare what arrives: a server on many ports that reports both addresses of a request, and
a client that holds a whole table of conversations in one process.

  talks.py serve PORT...   TCP and UDP, both families; "ready" when all listen
  talks.py ask             table from standard input: [[protocol, host, port, source port or 0, messages], …];
                           one answer each: "PORT SOURCE SOURCE-PORT" as the server saw it, or why there is none
"""
import json
import select
import socket
import sys
import threading


def told(sock, peer):
    return f"{sock.getsockname()[1]} {peer[0]} {peer[1]}\n".encode()


def serve_tcp(listener):
    def one(c, peer):
        try:
            while c.recv(4096):
                c.sendall(told(listener, peer))
        except OSError:
            pass
        c.close()

    while True:
        threading.Thread(target=one, args=listener.accept(), daemon=True).start()


def serve(ports):
    plain = {}
    for family, any_address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        for port in ports:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                s = socket.socket(family, kind)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                s.bind((any_address, port))
                if kind == socket.SOCK_STREAM:
                    s.listen(64)
                    threading.Thread(target=serve_tcp, args=(s,), daemon=True).start()
                else:
                    plain[s.fileno()] = s
    print("ready", flush=True)
    while True:
        for fd in select.select(list(plain), [], [])[0]:
            _, peer = plain[fd].recvfrom(4096)
            plain[fd].sendto(told(plain[fd], peer), peer)


def ask(protocol, host, port, source_port, messages, wait):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    s = socket.socket(family, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM)
    s.settimeout(wait)
    answer = ""
    try:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if protocol == "udp":  # IP_RECVERR, IPV6_RECVERR: every ICMP error, not only the fatal ones
            s.setsockopt(*((socket.IPPROTO_IPV6, 25) if ":" in host else (socket.IPPROTO_IP, 11)), 1)
        if source_port:
            s.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", source_port))
        s.connect((host, port))
        for i in range(messages):
            s.send(b"x" * 100)
            now = s.recv(4096).decode().strip()
            if i and now != answer:
                return f"changed from {answer} to {now}"
            answer = now
    except socket.timeout:
        return "silence"
    except OSError as e:
        return e.strerror or str(e)
    finally:
        s.close()
    return answer or "silence"


def main():
    if sys.argv[1] == "serve":
        serve([int(p) for p in sys.argv[2:]])
    table = json.load(sys.stdin)
    answers = [None] * len(table)

    def one(i):
        answers[i] = ask(*table[i], wait=3)

    threads = [threading.Thread(target=one, args=(i,)) for i in range(len(table))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
