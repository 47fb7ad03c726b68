#!/usr/bin/env python3
"""orbctl on a real appliance: what a user types, also when it is wrong."""
import json
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from appliance import Appliance, Tap, expect, need_root, run  # noqa: E402

need_root()
build = sys.argv[1]
tap = Tap()


def refused(box, status, text, *args, stdin=None):
    done = box.ctl(*args, ok=False, stdin=stdin)
    expect(done.returncode == status and text in done.stderr,
           f"{args}: status {done.returncode}, expected {status} with \"{text}\": {done.stderr}")


def shown(box, *path):
    return json.loads(box.ctl("config", "show", *path, "--candidate", "--format", "json").stdout)


def dashes(box):
    note = ("interfaces", "lan0", "description")
    box.ctl("config", "set", *note, "--foo")
    expect(shown(box, *note) == "--foo", "a value may begin with dashes")
    box.ctl("config", "set", *note, "--", "--json")
    expect(shown(box, *note) == "--json", "behind -- everything is a word")
    refused(box, 2, "--coment", "config", "commit", "--coment", "x")
    box.ctl("config", "discard")


def lists(box):
    ports = ("firewall", "rules", "10", "destination-ports")
    box.ctl("config", "set", *ports, '[80]')
    box.ctl("config", "set", *ports, "443")
    expect(shown(box, *ports) == [80, 443], f"{shown(box, *ports)}")
    box.ctl("config", "set", "firewall", "rules", "11", "destination-ports", "80")
    box.ctl("config", "set", "firewall", "rules", "11", "destination-ports", "443")
    expect(shown(box, "firewall", "rules", "11", "destination-ports") == [80, 443], "a single one becomes a list")
    box.ctl("config", "discard")


def json_everywhere(box):
    for words in (["metrics"], ["config", "history", "--limit", "3"], ["show", "services"],
                  ["config", "diff"], ["whoami"], ["token", "list"], ["ipc", "list"]):
        json.loads(box.ctl("--json", *words).stdout)
    done = box.ctl("--json", "config", "set", "interfaces", "lan0", "mtu", "x", ok=False)
    lines = done.stdout.splitlines()
    expect(len(lines) == 1, f"an error is one line: {lines}")
    error = json.loads(lines[0])["error"]
    expect((error["code"], error["path"]) == ("schema", "/interfaces/lan0/mtu"), f"{error}")


def help_texts(box):
    text = box.ctl("config", "commit", "--help").stdout
    expect("--confirm SECONDS" in text and "rollback" not in text, text)
    expect("config rollback COMMITS" in box.ctl("help", "config").stdout, "help of a group")
    expect("usage: orbctl" in box.ctl("--help").stdout, "help of all")


def control_characters(box):
    box.ctl("config", "set", "interfaces", "lan0", "description", "a\x1b[31mred")
    box.ctl("config", "commit", "--comment", "two\nlines\x1b]0;x")
    for words in (["config", "history"], ["config", "show"], ["config", "diff", "0"]):
        text = box.ctl(*words).stdout
        expect("\x1b" not in text, f"{words}: {text!r}")
    rows = box.ctl("config", "history").stdout.splitlines()
    expect(len(rows) == 2 and "\\x0a" in rows[1], f"{rows}")


def long_diff(box):
    tree = {"firewall": {"rules": {str(n): {"action": "drop"} for n in range(1, 1300)}}}
    box.ctl("config", "set", "firewall", "rules", "1", "action", "accept")
    box.ctl("config", "commit")
    box.ctl("config", "load", "-", stdin=json.dumps(tree))
    expect("of 1299 changes" in box.ctl("config", "diff").stdout, "a cut diff reports it")
    tree["firewall"]["rules"] |= {str(n): {"action": "drop", "description": "x" * 200}
                                  for n in range(2000, 4000)}
    box.ctl("config", "load", "-", stdin=json.dumps(tree))
    box.ctl("config", "commit")
    revision = box.json("config", "history")["entries"][0]["revision"]
    box.ctl("config", "delete", "firewall")
    box.ctl("config", "commit")
    old = json.loads(box.ctl("config", "show", "firewall", "--revision", str(revision),
                             "--format", "json").stdout)
    expect(len(old["rules"]) == 3299, "a large old revision is shown in parts")
    expect("- /firewall/rules/" in box.ctl("config", "diff", str(revision)).stdout,
           "what a large change took away is shown")


def enabling(box):
    refused(box, 4, 'no service "routin"', "service", "disable", "routin")
    refused(box, 3, "/services/config/enabled", "service", "disable", "config")
    refused(box, 3, "/services/config", "config", "set", "services", "config", "grants", "[]")
    expect(box.json("config", "diff")["count"] == 0, "nothing is left in the candidate")
    box.ctl("service", "disable", "api")
    box.until(10, lambda: box.service("api")["state"] == "Disabled", "disabled")
    box.ctl("service", "enable", "api")
    box.until(10, lambda: box.service("api")["state"] == "Running", "enabled")


def stopped_by_hand(box):
    box.ctl("service", "stop", "api")
    box.until(10, lambda: box.service("api")["state"] == "Disabled", "stopped")
    pid = box.service("interfaces")["pid"]
    box.ctl("config", "set", "services", "interfaces", "enabled", "true")
    box.ctl("config", "commit")
    # The host reads /services after each commit; a second one is answered behind the first.
    box.ctl("config", "set", "services", "acme-probe", "enabled", "true")
    box.ctl("config", "commit")
    box.until(10, lambda: box.service("acme-probe")["state"] != "Disabled", "the commit was read")
    expect(box.service("api")["state"] == "Disabled", "a commit started what a user stopped")
    expect(box.service("interfaces")["pid"] == pid, "an equal value is no change")
    box.ctl("service", "start", "api")
    box.until(10, lambda: box.service("api")["state"] == "Running", "started again")


def in_flight(box):
    """Requests of users that were not answered yet."""
    text = box.call("host@1", "metrics")["text"]
    return max((int(line.split()[-1]) for line in text.splitlines()
                if line.startswith("orbital_ipc_peer_in_flight{") and 'peer="root"' in line), default=0)


def service_dies(box):
    """A read that was lost with the service is repeated; a change is not."""
    def asked(*words):
        pid = box.service("config")["pid"]
        os.kill(pid, signal.SIGSTOP)
        try:
            call = subprocess.Popen([f"{build}/orbctl", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                    text=True, env={**os.environ, "ORBITAL_SOCKET": f"{box.dir}/run/control.sock"})
            box.until(4, lambda: in_flight(box) > 0, "the question is with the service")
            expect(call.poll() is None, "it was answered by a service that is stopped")
        finally:
            os.kill(pid, signal.SIGKILL)
        out, err = call.communicate(timeout=60)
        return call.returncode, out, err
    code, out, err = asked("config", "history")
    expect(code == 0 and "REVISION" in out, f"history: {code} {err}")
    code, out, err = asked("config", "discard")
    expect(code in (0, 8), f"discard: {code} {err}")


def away(box):
    env = {**os.environ, "ORBITAL_SOCKET": "/nonexistent/control.sock"}
    done = run(f"{build}/orbctl", "show", "services", check=False, env=env)
    expect(done.returncode == 8 and "is it running?" in done.stderr, f"{done}")
    done = run(f"{build}/orbctl", "--wait", "0", "show", "health", check=False, env=env)
    expect(done.returncode == 2 and done.stdout.startswith("failed\n") and "is it running?" in done.stdout, f"{done}")
    done = run(f"{build}/orbctl", "--wait", "0", "--json", "show", "health", check=False, env=env)
    reply = json.loads(done.stdout)
    expect(done.returncode == 2 and reply["verdict"] == "failed" and len(reply["reasons"]) == 1, f"{done}")
    box.daemon.send_signal(signal.SIGSTOP)
    try:
        done = box.ctl("--wait", "0", "show", "health", ok=False)
    finally:
        box.daemon.send_signal(signal.SIGCONT)
    expect(done.returncode == 2 and "failed" in done.stdout, f"a stopped daemon: {done}")
    env["ORBITAL_SOCKET"] = "/" + "x" * 200
    expect(run(f"{build}/orbctl", "whoami", check=False, env=env).returncode == 2, "a long path")
    env["ORBITAL_SOCKET"] = f"{box.dir}/run/control.sock"
    for words in (["--help"], ["show", "services"], ["--version"]):
        full = subprocess.run([f"{build}/orbctl", *words], stdout=open("/dev/full", "w"),
                              stderr=subprocess.PIPE, text=True, env=env)
        expect(full.returncode == 10 and "could not be written" in full.stderr, f"{words}: {full}")


with Appliance(build, "cli", links=[("lan0", "lan1")]) as box:
    box.start()
    tap.test("values may begin with dashes, and -- ends the options", dashes, box)
    tap.test("a list gets one value more, a single value is replaced", lists, box)
    tap.test("every answer and error is JSON when asked for", json_everywhere, box)
    tap.test("help is there for a command, a group and all", help_texts, box)
    tap.test("control characters of others do not reach the terminal", control_characters, box)
    tap.test("a diff that was cut reports it", long_diff, box)
    tap.test("services that are not there, and the config service, cannot be disabled", enabling, box)
    tap.test("what a user stopped stays stopped over commits", stopped_by_hand, box)
    tap.test("a question to a service that dies is asked again", service_dies, box)
    tap.test("no daemon, a bad socket and a full disk are told", away, box)
tap.end()
