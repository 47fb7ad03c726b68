#!/usr/bin/env python3
"""The wall clock jumps by ten years, forward and back, at any moment: deadlines expire on time, nothing ends early or
lasts for ever, records are ordered by number, and users see the right time.

    test_clock.py BUILD WALL-CLOCK-LIBRARY

The jumps are those of the daemon and its workers alone: a library named in /etc/ld.so.preload of their mount
namespace (test/lib/wall_clock.c)."""
import glob
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from appliance import Appliance, Tap, expect, need_root, run  # noqa: E402

need_root()
build, library = sys.argv[1:3]
YEARS = 10 * 365 * 86400
SLACK = 8  # s a busy machine may take on top


class Box(Appliance):
    def __enter__(self):
        super().__enter__()
        shutil.copy(library, f"{self.dir}/wall_clock.so")
        for name in ("up", "work"):
            os.mkdir(f"{self.dir}/{name}")
        with open(f"{self.dir}/up/ld.so.preload", "w") as f:
            f.write(f"{self.dir}/wall_clock.so\n")
        with open(f"{self.dir}/wall-clock", "wb") as f:
            f.write(bytes(8))
        self.env["LD_PRELOAD"] = f"{self.dir}/wall_clock.so"
        return self

    def inside(self, *args):
        if "orbitald" not in args[0] and args[0] != "date":
            return super().inside(*args)
        mount = f"mount -t overlay -o lowerdir=/etc,upperdir={self.dir}/up,workdir={self.dir}/work overlay /etc && exec \"$@\""
        return super().inside("unshare", "--mount", "--propagation", "private", "sh", "-c", mount, "sh", *args)

    def set_clock(self, ahead):
        """Seconds from now on between the real clock and theirs."""
        self.ahead = int(ahead)
        fd = os.open(f"{self.dir}/wall-clock", os.O_WRONLY)
        os.pwrite(fd, struct.pack("=q", self.ahead), 0)
        os.close(fd)

    def wall(self):
        return time.time() + self.ahead

    def put(self, path, value):
        self.ctl("config", "set", path, value)

    def history(self):
        return self.call("config", "history")["entries"]

    def greeting(self):
        return self.call("config", "get", {"path": "/acme-probe/greeting"})["value"]

    def records(self, *words):
        return [json.loads(line) for line in self.ctl("logs", "-o", "json", *words).stdout.splitlines()]

    def running(self, name, not_pid=0):
        s = self.service(name)
        return s["state"] == "Running" and s["pid"] not in (0, not_pid) and s["pid"]


def year(seconds):
    return time.gmtime(seconds).tm_year


def really_set(box):
    """Control: the library acts, in a program, in the daemon and in a worker."""
    box.set_clock(YEARS)
    there = int(run(*box.inside("date", "+%Y")).stdout)
    expect(there == year(time.time() + YEARS), f"the date is {there}")
    box.put("/acme-probe/greeting", "control")
    box.ctl("config", "commit")
    expect(year(box.history()[0]["time"]) == there, f"the config service: {box.history()[0]}")
    last = box.records("-n", "1")[0]
    expect(year(last["time-us"] / 1e6) == there, f"the host: {last}")
    box.set_clock(0)
    expect(int(run(*box.inside("date", "+%Y")).stdout) == year(time.time()), "the clock is not put back")


def confirmed_or_not(box, jump):
    """The undo comes at its monotonic time."""
    box.set_clock(0)
    box.put("/acme-probe/greeting", "stays")
    box.ctl("config", "commit")
    box.put("/acme-probe/greeting", "on trial")
    box.ctl("config", "commit", "--confirm", "3")
    begin = time.monotonic()
    time.sleep(0.5)  # in the middle of the waiting
    box.set_clock(jump)
    for _ in range(3):
        expect(box.greeting() == "on trial" or time.monotonic() - begin > 2.5, "undone too early")
    box.until(3 + SLACK, lambda: box.greeting() == "stays", "undone")
    expect(time.monotonic() - begin > 2.5, "undone too early")
    box.put("/acme-probe/greeting", "kept")
    box.ctl("config", "commit", "--confirm", "600")
    box.set_clock(0)
    box.ctl("config", "confirm")
    expect(box.greeting() == "kept", "a confirmed commit is gone")


def order_of_revisions(box):
    """By number; the times are those of the clock."""
    for i, ahead in enumerate((0, YEARS, -YEARS, 0)):
        box.set_clock(ahead)
        box.put("/acme-probe/greeting", f"number {i}")
        box.ctl("config", "commit")
        if i == 1:  # and the config service itself begins anew in another year
            pid = box.service("config")["pid"]
            box.set_clock(-YEARS)
            os.kill(pid, signal.SIGKILL)
            box.until(20, lambda: box.running("config", pid), "config is there again")
    entries = box.history()
    numbers = [e["revision"] for e in entries if e["state"] != "noted"]
    expect(numbers == sorted(numbers, reverse=True) and len(set(numbers)) == len(numbers), f"{numbers}")
    times = [e["time"] for e in entries[:4]]
    expect(times != sorted(times, reverse=True), "the clock did not move: nothing was tried")
    expect(box.greeting() == "number 3", box.greeting())
    box.ctl("config", "rollback", "1")
    box.ctl("config", "commit")
    expect(box.greeting() == "number 2", f"one back is {box.greeting()}")


def since_when(box):
    """Health shows how long ago a problem began, whatever the clock did since."""
    box.set_clock(0)
    box.ctl("service", "stop", "acme-probe")
    box.until(10, lambda: "acme-probe was stopped" in box.ctl("show", "health", ok=False).stdout, "it is stopped")
    try:
        for jump in (YEARS, -YEARS, 3600 - time.time()):
            box.set_clock(jump)
            reasons = json.loads(box.ctl("--json", "show", "health", ok=False).stdout)["reasons"]
            wrong = [r for r in reasons if r["since-us"] and not -2 < box.wall() - r["since-us"] / 1e6 < 900]
            expect(not wrong and any(r["since-us"] for r in reasons), f"at {box.ahead}: {wrong}")
            text = box.ctl("show", "health", ok=False).stdout
            expect("d" not in "".join(line.split("since ")[1].split(" ago")[0] for line in text.splitlines() if "since " in line and " ago" in line),
                   f"days: {text}")
    finally:
        box.set_clock(0)
        box.ctl("service", "start", "acme-probe")


def records_of_the_last_minutes(box):
    """--since and --until are by the clock of now, for what was recorded before it was set as well."""
    box.set_clock(0)
    box.ctl("service", "restart", "acme-probe")
    mark = box.records("-n", "1")[0]["seq"]
    for jump in (YEARS, -YEARS, 3600 - time.time(), 0):
        before = box.records("-n", "1")[0]["seq"]
        box.set_clock(jump)
        reply = box.until(5, lambda: box.records("--grep", "clock.set", "-n", "1")[0]["seq"] > before and
                         box.records("--grep", "clock.set", "-n", "1")[0], "the log reports that the clock was set")
        expect(abs(reply["time-us"] / 1e6 - box.wall()) < 60, f"{reply}")
        numbers = [r["seq"] for r in box.records("--since", "20m")]
        expect(mark in numbers and numbers[-1] >= reply["seq"], f"at {box.ahead}: --since has lost what was before")
        expect(numbers == sorted(set(numbers)), "order")
        expect(mark not in [r["seq"] for r in box.records("--boot", "0", "--until", "20m")], "--until has what is younger")
        expect(mark in [r["seq"] for r in box.records("--boot", "0")], "--boot")


def followed_into_another_age(box):
    """The log's files are lost and the clock is years behind: a follower continues with the new run."""
    box.set_clock(YEARS)
    box.kill()
    box.start()
    with open(f"{box.dir}/followed", "wb") as to:
        follower = subprocess.Popen([f"{build}/orbctl", "logs", "-f", "-n", "1", "-o", "json"], stdout=to, stderr=subprocess.DEVNULL,
                                    env={**os.environ, "ORBITAL_SOCKET": f"{box.dir}/run/control.sock"})

    def got():
        return [json.loads(line) for line in open(f"{box.dir}/followed") if line.endswith("\n")]
    try:
        box.until(10, got, "the first record")
        box.kill()
        for name in os.listdir(f"{box.dir}/state"):
            if name.startswith("log.jsonl"):
                os.unlink(f"{box.dir}/state/{name}")
        seen = len(got())
        box.set_clock(-YEARS)
        box.start()
        last = box.records("-n", "1")[0]["seq"]
        box.until(15, lambda: got()[-1]["seq"] >= last and len(got()) > seen, "records of the new run")
        fresh = got()[seen:]
        wanted = [r["seq"] for r in box.records("--boot", "0") if r["seq"] <= last]
        expect([r["seq"] for r in fresh][:len(wanted)] == wanted, f"lost or twice: {len(fresh)} of {len(wanted)}")
    finally:
        follower.kill()
        follower.wait()
        box.set_clock(0)


def crash(box):
    pid = box.until(20, lambda: box.running("acme-probe"), "acme-probe runs")
    before = len(box.json("crashes", "acme-probe")["crashes"])
    box.call("acme-probe", "crash", {"how": "abort"}, ok=False)
    box.until(20, lambda: box.running("acme-probe", pid), "started again, whatever the year")
    crashes = box.json("crashes", "acme-probe")["crashes"]
    expect(crashes[-1]["pid"] == pid and len(crashes) >= min(before + 1, 8), f"{[c['pid'] for c in crashes]}, not {pid} last")
    return pid


def reports(box):
    """Those on the disk: they are written on a thread, and what the daemon is killed with is lost."""
    for path in glob.glob(f"{box.dir}/state/crashes/acme-probe-*.json"):
        with open(path, encoding="utf-8") as f:
            yield f.read()


def order_of_crashes(box):
    """The newest is the last one and stays, also over a restart of the daemon, by whatever clock."""
    pids = []
    for ahead in (YEARS, -YEARS, 0):
        box.set_clock(ahead)
        pids.append(crash(box))
        box.until(10, lambda: any(f'"pid":{pids[-1]},' in report for report in reports(box)), "its report is on the disk")
        box.kill()
        box.start()
    shown = [c["pid"] for c in box.json("crashes", "acme-probe")["crashes"]]
    expect(shown[-3:] == pids, f"{shown}, wanted {pids} at the end")
    box.ctl("service", "start", "acme-probe")


def breaker_and_backoff(box):
    box.set_clock(0)
    box.put("/acme-probe/crash-after-ms", "10")
    box.ctl("config", "commit")
    box.until(30, lambda: box.service("acme-probe")["breaker"] == "open", "the breaker opens")
    left = box.service("acme-probe")["next-ms"]
    for jump in (YEARS, -YEARS):
        box.set_clock(jump)
        now = box.service("acme-probe")
        expect(now["breaker"] == "open" and 0 < now["next-ms"] <= left, f"by the clock: {left} ms before, {now['next-ms']} now")
        left = now["next-ms"]
    box.set_clock(0)
    box.ctl("config", "delete", "/acme-probe/crash-after-ms")
    box.ctl("config", "commit")
    box.ctl("service", "start", "acme-probe")
    box.until(20, lambda: box.running("acme-probe"), "it runs")


CLIENT = """
import socket, sys
s = socket.create_connection(("127.0.0.1", 8080), 20)
for line in sys.stdin:
    s.sendall(eval(line))
    if line.rstrip().endswith("#"):
        s.settimeout(20)
        print(s.recv(65536).split(b"\\r\\n")[0].decode(), flush=True)
    else:
        print("sent", flush=True)
"""


def sessions_and_requests(box):
    """A token, its session, an idle connection and half a request: none is ended by a jump."""
    box.set_clock(0)
    box.until(20, lambda: box.running("api"), "api")
    token = box.json("token", "create", "jumper", "viewer")["token"]
    head = f"GET /api/v1/services HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
    client = subprocess.Popen(box.inside(sys.executable, "-Sc", CLIENT), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def send(data, answer):
        client.stdin.write(repr(data.encode()) + ("#" if answer else "") + "\n")
        client.stdin.flush()
        return client.stdout.readline().strip()
    try:
        for jump in (YEARS, -YEARS, 0):
            expect(send(head, False) == "sent", "half a request")
            box.set_clock(jump)
            answer = send("\r\n", True)
            expect(answer.split()[1:2] == ["200"], f"at {box.ahead}: {answer}")
            expect("jumper" in box.ctl("token", "list").stdout, "the token is gone")
    finally:
        client.kill()
        client.wait()
    box.ctl("token", "revoke", "jumper")


def rates_and_locks(box):
    """Refused logins are recorded at their rate, and a lock holds for its hour, by the time that passes: a clock that
    jumps neither frees nor blocks them."""
    box.set_clock(0)
    box.until(20, lambda: box.running("api"), "api")

    def guess(count):
        text = "".join(f"url = \"http://127.0.0.1:8080/api/v1/whoami\"\nheader = \"Authorization: Bearer orb_{i:043d}\"\noutput = /dev/null\nnext\n"
                       for i in range(count))
        run(*box.inside("curl", "-s", "-K", "-"), input=text, check=False)

    def refusals():
        return int(box.ctl("logs", "-o", "json", "--audit", "-n", "1000", "--grep", "login-refused").stdout.count("\n"))
    other = box.json("token", "create", "another", "admin")["token"]

    def edit():
        return run(*box.inside("curl", "-s", "-m", "20", "-X", "PUT", "-H", f"Authorization: Bearer {other}", "-H", "Content-Type: application/json",
                               "-d", '"by another"', "http://127.0.0.1:8080/api/v1/config/candidates/mine/acme-probe/greeting")).stdout
    guess(250)
    full = refusals()
    expect(100 <= full < 150, f"control: 100 at once, 1 a second; recorded {full}")
    box.ctl("ipc", "call", "config@1", "lock", "{}")
    try:
        for jump in (YEARS, -YEARS, 3600 - time.time()):
            box.set_clock(jump)
            before, begin = refusals(), time.monotonic()
            guess(250)
            expect(refusals() - before <= 5 + time.monotonic() - begin, f"{refusals() - before} more records after a jump to {box.ahead}")
            box.until(5, lambda before=before: guess(1) or refusals() > before, "records come at their rate")
            expect("has locked the configuration" in edit(), f"the lock's hour went by: {edit()}")
    finally:
        box.set_clock(0)
        box.ctl("ipc", "call", "config@1", "unlock", "{}")
    expect("urn:" not in edit(), f"control: it is not locked: {edit()}")
    box.ctl("token", "revoke", "another")


def tokens_that_expire(box):
    """A token that expired by the clock, or by the time that passed, is refused for good: setting the clock back or a
    restart does not make it valid again. One that does not expire stays valid."""
    box.set_clock(0)
    box.until(20, lambda: box.running("api"), "api")
    brief = box.json("token", "create", "brief", "viewer", "--expires", "12h")["token"]
    token = box.json("token", "create", "lasting", "viewer")["token"]

    def status(of):
        return run(*box.inside("curl", "-s", "-m", "20", "-H", f"Authorization: Bearer {of}", "http://127.0.0.1:8080/api/v1/whoami")).stdout

    expect('"brief"' in status(brief) and '"lasting"' in status(token), f"control: {status(brief)}")
    box.set_clock(11 * 3600)
    expect('"brief"' in status(brief), f"an hour too early: {status(brief)}")
    box.set_clock(13 * 3600)
    box.until(10, lambda: "this token (brief) expired on" in status(brief), "refused with the reason, though it had a session")
    box.until(10, lambda: box.records("--audit", "--grep", "token-expired.*brief"), "the audit has it")
    for ahead in (0, -YEARS):
        box.set_clock(ahead)
        expect("expired on" in status(brief), f"good again at {ahead}: {status(brief)}")
    expect('"lasting"' in status(token), "the other one went, too")
    shown = [line.split() for line in box.ctl("token", "list").stdout.splitlines()]
    expect(["brief", "viewer", "expired"] in [w[:3] for w in shown] and ["lasting", "viewer", "never"] in shown, f"{shown}")
    box.until(10, lambda: '"expired":true' in open(f"{box.dir}/state/auth/tokens.json").read(), "the file has it")
    box.set_clock(0)
    box.ctl("config", "set", "/system/tokens/expires", "30d")
    box.ctl("config", "commit")
    month = box.until(10, lambda: (lambda t: t.get("expires-us") and t)(box.json("token", "create", f"by-default-{time.monotonic_ns()}", "viewer")),
                      "the configured expiry counts")
    box.ctl("token", "create", "month", "viewer")
    box.ctl("token", "create", "first", "viewer", "--expires", "1h")
    expect(month["expires-us"] > (time.time() + 29 * 86400) * 1e6, f"{month}")
    expect("expires-us" not in box.json("token", "create", "longer", "viewer", "--expires", "never"), "never is never")
    expect(box.json("token", "create", "brief", "viewer", "--expires", "1h")["token"] != brief, "its name is free")
    done = box.ctl("token", "create", "wrong", "viewer", "--expires", "1y", ok=False)
    expect("expected hours or days" in done.stderr, f"{done}")
    box.set_clock(14 * 3600 + 7200)
    box.until(10, lambda: box.records("--audit", "--grep", "token-expired.*first"), "the next one ends in its time, too")
    box.until(10, lambda: '"name":"first"' in open(f"{box.dir}/state/auth/tokens.json").read().split('"expired":true')[-2], "the file has that")
    box.set_clock(-YEARS)
    box.kill(signal.SIGTERM)
    box.start(wait=False)
    listed = box.until(20, lambda: {t["name"]: t for t in box.json("token", "list")["tokens"]}, "the tokens after a restart")
    expect(listed["first"]["expired"] and not listed["month"]["expired"], f"good again after a restart: {listed}")


def tokens_expire():
    with Box(build, "clock-token") as box:
        box.set_clock(0)
        box.start()
        tokens_that_expire(box)


def starts_are_counted():
    """Three starts that get nowhere, years apart by the clock and seconds in truth, are three."""
    with Box(build, "clock-safe") as box:
        for i, ahead in enumerate((0, YEARS)):
            box.set_clock(ahead)
            box.start(wait=False)
            box.until(20, lambda: len(open(f"{box.dir}/run/starts").readlines()) == i + 1, "a counted start")
            box.kill()
        box.set_clock(-YEARS)
        box.start()
        expect(box.json("show", "boot")["safe"], "years between failed starts: not in safe mode")


def nineteen_seventy():
    """A machine without a battery: everything begins in 1970, and the clock is set later."""
    with Box(build, "clock-1970") as box:
        box.set_clock(60 - time.time())
        box.start()
        box.put("/services/acme-probe/enabled", "true")
        box.put("/services/acme-probe/grants", '["config.read:/acme-probe"]')
        box.put("/acme-probe/greeting", "early")
        box.ctl("config", "commit")
        box.until(20, lambda: box.running("acme-probe"), "acme-probe runs")
        expect(year(box.history()[0]["time"]) == 1970, f"{box.history()[0]}")
        refused = box.ctl("token", "create", "early", "viewer", "--expires", "1d", ok=False)
        expect("the clock is not set" in refused.stderr, f"{refused}")
        box.ctl("token", "create", "early", "viewer")
        box.until(10, lambda: "the clock is not set" in box.ctl("show", "health", ok=False).stdout, "health reports it")
        crash(box)
        box.put("/acme-probe/greeting", "on trial")
        box.ctl("config", "commit", "--confirm", "600")
        box.set_clock(0)
        box.until(10, lambda: "the clock is not set" not in box.ctl("show", "health", ok=False).stdout, "and that it is set")
        expect(box.greeting() == "on trial", "the commit ended when the clock was set")
        box.ctl("config", "confirm")
        crash(box)
        expect([r for r in box.records("--since", "20m") if r["event"] == "host.start"], "what was recorded before is young")
        seq = box.records("-n", "1")[0]["seq"]
        box.set_clock(60 - time.time())
        box.kill()
        box.start()
        expect(box.greeting() == "on trial" and box.history()[0]["state"] == "confirmed", f"{box.history()[0]}")
        expect(box.records("--boot", "0")[0]["seq"] > seq, "numbers of records fall")


tap = Tap()
with Box(build, "clock") as appliance:
    appliance.set_clock(0)
    appliance.start()
    appliance.put("/services/acme-probe/enabled", "true")
    appliance.put("/services/acme-probe/grants", '["config.read:/acme-probe"]')
    appliance.ctl("config", "commit")
    appliance.until(20, lambda: appliance.running("acme-probe"), "acme-probe runs")
    tap.test("the library sets the clock of the daemon and its workers", really_set, appliance)
    for far, name in ((YEARS, "ten years on"), (-YEARS, "ten years back"), (3600 - time.time(), "to 1970")):
        tap.test(f"a commit is undone at its time: the clock {name}", confirmed_or_not, appliance, far)
    tap.test("revisions are in the order of their numbers", order_of_revisions, appliance)
    tap.test("health reports since when by the clock of now", since_when, appliance)
    tap.test("the log's last minutes are that", records_of_the_last_minutes, appliance)
    tap.test("backoff and breaker take their time", breaker_and_backoff, appliance)
    tap.test("tokens, sessions and requests go on", sessions_and_requests, appliance)
    tap.test("rates and locks go by the time that passes", rates_and_locks, appliance)
    tap.test("crash reports are in order", order_of_crashes, appliance)
    tap.test("who follows the log comes along", followed_into_another_age, appliance)
tap.test("a token that expired stays so, whatever the clock shows", tokens_expire)
tap.test("failed starts are counted by the time that passed", starts_are_counted)
tap.test("a machine that starts in 1970", nineteen_seventy)
tap.end()
