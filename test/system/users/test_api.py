"""test_api.py BUILD - the HTTP API as a client meets it, against a real daemon."""
import json
import os
import re
import signal
import sys
import threading
import time

from lab import Appliance, Tap, receive

tap = Tap()
check = tap.check
MINE = "/api/v1/config/candidates/mine"
RUNNING = "/api/v1/config/running"


def open_routes(box):
    r = box.http("GET", "/healthz")
    check(r.status == 200 and r.json() == {"status": "ok"}, "healthz answers without a token", r)
    check(r.headers.get("x-content-type-options") == "nosniff" and
          r.headers.get("cache-control") == "no-store", "constant headers are there", r)
    r = box.http("GET", "/readyz")
    check(r.status == 200 and r.json()["status"] == "ready" and r.json()["verdict"] in ("ok", "degraded"), "readyz answers when operational", r)
    r = box.http("HEAD", "/healthz")
    check(r.status == 200 and r.body == "" and r.headers["content-length"] == "16",
          "HEAD answers as GET without the body", r)


def metrics(box):
    r = box.http("GET", "/metrics")
    check(r.status == 401 and "token" in r.problem().get("detail", ""), "metrics take a token", r)
    scraper = box.token("scraper", "metrics")
    for path in ("/api/v1", "/api/v1/whoami", "/api/v1/services", RUNNING, "/api/v1/logs", "/api/v1/schema", "/api/v1/config/history",
                 "/api/v1/config/diff", "/api/v1/config/candidates/mine", "/api/v1/firewall/counters"):
        r = box.http("GET", path, scraper)
        check(r.status == 403 or path == "/api/v1", f"the role metrics reads no {path}", r)
    for path, body in (("/api/v1/services/api/restart", None), ("/api/v1/config/commits", "{}"), ("/api/v1/operations/host/boot", "{}")):
        r = box.http("POST", path, scraper, body)
        check(r.status == 403 and "role" in r.problem().get("detail", ""), f"the role metrics does no {path}", r)
    r = box.http("GET", "/metrics", scraper)
    check(r.status == 200 and r.headers["content-type"] ==
          "application/openmetrics-text; version=1.0.0; charset=utf-8", "metrics have their type", r)
    sample = re.compile(r'^[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [-+0-9.eInfNa]+$')
    kind = re.compile(r"^# (TYPE [a-z_]+ (counter|gauge|info|histogram)|HELP .*|UNIT .*|EOF)$")
    bad = [line for line in r.body.splitlines() if not sample.match(line) and not kind.match(line)]
    check(not bad and r.body.endswith("# EOF\n"), "metrics are OpenMetrics text", bad)
    names = [line.split()[2] for line in r.body.splitlines() if line.startswith("# TYPE")]
    check(len(names) == len(set(names)), "no metric family occurs twice", names)
    check('orbital_service_up{service="api"} 1' in r.body, "metrics know the api service", r.body)


def who(box, tokens):
    for name, headers in {
            "no token": [], "another scheme": ["Authorization: Basic YTpi"],
            "a short token": ["Authorization: Bearer orb_x"],
            "a token that does not exist": ["Authorization: Bearer orb_" + "A" * 43]}.items():
        r = box.http("GET", "/api/v1/services", headers=headers)
        check(r.status == 401 and r.problem().get("code") == "unauthenticated" and
              r.headers.get("www-authenticate", "").startswith("Bearer"), f"{name}: 401", r)
    r = box.http("GET", "/api/v1/nothing/here")
    check(r.status == 401, "without a token an unknown path is 401 too", r)
    r = box.http("PUT", MINE, body="x" * 100000)
    check(r.status == 401, "without a token no body is read", r)
    r = box.http("GET", "/api/v1/whoami", tokens["viewer"])
    check(r.json() == {"kind": "token", "name": "vic", "role": "viewer"}, "the host has identified the user", r)


def services(box, tokens):
    r = box.http("GET", "/api/v1/services", tokens["viewer"])
    names = {s["name"]: s["state"] for s in r.json()["services"]}
    check(names.get("api") == "Running" and names.get("config") == "Running", "services", r)
    r = box.http("GET", "/api/v1/services/config", tokens["viewer"])
    check(r.json().get("interface") == "config", "one service in full", r)
    r = box.http("GET", "/api/v1/services/confg", tokens["viewer"])
    check(r.status == 404 and r.problem().get("code") == "not-found" and
          "config" in r.problem()["detail"], "an unknown service names the nearest", r)
    before, mark = box.service("routing")["pid"], box.log_end()
    r = box.http("POST", "/api/v1/services/routing/restart", tokens["operator"])
    check(r.status == 200, "an operator restarts a service", r)
    box.wait_log(r'service\.ready .*"routing"', 20, mark)
    check(box.service("routing")["pid"] not in (0, before), "it is another process now")
    r = box.http("POST", "/api/v1/services/routing/restart", tokens["viewer"])
    check(r.status == 403 and r.problem().get("code") == "denied", "a viewer may not", r)


def roles(box, tokens):
    for role in ("viewer", "operator"):
        r = box.http("PUT", MINE + "/interfaces/d0", tokens[role], {"mtu": 1400})
        check(r.status == 403 and r.problem().get("code") == "denied" and
              "admin" in r.problem()["detail"], f"a {role} may not edit", r)
        check(box.http("GET", RUNNING, tokens[role]).status == 200, f"a {role} may read")
    r = box.http("POST", "/api/v1/operations/auth/token-create", tokens["operator"],
                 {"name": "more", "role": "admin"})
    check(r.status == 403, "an operator does not make himself an admin", r)
    r = box.http("POST", "/api/v1/operations/auth/login", tokens["admin"], {"token": "x"})
    check(r.status == 403, "an internal method cannot be called", r)


def editing(box, token):
    box.ip("link", "add", "d0", "type", "veth", "peer", "name", "d1")
    r = box.http("GET", RUNNING, token)
    check(r.status == 200 and r.json() == {} and r.headers.get("etag") == '"0"', "empty at first", r)
    r = box.http("GET", RUNNING + "/interfaces/d0", token)
    check(r.status == 404 and r.problem().get("path") == "/interfaces/d0", "not configured: 404", r)
    r = box.http("PUT", MINE + "/interfaces/d0", token, {"mtu": 1400, "addresses": ["10.9.0.1/24"]})
    check(r.status == 200 and r.json()["changes"] >= 1, "an admin edits", r)
    r = box.http("PATCH", MINE + "/interfaces/d0", token, {"description": "caf\u00e9", "mtu": 1450})
    check(r.status == 200, "PATCH merges", r)
    r = box.http("GET", MINE + "/interfaces/d0", token)
    check(r.json() == {"mtu": 1450, "addresses": ["10.9.0.1/24"], "description": "caf\u00e9"},
          "the candidate holds both", r)
    r = box.http("GET", "/api/v1/config/diff", token)
    check(r.json()["count"] >= 1 and r.json()["changes"][0]["path"].startswith("/interfaces"),
          "diff shows it", r)
    for path, body in (("/api/v1/config/commits?dry-run", None),
                       ("/api/v1/config/commits?dry-run=true", {"comment": "try"}),
                       ("/api/v1/config/commits?dry-run=1", "{ }"),
                       ("/api/v1/config/commits", {"dry-run": True})):
        r = box.http("POST", path, token, body)
        check(r.status == 200 and any(s["service"] == "interfaces" for s in r.json()["plan"]),
              f"a dry run has a plan ({path} {body})", r)
    check(box.ask("config", "history")["entries"] == [] or
          box.http("GET", RUNNING, token).json() == {}, "and changes nothing")
    r = box.http("POST", "/api/v1/config/commits?dry-run", token, {"dry-run": False})
    check(r.status == 400 and r.problem().get("path") == "/dry-run", "a contradiction is refused", r)
    r = box.http("POST", "/api/v1/config/commits", token, {"comment": "first"})
    check(r.status == 200 and r.json()["revision"] == 1, "commit", r)
    check(box.ask("config", "show", "interfaces", "d0")["mtu"] == 1450, "orbctl reads it back")
    link = json.loads(box.ip("-j", "addr", "show", "dev", "d0"))[0]
    check(link["mtu"] == 1450 and any(a["local"] == "10.9.0.1" for a in link["addr_info"]),
          "the kernel has it", link)
    r = box.http("GET", "/api/v1/config/history?limit=1", token)
    check(r.json()["entries"][0]["comment"] == "first" and r.json()["entries"][0]["user"] == "token:ada",
          "history reports who", r)
    r = box.http("PUT", MINE + "/routing/static/10.8.0.0%2F16", token,
                 {"next-hops": {"10.9.0.2": {}}})
    check(r.status == 200, "a key with a slash", r)
    r = box.http("GET", MINE + "/routing/static/10.8.0.0%2F16", token)
    check(r.json() == {"next-hops": {"10.9.0.2": {}}}, "is read back", r)
    r = box.http("DELETE", MINE + "/routing", token)
    check(r.status == 200, "DELETE", r)
    r = box.http("DELETE", MINE + "/routing", token)
    check(r.status == 404, "once", r)
    check(box.http("POST", "/api/v1/config/discard", token).status == 200, "discard")
    check(box.http("GET", "/api/v1/config/diff", token).json()["count"] == 0, "nothing is left")


def etags(box, token):
    r = box.http("GET", RUNNING + "/interfaces", token)
    tag = r.headers["etag"]
    check(tag == '"1"', "the ETag is the revision", r)
    r = box.http("GET", RUNNING + "/interfaces", token, headers=["If-None-Match: " + tag])
    check(r.status == 304 and r.body == "" and r.headers.get("etag") == tag, "unchanged: 304", r)
    r = box.http("GET", RUNNING + "/interfaces", token, headers=['If-None-Match: "0", "7"'])
    check(r.status == 200, "another tag: 200", r)
    box.http("PUT", MINE + "/interfaces/d0/mtu", token, "1460")
    box.http("POST", "/api/v1/config/commits", token, {})
    r = box.http("GET", RUNNING + "/interfaces", token, headers=["If-None-Match: " + tag])
    check(r.status == 200 and r.headers["etag"] == '"2"', "after a commit the tag is another", r)
    r = box.http("GET", RUNNING + "/interfaces/d0/mtu?revision=1", token)
    check(r.status == 200 and r.body.strip() == "1450" and r.headers["etag"] == '"1"',
          "an older revision", r)
    r = box.http("POST", "/api/v1/config/rollback", token, {"n": 1})
    check(r.status == 200 and r.json()["changes"] >= 1, "rollback fills the candidate", r)
    box.http("POST", "/api/v1/config/discard", token)


def wrong_values(box, token):
    for path, body, status, where, words in (
            ("/interfaces/d0", {"mtu": "big"}, 422, "/interfaces/d0/mtu", ["integer", "big"]),
            ("/interfaces/d0", {"mtuu": 1}, 422, "/interfaces/d0/mtuu", ["did you mean mtu"]),
            ("/interfaces/d0/mtu", 1, 422, "/interfaces/d0/mtu", ["1"]),
            ("/interface", {}, 422, "/interface", ["interfaces"]),
            ("/routing/static/10.0.0.0%2F33", {}, 422, "/routing", ["10.0.0.0/33"]),
            ("", [1], 422, "", ["object"])):
        r = box.http("PUT", MINE + path, token, body)
        p = r.problem()
        check(r.status == status and p.get("path", "").startswith(where) and
              all(w in p.get("detail", "") for w in words), f"PUT {path} {body} is refused", r)
    check(box.http("GET", "/api/v1/config/diff", token).json()["count"] == 0, "and left nothing")
    r = box.http("GET", RUNNING + "/interfases", token)
    check(r.status in (404, 422) and "interfaces" in r.problem().get("detail", ""),
          "reading an unknown name names the nearest", r)


def wrong_requests(box, token):
    rows = [
        ("GET", "/api/v1/servics", None, [], 404, "not-found", "did you mean /api/v1/services?"),
        ("GET", "/nothing", None, [], 404, "not-found", "GET /api/v1 lists"),
        ("POST", "/api/v1/config/history", None, [], 405, "invalid", "GET, HEAD"),
        ("OPTIONS", "/api/v1/services", None, [], 405, "invalid", "GET, HEAD"),
        ("PUT", MINE, "{}", ["Content-Type: text/plain"], 415, "invalid", "application/json"),
        ("PUT", MINE, None, [], 400, "invalid", "needs a JSON body"),
        ("GET", "/healthz", "{}", [], 400, "invalid", "takes no body"),
        ("PUT", MINE, '{"a":\n 1,}', [], 400, "syntax", "(2:4): expected a key"),
        ("PUT", MINE, '{"routing":{},"routing":{}}', [], 400, "syntax", "routing"),
        ("PUT", MINE, '1}],"replace":true,"x":[{"a":1', [], 400, "syntax", "end of the text"),
        ("PUT", MINE, "[" * 40 + "]" * 40, [], 413, "limit", "28"),
        ("GET", "/api/v1/logs?levle=info", None, [], 400, "invalid", "level"),
        ("GET", "/api/v1/logs?limit=x", None, [], 400, "invalid", "limit"),
        ("GET", "/api/v1/logs?limit=5000", None, [], 422, "schema", "1000"),
        ("GET", "/api/v1/services/../services", None, [], 400, "invalid", "\"..\""),
        ("GET", "/api/v1/services/%00", None, [], 400, "invalid", "control character"),
        ("GET", "/api/v1/services/a%2", None, [], 400, "invalid", "hexadecimal"),
        ("GET", "/api/v1/services/" + "a" * 5000, None, [], 414, "limit", "4096"),
        ("GET", "/api/v1/services", None, ["Host: evil.example"], 421, "invalid", "evil.example"),
        ("PUT", MINE + "/routing", "{}", ['If-Match: "1"'], 400, "invalid", "If-Match"),
        ("POST", "/api/v1/operations/host/nothing", "{}", [], 404, "not-found", "nothing"),
        ("POST", "/api/v1/operations/host/service", "{}", [], 422, "schema", "name"),
        ("POST", "/api/v1/operations/HOST/x", "{}", [], 400, "invalid", "INTERFACE"),
        ("POST", "/api/v1/config/rollback", "{}", [], 422, "schema", "n"),
        ("POST", "/api/v1/config/commits", '{"confirm-s":0}', [], 422, "schema", "1"),
        ("POST", "/api/v1/config/commits", '{"confirm_s":60}', [], 422, "schema", "did you mean confirm-s?"),
        ("POST", "/api/v1/config/commits", '{"dry_run":true}', [], 422, "schema", "did you mean dry-run?"),
        ("POST", "/api/v1/operations/host/logs", '{"since_us":1}', [], 422, "schema", "did you mean since-us?"),
    ]
    for method, path, body, headers, status, code, words in rows:
        r = box.http(method, path, token, body, headers)
        p = r.problem()
        check(r.status == status and p.get("code") == code and
              words in p.get("detail", "") + p.get("path", ""),
              f"{method} {path[:60]} {str(body)[:40]!r}: {status}", r)
    r = box.http("POST", "/api/v1/config/history", token)
    check(r.headers.get("allow") == "GET, HEAD", "405 has Allow", r)
    big = '"' + "x" * (2 << 20) + '"'
    r = box.http("PUT", MINE, token, big)
    check(r.status == 413 and "1048576" in r.problem().get("detail", ""), "2 MiB announced: 413", r)
    r = box.http("PUT", MINE, token, big, ["Transfer-Encoding: chunked"])
    check(r.status == 413, "2 MiB in chunks: 413", r)
    r = box.http("GET", "/api/v1/services", token, headers=["X: " + "a" * 40000])
    check(r.status in (413, 431), "too large headers are refused", r)
    for host in ("localhost", "localhost:8080", "127.0.0.1", "[::1]:8080", "10.0.0.1:8080"):
        r = box.http("GET", "/healthz", headers=["Host: " + host])
        check(r.status == 200, f"Host {host} is answered", r)


def operations(box, tokens):
    r = box.http("POST", "/api/v1/operations/interfaces/list", tokens["viewer"])
    check(r.status == 200 and any(i["name"] == "lo" for i in r.json().get("links", [])),
          "an operation without a body", r)
    r = box.http("POST", "/api/v1/operations/host@1/describe", tokens["viewer"],
                 {"interface": "api"})
    check(r.status == 200 and r.json()["version"] == "1.0", "an operation with version and body", r)
    r = box.http("GET", "/api/v1/schema/interfaces", tokens["viewer"])
    check(r.status == 200 and r.json()["path"] == "/interfaces", "schema", r)
    r = box.http("GET", "/api/v1", tokens["viewer"])
    check({"method": "PATCH", "path": MINE + "/{path*}"} in r.json()["routes"], "the index", r)
    r = box.http("GET", "/api/v1/logs?service=config&limit=3", tokens["viewer"])
    check(r.status == 200 and 0 < len(r.json()["records"]) <= 3 and
          all(x["service"] == "config" for x in r.json()["records"]), "logs", r)
    first = r.json()["records"][-1]["seq"]
    r = box.http("GET", f"/api/v1/logs?after={first}&level=debug", tokens["viewer"])
    check(all(x["seq"] > first for x in r.json()["records"]), "logs after a record", r)


def large(box, token):
    addresses = [f"10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}/32" for i in range(1000)]
    groups = {f"big{i}": {"addresses": addresses} for i in range(40)}
    body = json.dumps({"firewall": {"groups": groups}})
    check(200 << 10 < len(body) < 1 << 20, "the large body is large", len(body))
    r = box.http("PATCH", MINE, token, body)
    check(r.status == 200, "a body larger than a frame is merged", r)
    r = box.http("GET", MINE + "/firewall/groups", token)
    check(r.status == 200 and r.json() == groups, "and read back whole", r)
    r = box.http("PATCH", MINE + "/firewall/groups", token, json.dumps(groups))
    check(r.status == 200, "the same at a path", r)
    r = box.http("PUT", MINE + "/firewall/groups", token, json.dumps(groups))
    check(r.status == 413 and "PATCH" in r.problem().get("detail", ""), "a large PUT reports how", r)
    r = box.http("PUT", MINE, token, body)
    check(r.status == 200, "a large PUT of everything", r)
    r = box.http("GET", MINE, token)
    check(r.json() == {"firewall": {"groups": groups}}, "replaces everything", r)
    replies = []
    threads = [threading.Thread(target=lambda: replies.append(
        box.http("GET", MINE + "/firewall/groups", token))) for _ in range(6)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    whole = [r for r in replies if r.status == 200]
    check(whole and all(r.json() == groups for r in whole) and
          all(r.status in (200, 429) for r in replies), "six at once are not mixed",
          [r.status for r in replies])
    box.http("POST", "/api/v1/config/discard", token)


def confirmed(box, token):
    old = box.connect()
    old.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    check(receive(old).status == 200, "a connection is kept")
    box.http("PUT", MINE + "/interfaces/d0/mtu", token, "1470")
    r = box.http("POST", "/api/v1/config/commits", token, {"confirm-s": 60})
    check(r.status == 200 and r.headers.get("connection", "").lower() == "close",
          "a commit to be confirmed closes its connection", r)
    old.sendall(f"POST /api/v1/config/confirm HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n"
                f"Authorization: Bearer {token}\r\n\r\n".encode())
    r = receive(old)
    check(r.status == 409 and "new one" in r.problem().get("detail", ""),
          "an old connection confirms nothing", r)
    old.close()
    r = box.http("POST", "/api/v1/config/confirm", token)
    check(r.status == 200 and r.json()["revision"] == 3, "a new one does", r)
    r = box.http("GET", "/api/v1/config/history?limit=1", token)
    check(r.json()["entries"][0]["state"] == "confirmed", "history reports it", r)


def revoking(box):
    token = box.token("gone", "viewer")
    check(box.http("GET", "/api/v1/whoami", token).status == 200, "a token works")
    kept = box.connect()
    ask = (f"GET /api/v1/whoami HTTP/1.1\r\nHost: localhost\r\n"
           f"Authorization: Bearer {token}\r\n\r\n").encode()
    kept.sendall(ask)
    check(receive(kept).status == 200, "also on a kept connection")
    box.must("token", "revoke", "gone")
    kept.sendall(ask)
    check(receive(kept).status == 401, "revoked: 401 at once, on the same connection")
    kept.close()
    check(box.http("GET", "/api/v1/whoami", token).status == 401, "and on a new one")
    token = box.token("self", "admin")
    r = box.http("POST", "/api/v1/operations/auth/token-revoke", token, {"name": "self"})
    check(r.status == 200, "a token may revoke itself and is told so", r)
    check(box.http("GET", "/api/v1/whoami", token).status == 401, "and is worthless")


def leaving(box, token):
    """Clients that go away before the answer is there."""
    pid = box.service("api")["pid"]
    config = box.service("config")["pid"]
    head = f"Host: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    mark = box.log_end()
    os.kill(config, signal.SIGSTOP)
    try:
        for _ in range(20):
            s = box.connect()
            s.sendall(b"GET " + RUNNING.encode() + b" HTTP/1.1\r\n" + head)
            s.close()
        r = box.http("GET", "/healthz")
        check(r.status == 200, "healthz answers while another service hangs", r)
        r = box.http("GET", "/api/v1/services", token)
        check(r.status == 200, "so do requests to others", r)
    finally:
        os.kill(config, signal.SIGCONT)
    for i in range(20):
        mark = box.wait_log(r'http\.request .*"path":"/api/v1/config/running"', 20, mark) + 1
    check(True, "all twenty requests came to an end")
    for cut in range(1, 60, 7):
        s = box.connect()
        s.sendall((b"PUT " + MINE.encode() + b" HTTP/1.1\r\nContent-Length: 50\r\n"
                   b"Content-Type: application/json\r\n" + head + b'{"a":')[:cut * 5])
        s.close()
    check(box.http("GET", RUNNING, token).status == 200, "requests cut anywhere do no harm")
    s = box.connect()
    s.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 this is TLS\r\n\r\n")
    s.recv(4096)
    s.close()
    check(box.service("api")["pid"] == pid, "it is the same worker")


def stopped(box, token):
    """The worker is stopped while requests wait for an answer."""
    config, waiting = box.service("config")["pid"], []
    os.kill(config, signal.SIGSTOP)
    try:
        for _ in range(5):
            s = box.connect()
            s.sendall(f"GET {RUNNING} HTTP/1.1\r\nHost: localhost\r\n"
                      f"Authorization: Bearer {token}\r\n\r\n".encode())
            waiting.append(s)
        check(box.http("GET", "/healthz").status == 200, "five requests wait")
        mark = box.log_end()
        box.must("service", "restart", "api")
        how = box.lines[box.wait_log(r'worker\.exited .*"api"', 20, mark)]
        check("exited with status 0" in how, "it ends in order", how)
        box.wait_log(r'service\.ready .*"api"', 20, mark)
    finally:
        os.kill(config, signal.SIGCONT)
    check(all(s.recv(100) == b"" for s in waiting), "a client that waited sees the connection close")
    [s.close() for s in waiting]
    check(box.http("GET", RUNNING, token).status == 200, "and may ask again")


def crowd(box, token):
    wrong = []

    def client():
        for i in range(8):
            r = box.http("GET", (RUNNING, "/api/v1/services", "/metrics", "/api/v1/logs")[i % 4],
                         token)
            if r.status != 200:
                wrong.append(r)

    threads = [threading.Thread(target=client) for _ in range(16)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    check(not wrong, "16 clients at once are all served", wrong[:2])
    tokens = [box.token(f"crowd{i}", "viewer") for i in range(20)]
    r = [box.http("GET", "/api/v1/whoami", t) for t in tokens]
    check([x.json().get("name") for x in r] == [f"crowd{i}" for i in range(20)],
          "each token is its own user")


def killed(box, tokens):
    pid, mark = box.service("api")["pid"], box.log_end()
    os.kill(pid, signal.SIGKILL)
    box.wait_log(r'service\.ready .*"api"', 20, mark)
    r = box.http("GET", "/healthz")
    check(r.status == 200, "killed, it is restarted and serves", r)
    r = box.http("GET", "/api/v1/whoami", tokens["viewer"])
    check(r.status == 200, "tokens still work", r)
    check(box.service("api")["pid"] not in (0, pid), "as another process")
    status = box.ask("ipc", "call", "api", "status")
    check(status["requests"] >= 2 and status["sessions"] == 1, "its own method answers", status)


def secrets(box, tokens):
    # debug level: everything the worker logs
    text = "\n".join(box.lines)
    check(text.count("http.request") > 50, "requests are logged")
    check(not any(t in text for t in tokens.values()) and "Bearer" not in text,
          "no token is in any log line")


def main():
    with Appliance(sys.argv[1], "api") as box:
        tokens = {"viewer": box.token("vic", "viewer"), "operator": box.token("otto", "operator"),
                  "admin": box.token("ada", "admin")}
        open_routes(box)
        metrics(box)
        who(box, tokens)
        services(box, tokens)
        roles(box, tokens)
        editing(box, tokens["admin"])
        etags(box, tokens["admin"])
        wrong_values(box, tokens["admin"])
        wrong_requests(box, tokens["admin"])
        operations(box, tokens)
        large(box, tokens["admin"])
        confirmed(box, tokens["admin"])
        revoking(box)
        leaving(box, tokens["admin"])
        stopped(box, tokens["admin"])
        crowd(box, tokens["admin"])
        killed(box, tokens)
        secrets(box, tokens)
    tap.end()


main()
