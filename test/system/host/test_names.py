#!/usr/bin/env python3
"""A user database that does not answer: only the users looked up in it wait.

    test_names.py BUILD SLOW-NAMES-LIBRARY"""
import os
import shutil
import signal
import stat
import subprocess
import sys
import time

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(here, "..", "..", "lib"), os.path.join(here, "..", "..", "hostile", "host")]
from appliance import Appliance, Tap, expect, need_root  # noqa: E402
from wire import Client  # noqa: E402

need_root()
build, library = sys.argv[1:3]
tap = Tap()


def held(box, is_held):
    if is_held:
        open(box.hold, "w").close()
    else:
        os.unlink(box.hold)


def start(box):
    box.start(env={"LD_PRELOAD": library, "SLOW_NAMES": box.hold, "ASAN_OPTIONS": "verify_asan_link_order=0"})


def ada(box, *args):
    """orbctl of a user who is neither root nor its own; wait() for it."""
    return subprocess.Popen([f"{box.dir}/orbctl", "--wait", "30", *args], user=12345, group=4321, extra_groups=[],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env={**os.environ, "ORBITAL_SOCKET": f"{box.dir}/run/control.sock"})


def open_to_group(box):
    found = os.stat(f"{box.dir}/run/control.sock")
    return found.st_gid == 4321 and stat.S_IMODE(found.st_mode) == 0o660


def starts(box):
    """The database hangs from the beginning: the group is not known, and root is served."""
    held(box, True)
    start(box)
    for _ in range(20):
        box.ctl("show", "services")  # answered while the database is held
    expect(not open_to_group(box), "the group of the socket is known before the database answered")
    held(box, False)
    box.until(10, lambda: open_to_group(box), "the socket belongs to the group")


def waits(box):
    held(box, True)
    client = ada(box, "show", "services")
    box.until(20, lambda: any("user database does not answer" in r["what"] for r in
                              box.json_of("show", "health")["reasons"]), "health reports that the database hangs")
    expect(client.poll() is None, f"a user who is not known was answered: {client.stderr.read() if client.poll() else ''}")
    box.ctl("service", "restart", "routing")
    box.until(10, lambda: box.service("routing")["state"] == "Running", "routing runs again")
    held(box, False)
    out, err = client.communicate(timeout=60)
    expect(client.returncode == 0 and "routing" in out, f"ada is not served: {err}")
    box.until(5, lambda: not any("user database" in r["what"] for r in box.json_of("show", "health")["reasons"]),
              "the reason is removed")


def is_known(box):
    """A name that came is kept: the next call does not wait."""
    held(box, True)
    client = ada(box, "service", "restart", "api")
    out, err = client.communicate(timeout=60)
    expect(client.returncode == 0, f"ada is no operator: {err}")
    box.until(5, lambda: any("audit.order" in line and '"user":"ada"' in line for line in box.log_text().splitlines()),
              "the order is ada's in the log")
    held(box, False)


def greets_as(box, uid, gid):
    """A whole greeting by one of that number, who is in the group of the socket."""
    os.setgroups([4321])
    os.setegid(gid)
    os.seteuid(uid)
    try:
        client = Client(f"{box.dir}/run/control.sock", hello=False)
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups([])
    client.greet()
    client.close()


def stays_known(box):
    """One user with many numbers (subuid(5)) and many groups makes no other one wait."""
    client = ada(box, "show", "services")
    client.communicate(timeout=60)
    for n in range(70):
        greets_as(box, 100000 + n, 100000)
    for n in range(70):
        greets_as(box, 100000, 100000 + n)
    held(box, True)
    client = ada(box, "show", "services")
    _, err = client.communicate(timeout=60)
    held(box, False)
    expect(client.returncode == 0, f"ada was known a moment ago, and waits: {err}")


def ends(box):
    """A client still waits: the daemon ends all the same."""
    box.kill(signal.SIGTERM)
    held(box, True)
    start(box)
    client = ada(box, "show", "services")
    begin = time.monotonic()
    box.until(10, lambda: client.poll() is not None or time.monotonic() - begin > 0.5, "a moment")
    expect(box.kill(signal.SIGTERM) == 0, "the daemon did not end well")
    client.kill()
    client.communicate()
    held(box, False)


class Box(Appliance):
    def json_of(self, *args):
        """Also when the exit status is that of a problem."""
        import json
        return json.loads(self.ctl("--json", *args, ok=False).stdout)


with Box(build, "names") as box:
    box.hold = f"{box.dir}/hold"
    shutil.copy(f"{build}/orbctl", box.dir)  # the build may lie where only root may look
    os.mkdir(f"{box.dir}/run")
    os.chmod(f"{box.dir}/run", 0o755)  # as systemd makes it
    tap.test("a start does not wait for the user database, and nor does root", starts, box)
    tap.test("a user waits for the lookup, health reports it, everything else continues", waits, box)
    tap.test("a name that is known is not asked for again", is_known, box)
    tap.test("many numbers of one user push no name out", stays_known, box)
    tap.test("the daemon ends while a client still waits", ends, box)
tap.end()
