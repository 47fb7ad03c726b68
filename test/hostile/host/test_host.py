#!/usr/bin/env python3
"""Hostile packages and hostile clients against a real daemon. Each attempt is checked from the host's
side; all the time another client calls the host and a well-behaved package, which must continue to answer."""
import json
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import time

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(here, "..", "..", "lib")]
from appliance import Appliance, Failed, expect, processor_s, run  # noqa: E402
from clients import client_attempts  # noqa: E402
from lab import build, MEMORY_TIMES, SANITIZED, only, tap, attempts, successes, attempt, Watch, words_of, no_win, start, stop, ended, lives, here  # noqa: E402
from packages import schema, manifest, package, write, name_of, lay_out, broken_objects, FRAMES, ENDS, LIVES, FLOODS, CONFIG, TAKEN, lay_out_names, malformed, check_malformed  # noqa: E402
from wire import Client, HELLO, Refused, REQ, STOP, SUB, frame, quantile  # noqa: E402

FLOOD_S = 1.1  # a little longer than FLOOD_MS of attacker_floods.c

# ---- services that spoil commits ----

def spoils(box, watch, name, reason):
    """A commit that the attacker takes part in fails, is undone everywhere, and names the service at fault."""
    before = box.json("config", "show", "acme-probe", "greeting")
    start(box, name)
    box.until(10, lambda: box.service(name)["state"] == "Running", f"{name} runs")
    box.ctl("config", "set", name, "x", "7")
    box.ctl("config", "set", "acme-probe", "greeting", f"with {name}")
    done = box.ctl("config", "commit", ok=False)
    expect(done.returncode != 0, "the commit went through")
    expect(re.search(reason, done.stderr), f"the refusal reports: {done.stderr.strip()}")
    expect(box.json("config", "show", "acme-probe", "greeting") == before, "half of it was applied")
    expect(box.call("acme-probe", "status")["greeting"] == before, "the good service has the new value")
    box.ctl("config", "discard")
    stop(box, name)
    no_win(box, name)
    watch.sound()
    box.ctl("config", "set", "acme-probe", "greeting", f"after {name}")
    box.ctl("config", "commit")
    expect(box.call("acme-probe", "status")["greeting"] == f"after {name}", "the next commit does not work")


# ---- answers of a hostile provider ----

def forged_answers(box, watch, name, calls, allowed):
    start(box, name)
    box.until(10, lambda: box.service(name)["state"] == "Running", f"{name} runs")
    client = Client(watch.sock)
    for _ in range(calls):
        try:
            got = client.call(name, "echo", {"text": "asked"})
        except Refused as e:
            expect(e.code in ("internal",), f"refused with {e}")
            expect("\x1b" not in str(e), "an escape sequence reaches the caller")
            continue
        expect(allowed and got == {"text": "once"}, f"the caller was told {got}")
    client.close()
    no_win(box, name)
    watch.sound()
    stop(box, name)


# ---- words ----

def log_words(box, watch):
    name = name_of("log_words")
    lives(box, watch, name, 0.7)
    for n, line in enumerate(open(f"{box.dir}/state/log.jsonl", "rb")):
        try:
            record = json.loads(line)
        except ValueError:
            raise Failed(f"line {n + 1} of log.jsonl is no record: {line[:120]}") from None
        expect(not (record["service"] == "config" and record["event"] == "forged"), "a record of config was forged")
    text = open(f"{box.dir}/log", "rb").read()
    expect(b"\x1b" not in text, "an escape sequence is in the daemon's log")
    expect(not re.search(rb"(?m)^notice  config       forged", text), "a line of the daemon's log was forged")
    shown = box.ctl("logs", "--service", name, ok=False)
    expect(shown.returncode == 0 and "\x1b" not in shown.stdout, f"orbctl logs: {shown.stderr or 'an escape sequence reaches the terminal'}")
    box.json("service", "show", name)


def metric_words(box, watch):
    name = name_of("metric_words")
    lives(box, watch, name, 0.7)
    families, series = set(), set()
    text = box.call("host@1", "metrics")["text"]
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            family = line.split()[2]
            expect(family not in families, f"the family {family} occurs twice")
            families.add(family)
        elif not line.startswith("# "):
            key, value = line.rsplit(" ", 1)
            expect(re.fullmatch(r"[a-z_0-9]+(\{[^{}]*\})?", key) and (float(value) >= 0), f"bad line: {line}")
            expect(key not in series, f"{key} occurs twice")
            series.add(key)
    expect(text.endswith("# EOF\n") and text.count("# EOF") == 1, "the end is forged")
    ups = [line for line in text.splitlines() if line.startswith(f'orbital_service_up{{service="{name}"}}')]
    expect(len(ups) == 1 and ups[0].endswith(" 0"), f"a stopped service reports: {ups}")


def log_big(box, watch):
    name = name_of("log_big")
    start(box, name)
    box.until(20, lambda: box.json("service", "show", name, "crashes")["crashes"], "a crash report")
    for args in (("logs",), ("logs", "--service", name), ("service", "show", name, "crashes")):
        done = box.ctl("--json", *args, ok=False)
        expect(done.returncode == 0, f"orbctl {' '.join(args)}: {done.stderr.strip()}")
    expect(box.call("host@1", "logs", {"limit": 1000})["records"], "no records")
    box.until(20, lambda: len(box.json("service", "show", name, "crashes")["crashes"]) >= 3, "more crashes")
    box.json("service", "show", name, "crashes")
    stop(box, name)
    watch.sound()


def state_files(box, watch):
    """30 000 files: no start walks through all of them."""
    name = name_of("state_files")
    start(box, name)
    box.until(30, lambda: any("made" in w for w in words_of(box, name)), "files were made")
    stop(box, name)
    watch.sound()

    def costs(which):
        before = processor_s(box.daemon.pid, True)
        for _ in range(2):
            start(box, which)
            stop(box, which)
        return processor_s(box.daemon.pid, True) - before
    many, none, before = costs(name), costs("v-interpose"), resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(2):
        run("find", f"{box.dir}/state/services/{name}", "-printf", "%m%u")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    walks = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"# two starts with 30 000 files in the state directory: {many:.2f} s of the loop's processor time, "
          f"without: {none:.2f} s; two walks: {walks:.2f} s")
    expect(many - none < walks / 2, f"the host was busy for {many:.2f} s, without files for {none:.2f} s, and walks take {walks:.2f} s")
    watch.sound("state files")


def interposed(box, watch):
    name = "v-interpose"
    start(box, name)
    box.until(10, lambda: box.service(name)["state"] == "Running", "it runs as any other")
    expect(Client(watch.sock).call(name, "echo", {"text": "x"}) == {"text": "x"}, "it does not answer")
    no_win(box, name)
    stop(box, name)
    watch.sound()


def replaced(box, watch, root):
    """The directory changes while workers start from it."""
    name = "v-replaced"
    other = f"{root}/.other"
    shutil.copytree(f"{root}/{name}", other)
    write(f"{other}/lib/{name}.so", b"\x7fELF" + bytes(3000))
    start(box, name)
    for i in range(40):
        box.ctl("service", "restart", name)
        os.rename(f"{root}/{name}", f"{root}/.swap")
        if i % 4 == 3:
            os.symlink("/etc", f"{root}/{name}")
            time.sleep(0.005)
            os.unlink(f"{root}/{name}")
        os.rename(other, f"{root}/{name}")
        os.rename(f"{root}/.swap", other)
    expect(box.daemon.poll() is None, "the daemon died")
    stop(box, name)
    no_win(box, name, False)
    watch.sound()


def paused(box, watch):
    box.daemon.send_signal(signal.SIGSTOP)
    begin = time.monotonic()
    s = Client(watch.sock, hello=False, timeout=60)
    s.send(frame(HELLO, {"abi": 1}) + frame(REQ, {"to": "host@1", "method": "boot"}, {}, corr=1) * 200)
    time.sleep(3)  # the pause is what is tested
    box.daemon.send_signal(signal.SIGCONT)
    s.next()
    s.close()
    time.sleep(1)
    watch.control.take()  # those requests waited for the stopped host
    watch.sound()
    print(f"# paused for {time.monotonic() - begin:.1f} s")


def gives_back(box, watch, fds):
    box.until(10, lambda: watch.fds() <= fds + 2, f"{fds} descriptors before, {watch.fds()} now")
    expect(watch.memory_mb() < 256 * MEMORY_TIMES, f"the host has {watch.memory_mb()} MB")
    mine = open(f"/proc/{box.daemon.pid}/task/{box.daemon.pid}/children").read().split()
    for pid in mine:
        state = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0]
        expect(state != "Z", f"worker {pid} was not reaped")
    watch.sound()


# ---- the runs ----

def main_run(root):
    asked_for = lay_out(root)
    objects = broken_objects(root)
    for name, module in {"v-interpose": "attacker_interpose", "v-replaced": "attacker"}.items():
        caps = [f"config.read:/{name}"]
        package(root, name, name[2:], module, mani=manifest(name, capabilities=caps))
        asked_for[name] = caps
    with Appliance(build, "hostile", packages=[root]) as box:
        box.start()
        services = {name: {"grants": caps, "enabled": False} for name, caps in asked_for.items()}
        services["firewall"] = {"enabled": False}  # it has no data plane here and would come and go
        services["acme-probe"] = {"grants": ["config.read:/acme-probe"], "enabled": True}
        ops = [{"op": "merge", "path": "/services", "value": services},
               {"op": "set", "path": "/acme-probe/greeting", "value": "before"}]
        Client(f"{box.dir}/run/control.sock").call("config@1", "edit", {"ops": ops})
        box.ctl("config", "commit")
        box.until(10, lambda: box.service("acme-probe")["state"] == "Running", "acme-probe runs")
        watch = Watch(box)
        fds = watch.fds()
        for name in objects:
            attempt(f"{name}: a shared object that is none", ended, box, watch, name, "load|status 120|SIGBUS|SIGSEGV|not ready in time|cannot|orbital|step|version|exports|ELF|file", False)
        attempt("exported names of the host are not taken", interposed, box, watch)
        for attack in CONFIG:
            attempt(f"commit with {attack}", spoils, box, watch, name_of(attack), "v-")
        for attack, words in FRAMES.items():
            attempt(f"frame {attack}", ended, box, watch, name_of(attack), words)
        for attack, words in ENDS.items():
            if attack == "memory" and SANITIZED:
                tap.skip("worker memory", "sanitizers run workers without limits of memory")
                continue
            attempt(f"worker {attack}", ended, box, watch, name_of(attack), words)
        attempt("worker ignores STOP", ended_by_stop, box, watch)
        for attack, mark in LIVES.items():
            attempt(f"refused {attack}", lives, box, watch, name_of(attack), 2, mark)
        attempt("descriptors sprayed", sprayed, box, watch)
        attempt("replies to the requests of others", lives, box, watch, name_of("replies"), 2, "forged replies", "forged replies")
        attempt("each request answered three times", forged_answers, box, watch, name_of("twice"), 40, True)
        attempt("answers that break the contract", forged_answers, box, watch, name_of("outputs"), 40, False)
        attempt("a log that forges records", log_words, box, watch)
        attempt("metrics with the host's names", metric_words, box, watch)
        attempt("logs too big to show", log_big, box, watch)
        for attack in ("regex", "any", "unique"):
            attempt(f"schema bomb {attack}", lives, box, watch, name_of(attack), 3, f"notes: {attack}", f"schema {attack}")
        attempt("a full state directory", state_files, box, watch)
        for attack in FLOODS:
            attempt(f"flood {attack}", lives, box, watch, name_of(attack), FLOOD_S, None, f"flood {attack}")
        attempt("unread events", deaf_subscriber, box, watch)
        attempt("the package directory changes under the spawn", replaced, box, watch, root)
        client_attempts(box, watch)
        attempt("the host stopped and continued", paused, box, watch)
        tap.test("everything is given back", gives_back, box, watch, fds)
        tap.test("the good package answered all the time", still_good, box, watch)
        worst = max((r for r in watch.ratios), key=lambda r: r[1], default=("none", 0))
        print(f"# others' p99 under attack against quiet: worst {worst[1]:.1f} ({worst[0]}), "
              f"median {quantile([r for _, r in watch.ratios], .5):.1f}; target 2")
        watch.control.ending = True
        tap.test("the daemon stops cleanly", stops, box)


def still_good(box, watch):
    expect(watch.control.count > 2 * len(attempts), f"the control asked only {watch.control.count} times")
    watch.sound()


def stops(box):
    expect(box.kill(signal.SIGTERM) == 0, "exit status")


def ended_by_stop(box, watch):
    name = name_of("pong_flood")  # ready, answers pings, reads nothing else
    start(box, name)
    box.until(10, lambda: box.service(name)["state"] == "Running", "it runs")
    stop(box, name)
    report = box.json("service", "show", name, "crashes")["crashes"][-1]
    expect("did not stop in time" in report["ended-because"], f"{report['ended-because']}")
    watch.sound()


def sprayed(box, watch):
    name, before = name_of("fds"), watch.fds()
    ended(box, watch, name, "file descriptors are not accepted")
    box.until(5, lambda: watch.fds() <= before + 1, f"{before} descriptors before, {watch.fds()} after")


def deaf_subscriber(box, watch):
    """A client subscribes to a flood and does not read; another one reads and must get gaps only as numbers."""
    deaf = Client(watch.sock)
    deaf.send(frame(SUB, {"to": name_of("events"), "topic": "noise"}, corr=1))
    start(box, name_of("events"))
    time.sleep(FLOOD_S)  # the flood's own length
    watch.sound("flood to a deaf subscriber")
    expect(watch.memory_mb() < 200 * MEMORY_TIMES, f"the host has {watch.memory_mb()} MB")
    stop(box, name_of("events"))
    deaf.close()


def names_run(root):
    """Packages that claim others' interfaces, and circles: the appliance boots and belongs to itself."""
    lay_out_names(root)
    with Appliance(build, "names", packages=[root]) as box:
        begin = time.monotonic()
        box.start()
        print(f"# operational after {time.monotonic() - begin:.1f} s")
        for name in ("aaa-config", "zzz-config", "r-self", "r-one", "r-two", "r-three", "r-none", "u-none", "u-later"):
            box.ctl("config", "set", "services", name, "enabled", "true", ok=False)
        box.ctl("config", "set", "services", "acme-probe", "enabled", "true")
        box.ctl("config", "set", "services", "acme-probe", "grants", '["config.read:/acme-probe"]')
        box.ctl("config", "commit")
        box.until(10, lambda: box.service("acme-probe")["state"] == "Running", "acme-probe runs")
        for taken in TAKEN:
            for side in ("aaa", "zzz"):
                attempt(f"{side} takes the interface {taken}", takes, box, taken, f"{side}-{taken}")
        attempt("circles of requirements are not waited for", circles, box)
        attempt("schemas too big for one answer", many_schemas, box)
        tap.test("the daemon stops cleanly with circles", stops, box)


def takes(box, taken, name):
    box.ctl("service", "start", name, ok=False)
    real = taken in [s["name"] for s in box.json("show", "services")["services"] if s["state"] == "Running"]
    pid = box.service("config")["pid"]
    if taken == "config":  # the moment it has no provider
        os.kill(pid, signal.SIGKILL)
    elif real:
        box.ctl("service", "stop", taken)
        box.until(8, lambda: box.service(taken)["pid"] == 0, f"{taken} stops")
    time.sleep(0.3)  # its chance to slip in
    listed = box.call("host@1", "interfaces")["interfaces"]
    mine = [i for i in listed if i["provider"] == name] if listed and "provider" in listed[0] else \
           [i for i in listed if name in json.dumps(i)]
    expect(not mine, f"{name} provides {mine}")
    described = box.ctl("--json", "ipc", "describe", taken, ok=False).stdout
    expect('"echo"' not in described or taken == "acme-probe", f"{taken} has the contract of {name}")
    if real:
        if taken != "config":
            box.ctl("service", "start", taken)
        box.until(10, lambda: box.service(taken)["state"] == "Running", f"{taken} runs again")
    box.until(5, lambda: box.call("config", "get", {"path": "/services/acme-probe"})["value"], "config answers")


def circles(box):
    box.kill(signal.SIGTERM)
    box.start()
    for name in ("r-self", "r-one", "r-none", "u-none", "u-later"):
        s = box.service(name)
        expect(s["pid"] == 0 and s["reason"], f"{name}: {s}")
    box.ctl("config", "set", "acme-probe", "greeting", "through")
    box.ctl("config", "commit")


def many_schemas(box):
    expect(box.service("config")["state"] == "Running", "config does not run")
    box.ctl("config", "set", "acme-probe", "greeting", "still known")
    box.ctl("config", "commit")


def full_run():
    """No space left: a commit fails with the reason, nothing is lost, and with space again all works."""
    with Appliance(build, "full") as box:
        os.mkdir(f"{box.dir}/state")
        run("mount", "-t", "tmpfs", "-o", "size=6m,mode=0755", "orbt-full", f"{box.dir}/state")
        try:
            box.start()
            box.ctl("config", "set", "services", "acme-probe", "enabled", "true")
            box.ctl("config", "set", "services", "acme-probe", "grants", '["config.read:/acme-probe"]')
            box.ctl("config", "set", "acme-probe", "greeting", "kept")
            box.ctl("config", "commit")
            attempt("no space: commits fail in words and lose nothing", no_space, box)
        finally:
            box.kill(signal.SIGTERM)
            run("umount", "-l", f"{box.dir}/state", check=False)


def no_space(box):
    def greeting():
        return box.json("config", "show", "acme-probe", "greeting")
    filler = f"{box.dir}/state/filler"
    with open(filler, "wb", buffering=0) as f:
        try:
            while f.write(b"x" * 4096):
                pass
        except OSError:
            pass
    failed = 0
    for i in range(80):
        running = greeting()
        edit = box.ctl("config", "set", "acme-probe", "greeting", "x" * 150 + str(i), ok=False)
        done = box.ctl("config", "commit", ok=False) if edit.returncode == 0 else edit
        if done.returncode:
            failed += 1
            expect("space" in done.stderr, f"the refusal reports: {done.stderr.strip()}")
            expect(greeting() == running, "what failed is running")
    expect(failed, "every commit went through: the disk is not full")
    before = greeting()
    expect(box.call("acme-probe", "status")["greeting"] == before, "the service differs from the configuration")
    for name in ("config", "interfaces", "routing"):
        expect(box.service(name)["state"] == "Running", f"{name} is {box.service(name)['state']}")
    box.ctl("service", "restart", "acme-probe")
    box.until(10, lambda: box.service("acme-probe")["state"] == "Running", "services start without space")
    box.kill(signal.SIGKILL)
    box.start()
    expect(greeting() == before, "lost by a restart without space")
    os.unlink(filler)
    box.ctl("config", "discard", ok=False)
    box.ctl("config", "set", "acme-probe", "greeting", "recovered")
    box.ctl("config", "commit")
    expect(greeting() == "recovered" and box.call("acme-probe", "status")["greeting"] == "recovered", "does not go on")
    box.kill(signal.SIGKILL)
    box.start()
    expect(greeting() == "recovered", "the commit after it is lost")


base = tempfile.mkdtemp(prefix=f"orbt-hostile-{os.getpid()}.", dir="/run")
os.chmod(base, 0o755)
try:
    for sub in ("malformed", "main", "names"):
        os.mkdir(f"{base}/{sub}")
    for where, what, words in malformed(f"{base}/malformed"):
        attempt(f"malformed package: {what}", check_malformed, where, words)
    names_run(f"{base}/names")
    full_run()
    main_run(f"{base}/main")
finally:
    shutil.rmtree(base, ignore_errors=True)
print(f"# {len(attempts)} attempts, {len(successes)} successes{': ' + ', '.join(successes) if successes else ''}")
if len(attempts) < 150 and not only:
    tap.test("enough attacks ran", expect, False, f"only {len(attempts)}")
tap.end()
