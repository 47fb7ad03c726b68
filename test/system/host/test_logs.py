#!/usr/bin/env python3
"""What happened is known after a restart: records and crash reports in files, levels, full disks, loaders' words."""
import json
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "lib"))
from appliance import Appliance, Tap, expect, need_root, run  # noqa: E402

need_root()
build = sys.argv[1]


def records(box, *words):
    return [json.loads(line) for line in box.ctl("logs", "-o", "json", *words).stdout.splitlines()]


def restart(box):
    box.kill()
    box.start()


def before_the_kill(box):
    mine = records(box, "--boot", "0")
    expect(mine[0]["event"] == "host.start", f"a run begins with {mine[0]}")
    restart(box)
    now = {r["seq"]: r for r in records(box, "--since", "1h")}
    lost = [r for r in mine if now.get(r["seq"]) != r]
    expect(not lost, f"{len(lost)} of {len(mine)} records are gone: {lost[:2]}")
    expect(sorted(now) == list(now), "records are not in order")
    restart(box)
    expect([r["seq"] for r in records(box, "--boot", "-2")][:len(mine)] == [r["seq"] for r in mine], "the run before the last")
    expect(len(box.ctl("logs", "--list-boots").stdout.splitlines()) == 4, "three runs are listed")
    text = box.ctl("logs", "--boot", "-9", ok=False)
    expect(text.returncode == 4 and "-2 to 0" in text.stderr, f"{text}")


def chosen(box):
    now = time.time()
    begin = records(box, "--boot", "0")[0]["time-us"] / 1e6
    whole = records(box, "--since", f"{int(now - begin) + 1}s")
    expect(whole and all(r["time-us"] / 1e6 > begin - 1.5 for r in whole), "--since")
    stamp = box.ctl("logs", "--boot", "0", "-o", "full").stdout[:len("2026-01-01 00:00:00.000000+0000")]
    early = records(box, "--until", stamp)
    expect(early and all(r["time-us"] / 1e6 < begin for r in early), f"--until {stamp}, the run began at {begin}: {early[-2:]}")
    expect(early[-1]["seq"] == records(box, "--boot", "-1")[-1]["seq"], "--until the start of a run ends with the run before")
    ready = box.ctl("logs", "--boot", "0", "--grep", r'service\.ready service="(api|routing)"').stdout
    expect(len(ready.splitlines()) == 2, f"--grep: {ready}")
    expect(len(records(box, "-n", "3")) == 3, "-n")
    expect(records(box, "--boot", "-1", "-n", "2") == records(box, "--boot", "-1")[-2:], "-n of a run")
    expect(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}[+-]\d{4} ", box.ctl("logs", "-o", "full").stdout), "-o full")
    for words, text in ((("--since", "soon"), '"soon"'), (("--until", "25:00"), '"25:00"'), (("--boot", "x"), '"x"'),
                        (("--grep", "("), "missing closing"), (("-o", "loud"), "short, full or json"), (("-n", "0"), "-n"),
                        (("--since", "1h", "--until", "2h"), "before"), (("--service", "nosuch"), "nosuch"), (("--level", "loud"), "loud")):
        done = box.ctl("logs", *words, ok=False)
        expect(done.returncode and text in done.stderr, f"{words}: {done}")


def damaged(box):
    box.kill()
    path = f"{box.dir}/state/log.jsonl"
    whole = open(path, "rb").read()
    open(path, "wb").write(whole + b'not ours\n{"seq":12,"time-us"')
    box.start()
    done = box.ctl("logs", "--since", "1h")
    expect("1 line of the log files" in done.stderr, f"{done.stderr}")
    expect(len(done.stdout.splitlines()) > whole.count(b"\n"), "the others are there")


def levels(box):
    def of(service):
        return len(records(box, "--boot", "0", "--service", service))

    for path, value, text in (("level", "loud", "warning"), ("services/nosuch", "info", "not known")):
        done = box.ctl("config", "set", f"/system/logging/{path}", value, ok=False)
        expect(done.returncode == 3 and text in done.stderr, f"{done}")
    box.ctl("config", "set", "system", "logging", "services", "config", "error")
    box.ctl("config", "commit")
    box.ctl("config", "set", "services", "acme-probe", "enabled", "false")
    before = of("config")
    box.ctl("config", "commit")
    expect(of("config") == before, "a level counts from its commit on")
    orders = len(records(box, "--boot", "0", "--grep", "audit.order"))
    box.ctl("config", "set", "system", "logging", "services", "host", "error")
    box.ctl("config", "commit")
    box.ctl("service", "restart", "routing")
    expect(len(records(box, "--boot", "0", "--grep", "audit.order")) > orders, "orders are recorded at any level")
    box.ctl("config", "delete", "system")
    box.ctl("config", "commit")
    box.until(10, lambda: [box.ctl("service", "restart", "routing"),
                           records(box, "--boot", "0", "--grep", "service.stat")][1][-1]["time-us"] / 1e6 > time.time() - 5, "as before")


def followed(box):
    seen = open(f"{box.dir}/followed", "wb")
    mark = records(box, "-n", "1")[0]["seq"]
    follower = subprocess.Popen([f"{build}/orbctl", "logs", "-f", "-n", "1", "-o", "json"], stdout=seen, stderr=subprocess.DEVNULL,
                                env={**os.environ, "ORBITAL_SOCKET": f"{box.dir}/run/control.sock"})

    def got():
        return [json.loads(line)["seq"] for line in open(f"{box.dir}/followed") if line.endswith("\n")]
    try:
        box.until(10, got, "the first record")
        first = got()[0]
        expect(first >= mark, "the newest")
        for _ in range(2):
            restart(box)
        wanted = [r["seq"] for r in records(box, "--since", "1h") if r["seq"] >= first]
        box.until(20, lambda: got()[-1] >= wanted[-1], "the follower comes back")
        seen = got()
        expect(len(set(seen)) == len(seen), "twice")
        expect(seen[:len(wanted)] == wanted, f"lost: {sorted(set(wanted) - set(seen))}, not in the files: "
                                             f"{[s for s in seen if s < wanted[-1] and s not in wanted]}")
    finally:
        follower.kill()
        follower.wait()


def crashes(box):
    pid = box.service("interfaces")["pid"]
    os.kill(pid, signal.SIGKILL)
    box.until(10, lambda: box.json("crashes", "interfaces")["crashes"], "a report")
    box.until(10, lambda: os.path.exists(f"{box.dir}/state/crashes/interfaces-0.json"), "its file")
    restart(box)
    report = box.json("crashes", "interfaces")["crashes"]
    expect(len(report) == 1 and report[0]["pid"] == pid, f"{report}")
    expect(f"pid {pid}" in box.ctl("crashes").stdout, "crashes of all")
    for _ in range(2):
        now = box.until(10, lambda: box.service("interfaces")["pid"], "it runs")
        os.kill(now, signal.SIGKILL)
        box.until(10, lambda: box.service("interfaces")["pid"] not in (0, now), "it is started again")
    pids = [c["pid"] for c in box.json("crashes", "interfaces")["crashes"]]
    expect(len(pids) == 3 and pids[0] == pid, f"oldest first: {pids}")
    open(f"{box.dir}/state/crashes/interfaces-0.json", "w").write("{")
    restart(box)
    expect([c["pid"] for c in box.json("crashes", "interfaces")["crashes"]] == pids[1:], "one damaged file costs one report")


def scrapes(root):
    box = root
    box.kill()
    saved, box.command = box.command, lambda *more: [w if w != "debug" else "info" for w in Appliance.command(box, *more)]
    try:
        box.start()
        box.until(10, lambda: box.service("api")["state"] == "Running", "api")
        token = f"Authorization: Bearer {box.json('token', 'create', 'scraper', 'metrics')['token']}"
        before = len(records(box, "--boot", "0", "--service", "api"))
        for path in ("metrics", "healthz", "readyz"):
            done = run(*box.inside("curl", "-s", "-H", token, "-o", "/dev/null", "-w", "%{http_code}", f"http://127.0.0.1:8080/{path}"), check=False)
            expect(done.stdout in ("200", "503" if path == "readyz" else "200"), f"{path}: {done}")
        after = records(box, "--boot", "0", "--service", "api")
        expect(len(after) == before, f"scrapes are records: {after[before:]}")
    finally:
        box.kill()
        box.command = saved


class Small(Appliance):
    """Its state is on a file system of 2 MiB."""

    def __enter__(self):
        super().__enter__()
        os.mkdir(f"{self.dir}/state")
        run("mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "orbt-small", f"{self.dir}/state")
        return self

    def __exit__(self, *args):
        self.kill(signal.SIGTERM)
        run("umount", "-l", f"{self.dir}/state", check=False)
        super().__exit__(*args)


def full_disk():
    with Small(build, "full") as box:
        box.start()
        filler = f"{box.dir}/state/filler"
        with open(filler, "wb") as f:
            try:
                while True:
                    f.write(b"x" * 65536)
                    f.flush()
            except OSError:
                pass
        for size in range(100):  # also the last bytes of its last page
            box.ctl("service", "start", "nosuch" + "x" * (size % 50), ok=False)
        metrics = box.json("metrics")["text"]
        expect(int(re.search(r"^orbital_log_lost_total (\d+)", metrics, re.M)[1]) > 0, "what is lost is counted")
        expect("orbital_log_not_written 1" in metrics, "and reported")
        box.until(10, lambda: "No space left" in box.ctl("show", "health", ok=False).stdout, "show health reports it")
        expect(box.ctl("logs", "-n", "5", "--grep", "log.not-written").stdout, "in memory they are")
        for name in os.listdir(f"{box.dir}/state"):
            if name.startswith("log.jsonl"):
                text = open(f"{box.dir}/state/{name}", "rb").read()
                expect(not text or text.endswith(b"\n"), f"{name} ends in half a line")
                for line in text.splitlines():
                    json.loads(line)
        os.unlink(filler)
        box.ctl("service", "start", "nosuch", ok=False)
        box.until(10, lambda: "log.written-again" in open(f"{box.dir}/state/log.jsonl").read(), "it continues")
        box.until(10, lambda: "No space left" not in box.ctl("show", "health", ok=False).stdout, "health is updated")
        expect("orbital_log_not_written 0" in box.json("metrics")["text"], "written again")


BROKEN = {  # source, or how to damage the good one; the expected text
    "x-symbol": ("int nowhere_to_be_found(void); int use(void) { return nowhere_to_be_found(); } int orbital_plugin;",
                 "undefined symbol: nowhere_to_be_found"),
    "x-noplugin": ("int something_else;", "exports no orbital_plugin"),
    "x-abi": ("struct { unsigned abi; } orbital_plugin = {77777};", "another version"),
    "x-constructor": ("#include <stdlib.h>\nint orbital_plugin;\n__attribute__((constructor)) static void c(void) { abort(); }",
                      "while its library was loaded"),
    "x-library": (None, "libabsent-x.so.1"),
    "x-cut": (lambda b: b[:len(b) // 2], "cut off"),
    "x-head": (lambda b: b[:40], "cut off"),
    "x-text": (lambda b: b"#!/bin/sh\nexit 0\n" * 20, "no shared object"),
    "x-arch": (lambda b: b[:18] + b"\xb7\x00" + b[20:] if b[18:20] == b"\x3e\x00" else b[:18] + b"\x3e\x00" + b[20:], "was built for"),
    "x-exec": (lambda b: b[:16] + b"\x02\x00" + b[18:], "no shared object"),
}


def compile_to(path, source, *more):
    run("cc", "-shared", "-fPIC", "-x", "c", "-", "-x", "none", "-o", path, *more, input=source)


def lay_out(root):
    compile_to(f"{root}/libabsent-x.so", "int absent_x;", "-Wl,-soname,libabsent-x.so.1")
    for name, (what, _) in BROKEN.items():
        os.makedirs(f"{root}/packages/{name}/lib")
        lib = f"{root}/packages/{name}/lib/{name}.so"
        if what is None:
            compile_to(lib, "extern int absent_x; int orbital_plugin; int *use = &absent_x;", f"{root}/libabsent-x.so")
        elif callable(what):
            compile_to(lib, "int orbital_plugin;")
            data = what(open(lib, "rb").read())
            open(lib, "wb").write(data)
        else:
            compile_to(lib, what)
        json.dump({"name": name, "version": "1.0.0", "description": "broken", "library": f"lib/{name}.so", "requires": ["config"],
                   "capabilities": [], "restart": {"backoff-ms": 50, "breaker": {"failures": 1, "window-s": 60, "cooldown-s": 60}}},
                  open(f"{root}/packages/{name}/manifest.json", "w"))
        json.dump({"interface": name, "version": "1.0", "methods": {}, "events": {}}, open(f"{root}/packages/{name}/schema.json", "w"))


def loaders_words():
    with Appliance(build, "load") as box:
        lay_out(box.dir)
        box.packages.append(f"{box.dir}/packages")
        box.start()
        for name in BROKEN:
            box.ctl("config", "set", "services", name, "enabled", "true")
        box.ctl("config", "commit")
        wrong = []
        for name, (_, text) in BROKEN.items():
            box.until(15, lambda n=name: box.service(n)["state"] in ("Failed", "Restarting") and box.service(n)["reason"], f"{name} fails")
            told = {"service show": box.service(name)["reason"],
                    "logs": box.ctl("logs", "--boot", "0", "--grep", f'worker.exited service="{name}"').stdout,
                    "crash report": json.dumps(box.json("crashes", name)["crashes"]) + box.service(name)["reason"] * (name == "x-constructor")}
            wrong += [f"{name}, {where}: {shown}" for where, shown in told.items() if text not in shown]
        expect(not wrong, "\n".join(wrong))


def taken_away():
    """The log file, then the whole state directory, under the daemon that runs."""
    with Appliance(build, "taken") as box:
        box.start()
        path = f"{box.dir}/state/log.jsonl"
        os.unlink(path)
        made = iter(range(1000))

        def continues():
            name = f"after{next(made)}"
            box.ctl("token", "create", name, "viewer")
            return os.path.exists(path) and f"after{int(name[5:]) - 1}" in open(path).read()
        box.until(30, continues, "the log continues")
        os.rename(f"{box.dir}/state", f"{box.dir}/kept")
        box.until(10, lambda: "was removed while the daemon ran" in box.ctl("show", "health", ok=False).stdout, "it is reported")
        os.mkdir(f"{box.dir}/state")
        box.until(10, lambda: "was replaced by another directory" in box.ctl("show", "health", ok=False).stdout, "another is none")
        os.rmdir(f"{box.dir}/state")
        os.rename(f"{box.dir}/kept", f"{box.dir}/state")
        box.until(10, lambda: "state" not in box.ctl("show", "health", ok=False).stdout, "put back")


tap = Tap()
with Appliance(build, "logs") as appliance:
    appliance.start()
    tap.test("every record from before a kill is there afterwards", before_the_kill, appliance)
    tap.test("time, run, pattern and number choose records", chosen, appliance)
    tap.test("damaged lines are counted, a torn one is cut off", damaged, appliance)
    tap.test("levels of the configuration count at once", levels, appliance)
    tap.test("following continues over restarts, nothing lost or twice", followed, appliance)
    tap.test("crash reports outlive the daemon", crashes, appliance)
    tap.test("scrapes are no records", scrapes, appliance)
tap.test("a full disk has whole lines or none, and it is reported", full_disk)
tap.test("files that are taken away under the daemon are missed", taken_away)
tap.test("messages of the loader reach users", loaders_words)
tap.end()
