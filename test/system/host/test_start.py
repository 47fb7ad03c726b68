#!/usr/bin/env python3
"""How orbitald starts when something around it is not right, and what ends it and what does not."""
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from appliance import Appliance, Failed, Tap, expect, need_root, run, seeded  # noqa: E402

need_root()
build = os.path.realpath(sys.argv[1])
tap = Tap()
chance = seeded()
EARLY = 16  # starts among which the signals are divided
# Signals that may not end the daemon: all but TERM, INT, what no process can refuse, and ctrl-Z.
HARMLESS = [n for n in range(1, signal.SIGRTMAX + 1)
            if n not in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGINT, signal.SIGTSTP)
            and n not in (32, 33)]
FAULTS = (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT, signal.SIGTRAP, signal.SIGSYS)
ASAN = b"__asan_init" in open(f"{build}/orbitald", "rb").read()
if ASAN:
    HARMLESS = [n for n in HARMLESS if n not in FAULTS]  # they are the sanitizer's


def tokens_file(box):
    return f"{box.dir}/state/auth/tokens.json"


def damage_half(path):
    data = open(path, "rb").read()
    open(path, "wb").write(data[:60])


def damage_letter(path):
    """One digit of a hash: still JSON, still a token, but that of no user."""
    data = open(path).read()
    at = data.index('"hash":"') + 8
    open(path, "w").write(data[:at] + ("0" if data[at] != "0" else "1") + data[at + 1:])


def damage_dir(path):
    os.unlink(path)
    os.mkdir(path)


DAMAGES = {
    "half": damage_half,
    "empty": lambda path: open(path, "w").close(),
    "noise": lambda path: open(path, "wb").write(chance.randbytes(200)),
    "a letter": damage_letter,
    "a directory": damage_dir,
    "another user's": lambda path: os.chown(path, 12345, 12345),
    "a fifo": lambda path: (os.unlink(path), os.mkfifo(path)),
    "open to all": lambda path: os.chmod(path, 0o666),
    "in a directory of another user": lambda path: os.chown(os.path.dirname(path), 12345, 12345),
}


def tokens_damaged(name):
    with Appliance(build, "tokens") as box:
        box.start()
        box.ctl("token", "create", "anne", "operator")
        box.kill()
        DAMAGES[name](tokens_file(box))
        box.start()
        refused = box.ctl("--wait", "0", "token", "list", ok=False)
        expect(refused.returncode and "/state/auth" in refused.stderr and "token create" in refused.stderr,
               f"refused reports {refused.stderr!r}")
        box.ctl("token", "create", "other", "viewer")
        names = [t["name"] for t in box.call("auth@1", "token-list")["tokens"]]
        expect(names == ["other"], f"tokens are {names}")
        aside = [f for f in os.listdir(f"{box.dir}/state/auth") if f.startswith("tokens.json.damaged-")]
        expect(len(aside) == 1, f"set aside: {aside}")
        expect(os.stat(f"{box.dir}/state/auth").st_uid == 0, "the directory is still another user's")


def tokens_put_right():
    with Appliance(build, "right") as box:
        box.start()
        box.ctl("token", "create", "anne", "operator")
        box.kill()
        good = open(tokens_file(box)).read()
        damage_half(tokens_file(box))
        box.start()
        open(tokens_file(box), "w").write(good)
        box.daemon.send_signal(signal.SIGHUP)
        box.until(5, lambda: box.call("auth@1", "token-list")["tokens"][0]["name"] == "anne", "the tokens are back")


def tokens_many():
    """Changes that come together are all made, one behind the other."""
    with Appliance(build, "many") as box:
        box.start()
        calls = [subprocess.Popen([f"{build}/orbctl", "token", "create", f"t{i}", "viewer"], stdout=subprocess.PIPE,
                                  env={**os.environ, "ORBITAL_SOCKET": f"{box.dir}/run/control.sock"})
                 for i in range(12)]
        expect([c.communicate() and c.returncode for c in calls] == [0] * 12, "some were refused")
        expect(len(box.call("auth@1", "token-list")["tokens"]) == 12, "some are missing")


def in_the_way(*paths):
    """A directory where a file is wanted."""
    def check():
        with Appliance(build, "way") as box:
            for p in paths:
                os.makedirs(f"{box.dir}/{p}")
            box.start()
            for p in paths:
                expect(f"{box.dir}/{p}" in box.log_text(), f"{p} is not complained of")
    return check


def no_socket():
    """No client can connect, but the services run."""
    with Appliance(build, "nosock") as box:
        os.makedirs(f"{box.dir}/run/control.sock")
        box.start(wait=False)
        box.until(20, lambda: '"phase":"operational"' in box.log_text(), "operational")
        expect("exists and is no socket" in box.log_text(), "the log does not say so")
        expect(box.kill(signal.SIGTERM) == 0, "it does not end as asked")


def read_only():
    """The state is on a file system that turned read-only: the stored configuration runs, and a second daemon is
    refused all the same."""
    with Appliance(build, "ro") as box:
        os.mkdir(f"{box.dir}/state")
        run("mount", "-t", "tmpfs", "tmpfs", f"{box.dir}/state")
        try:
            box.start()
            box.kill(signal.SIGTERM)
            box.read_only_state()
            box.start(wait=False)
            box.until(20, lambda: box.json("show", "boot")["phase"] == "operational", "operational")
            expect("Read-only file system" in box.log_text(), "the log does not say so")
            other = subprocess.run(box.command("--run", f"{box.dir}/run2"), capture_output=True, text=True,
                                   timeout=60)
            expect(other.returncode == 1 and "another orbitald uses" in other.stderr,
                   f"the second: {other.returncode} {other.stderr!r}")
            refused = box.ctl("--wait", "0", "token", "create", "x", "viewer", ok=False)
            expect(refused.returncode and "Read-only" in refused.stderr, f"token: {refused.stderr!r}")
        finally:
            box.kill(signal.SIGTERM)
            run("umount", "-l", f"{box.dir}/state", check=False)


def ignored(pid):
    return int(next(line.split()[1] for line in open(f"/proc/{pid}/status") if line.startswith("SigIgn")), 16)


def signals_late():
    with Appliance(build, "signals") as box:
        box.start()
        for n in HARMLESS:
            box.daemon.send_signal(n)
        box.json("show", "boot")
        expect(box.daemon.poll() is None, f"ended with {box.daemon.poll()}")
        expect(box.service("config")["state"] == "Running", "config does not run")
        mask = ignored(box.service("config")["pid"])
        expect(mask == 1 << (signal.SIGPIPE - 1) | 1 << (signal.SIGXFSZ - 1), f"the worker ignores {mask:#x}")
        expect(box.kill(signal.SIGTERM) == 0, "TERM did not end it with 0")


def signals_early():
    """At every moment of the start: each time four more of them, the first two milliseconds later than before."""
    with Appliance(build, "early") as box:
        for i in range(EARLY):
            begin, some = time.monotonic(), HARMLESS[i::EARLY]
            box.start(wait=False)
            # before main() the kernel decides; this one is the last of those main() takes first of all
            box.until(10, lambda: ignored(box.daemon.pid) >> (signal.SIGRTMAX - 1) & 1, "main")
            if i % 4 == 0:
                box.until(10, lambda: "control" in box.log_text(), "a start")
            for n in some:
                while time.monotonic() < begin + i * 0.002 and i % 4:
                    pass
                box.daemon.send_signal(n)
                begin += EARLY * 0.002
            box.until(20, lambda: box.json("show", "boot"), f"an answer after signals {some}")
            expect(box.daemon.poll() is None, f"one of the signals {some} ended it with {box.daemon.poll()}")
            box.kill(signal.SIGTERM)


def reopened():
    with Appliance(build, "reopen") as box:
        box.start()
        log = f"{box.dir}/state/log.jsonl"
        os.rename(log, log + ".moved")
        box.daemon.send_signal(signal.SIGUSR1)
        box.until(5, lambda: "log.reopened" in open(log).read(), "a new file")


def few_files():
    with Appliance(build, "files") as box:
        limited = ["prlimit", "--nofile=3000:3000", "setpriv", "--bounding-set", "-sys_resource"]
        command = box.command
        box.command = lambda *more: limited + command(*more)
        box.start()
        soft = next(line.split()[3] for line in open(f"/proc/{box.daemon.pid}/limits") if "open files" in line)
        expect(soft == "3000", f"the limit is {soft}")
        expect("host.few-files" in box.log_text(), "the log does not say so")


def too_many():
    """The 129th package is refused, and shown."""
    with Appliance(build, "over") as box:
        more = f"{box.dir}/more"
        for i in range(130):
            name = f"copy-{i:03}"
            os.makedirs(f"{more}/{name}")
            for f in ("manifest.json", "schema.json"):
                text = open(f"{build}/third-party/acme-probe/{f}").read()
                open(f"{more}/{name}/{f}", "w").write(text.replace("acme-probe", name))
        box.packages.append(more)
        box.start()
        refused = box.json("show", "services")["refused"]
        expect(refused and all("128" in r["error"] for r in refused), f"refused: {refused}")
        expect(f"{refused[0]['name']}  " in box.ctl("show", "services").stdout, "not shown")


def handed_over():
    """The control socket by LISTEN_FDS: calls wait in its queue while the daemon is dead."""
    with Appliance(build, "inherit") as box:
        os.mkdir(f"{box.dir}/run")
        path = f"{box.dir}/run/control.sock"
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(path)
            os.chmod(path, 0o660)
            s.listen(64)
            early = subprocess.Popen([f"{build}/orbctl", "--json", "show", "boot"], stdout=subprocess.PIPE,
                                     env={**os.environ, "ORBITAL_SOCKET": path})
            command = box.command
            box.command = lambda *more: ["sh", "-c", f'exec 3<&{s.fileno()}; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@"',
                                         "sh", *command(*more)]
            popen = subprocess.Popen
            subprocess.Popen = lambda *a, **kw: popen(*a, pass_fds=(s.fileno(),), **kw)
            try:
                box.start()
            finally:
                subprocess.Popen = popen
            expect(early.wait(60) == 0, "the call that waited failed")
            os.rename(path, f"{path}.moved")  # systemd creates it: that it is missing is reported where possible
            box.until(20, lambda: "control.socket-gone" in box.log_text(), "that its file is gone is reported")
            expect(not os.path.exists(path), "the daemon made it")
            os.rename(f"{path}.moved", path)
            box.until(20, lambda: "control.sock" not in box.ctl("show", "health", ok=False).stdout, "it is back")
            box.kill(signal.SIGTERM)
            expect(os.path.exists(path), "the socket of another process was removed")
            with socket.socket(socket.AF_UNIX) as c:
                c.connect(path)  # still queued


def wrong_socket():
    """Another descriptor is passed: it is reported and the daemon listens by itself."""
    with Appliance(build, "wrong") as box:
        with socket.socket(socket.AF_INET) as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            command = box.command
            box.command = lambda *more: ["sh", "-c", f'exec 3<&{s.fileno()}; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@"',
                                         "sh", *command(*more)]
            popen = subprocess.Popen
            subprocess.Popen = lambda *a, **kw: popen(*a, pass_fds=(s.fileno(),), **kw)
            try:
                box.start()
            finally:
                subprocess.Popen = popen
        expect("control.socket-refused" in box.log_text(), "the log does not say so")


def restart_loop():
    """60 calls while the daemon is killed and started again and again."""
    with Appliance(build, "loop") as box:
        box.start()
        bad = []
        for i in range(12):
            calls = [subprocess.Popen([f"{build}/orbctl", "--wait", "60", *words],
                                      stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                      env={**os.environ, "ORBITAL_SOCKET": f"{box.dir}/run/control.sock"})
                     for words in (["show", "services"], ["config", "show"], ["show", "system"],
                                   ["config", "history"], ["service", "show", "config"])]
            time.sleep(0.003 * i)  # another moment of the calls each time
            box.kill()
            box.start(wait=False)
            bad += [c.args[3:] + [err] for c in calls for err in [c.communicate(timeout=60)[1]] if c.returncode]
        expect(not bad, f"{len(bad)} of 60 calls failed: {bad[:3]}")


def closed_connections():
    """What the API closed itself waits for its end at the port, a minute; the next daemon has the port at once."""
    with Appliance(build, "closed") as box:
        box.start()

        def waiting():
            # HTTP/1.0: who answers closes
            run(*box.inside("curl", "-s0", "-o", "/dev/null", "http://127.0.0.1:8080/readyz"))
            return "TIME-WAIT" in run(*box.inside("ss", "-Htan", "sport", "=", ":8080")).stdout
        for number in (signal.SIGKILL, signal.SIGTERM):
            box.until(10, waiting, "a connection that waits for its end")
            box.kill(number)
            box.start()
            box.until(10, lambda: box.service("api")["state"] == "Running", "the API runs")
            expect("port-not-held" not in box.log_text(), "the port was not to be had")
            expect(waiting(), "it answers")


def safe_mode():
    """Three starts that got nowhere: the third is in safe mode; a stop by a user ends it."""
    with Appliance(build, "safe") as box:
        box.start()
        for note in ("first", "second"):
            box.ctl("config", "set", "interfaces", "lo", "description", note)
            box.ctl("config", "commit")
        box.kill(signal.SIGTERM)
        with open(f"{box.dir}/state/good-revision", "w") as f:  # what a minute of operation writes
            f.write("1\n")
        for i in range(2):
            box.start(wait=False)
            box.until(10, lambda: len(open(f"{box.dir}/run/starts").readlines()) == i + 1, "a counted start")
            box.kill()
        box.start()
        expect(box.json("show", "boot")["safe"] and box.json("show", "system")["safe"], "not in safe mode")
        expect("safe mode" in box.ctl("show", "health", ok=False).stdout, "health does not name it")
        expect("SAFE MODE" in box.ctl("show", "system").stdout, "show system does not say so")
        expect(box.service("acme-probe")["state"] == "Disabled", "a third-party package runs")
        expect("first" in box.ctl("config", "show").stdout, "it does not run the last good revision")
        expect("safe mode" in box.ctl("config", "history").stdout, "history does not say why")
        expect(not os.path.exists(f"{box.dir}/run/starts"), "it got there, and starts are still counted")
        box.kill(signal.SIGTERM)
        box.start()
        expect(not box.json("show", "boot")["safe"], "still in safe mode")
        box.kill(signal.SIGTERM)
        command = box.command
        box.command = lambda *more: command("--safe-mode", *more)
        box.start()
        expect(box.json("show", "boot")["safe"], "--safe-mode is not obeyed")


def dead_before_anything_is_built():
    """However early a start ends, it is counted; one that another daemon's lock refuses is none."""
    with Appliance(build, "early") as box:
        early = {"LD_PRELOAD": f"{build}/test/system/host/die_early.so"}
        for i in range(2):
            box.start(wait=False, env=early)
            expect(box.daemon.wait(60) == -signal.SIGKILL, "it did not die")
            expect(len(open(f"{box.dir}/run/starts").readlines()) == i + 1, "the start was not counted")
        box.start()
        expect(box.json("show", "boot")["safe"], "not in safe mode")
        for _ in range(3):
            second = subprocess.run(box.command(), capture_output=True, text=True)
            expect(second.returncode == 1, f"a second daemon: {second}")
        expect(not os.path.exists(f"{box.dir}/run/starts"), "a refused second daemon was counted")


def lay_out_slow(box, name, phase):
    """The shipped packages and test/system/host/slow.c, shipped as well."""
    shipped = f"{box.dir}/shipped"
    if not os.path.isdir(shipped):
        shutil.copytree(f"{build}/packages", shipped)
        box.packages = [shipped]
    os.makedirs(f"{shipped}/{name}/lib")
    shutil.copy(f"{build}/test/system/host/slow.so", f"{shipped}/{name}/lib/slow.so")
    with open(f"{shipped}/{name}/manifest.json", "w") as f:
        json.dump({"name": name, "version": "1.0.0", "description": "starts slowly", "library": "lib/slow.so",
                   "phase": phase, "requires": [], "uses": {}, "capabilities": [],
                   "limits": {"memory": "64M", "files": 32, "threads": 4}, "deadlines": {"ready-ms": 1000}}, f)
    with open(f"{shipped}/{name}/schema.json", "w") as f:
        json.dump({"interface": name, "version": "1.0", "methods": {}, "events": {}}, f)


def slow_starts():
    """A service that reports progress gets more time than its deadline, one that hangs does not."""
    with Appliance(build, "slow") as box:
        lay_out_slow(box, "hung", "features")
        lay_out_slow(box, "working", "core")
        begin = time.monotonic()
        box.start()  # would fail where it waited for the hung one
        took = time.monotonic() - begin
        working = box.service("working")
        expect(working["state"] == "Running" and not working["restarts"], f"working: {working}")
        expect(box.service("hung")["state"] != "Running", "the hung one runs")
        expect("not ready in time" in box.log_text(), "the hung one was not noticed")
        expect(took >= 4, f"operational after {took:.1f} s: the working one was not waited for")


def hung_config():
    """A config service that hangs is noticed within 5 s, as one that was stopped."""
    with Appliance(build, "hung") as box:
        box.start()
        pid = box.service("config")["pid"]
        begin = time.monotonic()
        os.kill(pid, signal.SIGSTOP)
        box.until(5, lambda: "no answer to ping in time" in box.log_text(), "the ping's deadline is over")
        took = time.monotonic() - begin
        print(f"# noticed after {took:.1f} s")
        box.until(10, lambda: box.service("config")["state"] == "Running", "it runs again")


def inherited():
    """The parent of the daemon may have closed 0 to 2 and ignored SIGCHLD: records do not end in files of the state,
    and the ends of workers are noticed."""
    def closed():
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        for fd in (0, 1, 2):
            os.close(fd)
    with Appliance(build, "inherited") as box:
        box.daemon = subprocess.Popen(box.command(), preexec_fn=closed)
        box.until(20, lambda: box.json("show", "boot")["phase"] == "operational", "operational")
        pid = box.service("routing")["pid"]
        os.kill(pid, signal.SIGKILL)
        box.until(10, lambda: box.service("routing")["pid"] not in (0, pid), "the end of a worker is noticed")
        expect([os.readlink(f"/proc/{box.daemon.pid}/fd/{fd}") for fd in (0, 1, 2)] == ["/dev/null"] * 3, "0 to 2 are files")
        expect(box.kill(signal.SIGTERM) == 0, "it stops")
        bad = [line for line in open(f"{box.dir}/state/log.jsonl") if not line.startswith('{"seq":')]
        expect(not bad, f"in the log: {bad[:2]}")


def socket_removed():
    """The socket's file, removed or replaced under the running daemon."""
    with Appliance(build, "nosock") as box:
        box.start()
        path = f"{box.dir}/run/control.sock"
        group = os.stat(path).st_gid
        busy = subprocess.Popen([f"{build}/orbctl", "logs", "-f", "-n", "1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                env={**os.environ, "ORBITAL_SOCKET": path})
        try:
            os.unlink(path)
            box.until(20, lambda: box.ctl("--wait", "0", "show", "boot"), "it is made anew")
            expect(stat.S_IMODE(os.stat(path).st_mode) == 0o660, "its mode")
            box.until(5, lambda: os.stat(path).st_gid == group, "its group")
            os.unlink(path)
            os.mkdir(path)
            box.until(20, lambda: "control.socket-gone" in box.log_text(), "what is in the way is reported")
            expect(busy.poll() is None, "who was connected is not any more")
            os.rmdir(path)
            box.until(20, lambda: box.ctl("--wait", "0", "show", "boot"), "and once more")
            expect("control.sock" not in box.ctl("show", "health", ok=False).stdout, "health still names it")
            os.rename(path, f"{path}.moved")
            box.until(20, lambda: os.path.exists(path) and box.ctl("--wait", "0", "show", "boot"), "renamed")
        finally:
            busy.kill()
            busy.wait()
        box.kill(signal.SIGTERM)
        expect(not os.path.exists(path), "the socket stays behind")


def run_directory():
    """Who is in group orbital reaches the control socket also where no systemd made its directory."""
    with Appliance(build, "rundir") as box:
        box.start()
        expect(os.stat(f"{box.dir}/run").st_mode & 0o7777 == 0o755, oct(os.stat(f"{box.dir}/run").st_mode))


def large_files():
    """A file that grows too large is an error for a worker, and the daemon reports what is missing."""
    with Appliance(build, "large") as box:
        box.start()
        for name in ("config", "routing"):
            status = open(f"/proc/{box.service(name)['pid']}/status").read()
            ignored = int(next(x for x in status.splitlines() if x.startswith("SigIgn")).split()[1], 16)
            expect(ignored >> (signal.SIGXFSZ - 1) & 1, f"{name} would be ended by SIGXFSZ")
        box.kill(signal.SIGTERM)
        done = run("prlimit", "--fsize=0:0", "--", *box.command(), check=False)
        expect(done.returncode == 1 and "RLIMIT_FSIZE" in done.stderr and "LimitFSIZE" in done.stderr, done.stderr[-400:])


for damage in DAMAGES:
    tap.test(f"a file of tokens that is {damage} costs the tokens, not the start", tokens_damaged, damage)
tap.test("a file of tokens that is put right counts again at a reload", tokens_put_right)
tap.test("twelve tokens asked for at once are all made", tokens_many)
tap.test("a log that cannot be written does not stop the start", in_the_way("state/log.jsonl"))
tap.test("a lock that cannot be written does not stop the start", in_the_way("state/lock"))
tap.test("a control socket that cannot be made costs the control socket", no_socket)
tap.test("a read-only state runs, refuses to write, and is locked", read_only)
tap.test("no signal but TERM and INT ends the daemon, workers have them all", signals_late)
tap.test("no signal ends the daemon while it starts", signals_early)
tap.test("USR1 opens the log anew", reopened)
tap.test("a lower limit of files is taken, and reported", few_files)
tap.test("a control socket that is taken away is made anew", socket_removed)
tap.test("the directory of the control socket is open to all", run_directory)
tap.test("a file too large ends no process, no file at all is reported", large_files)
tap.test("closed descriptors and an ignored SIGCHLD are not inherited", inherited)
tap.test("a package too many is refused and shown", too_many)
tap.test("a control socket that was handed over is used and left", handed_over)
tap.test("a socket that is not ours is refused, and reported", wrong_socket)
tap.test("calls of orbctl outlive kills of the daemon", restart_loop)
tap.test("connections that wait for their end keep no daemon from its port", closed_connections)
tap.test("a start that continues is waited for, one that hangs is not", slow_starts)
tap.test("a hung config service is noticed within 5 s", hung_config)
tap.test("the third start that gets nowhere is in safe mode", safe_mode)
if not ASAN:
    tap.test("a start that dies before anything is built is counted", dead_before_anything_is_built)
tap.end()
