#!/usr/bin/env python3
"""orbctl and a false daemon: whatever a reply, an event or an error contains, no byte of the output acts on
the terminal, and what --json prints is JSON. Needs no root: the test acts as the daemon."""
import json
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "lib"))
from appliance import Tap  # noqa: E402

BUILD = sys.argv[1]
HELLO, WELCOME, REQ, REP, ERR, SUB, EVENT = 1, 2, 5, 6, 7, 9, 12
EVIL = ("\x1b]0;owned\x07\n23:59:59.000 notice  host         audit.order user=root\t\r\x7f\u0080\u009b31m\u061c"
        "\u200b\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069\ufeff\U000e0041 é")
BAD = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e0fff]")
RECORD = {"time-us": 1795862730000000, "seq": 7, "level": EVIL, "service": EVIL, "event": EVIL, "kv": {EVIL: EVIL}}
CRASH = {"time-us": 1e300, "signaled": True, "status": 6, "signal": EVIL, "ended-because": EVIL, "load-error": EVIL,
         "fault-untrusted": EVIL, "log": {"records": [RECORD]}}
TREE = {EVIL: {EVIL: EVIL, "list": [EVIL]}}
REPLIES = {
    "logs": {"records": [RECORD], "next": 8, "first": 7}, "crashes": {"crashes": [CRASH, {"sandbox-step": EVIL, "sandbox-error": EVIL}]},
    "log-runs": {"runs": [{"run": EVIL, "version": EVIL, "first_us": 1, "last_us": 2}]},
    "services": {"services": [{"name": EVIL, "state": EVIL, "version": EVIL, "degraded": EVIL, "reason": EVIL, "breaker": EVIL}],
                 "refused": [{"name": EVIL, "error": EVIL}]},
    "service": {EVIL: EVIL, "deep": {EVIL: [EVIL]}}, "sandbox": {EVIL: {EVIL: EVIL}}, "metrics": {"text": EVIL},
    "health": {"verdict": EVIL, "reasons": [{"level": EVIL, "what": EVIL, "since-us": 1, "service": EVIL, "path": EVIL, "todo": EVIL}]},
    "boot": {"phase": EVIL, "step": EVIL, "waiting": [EVIL], "phases": [{"phase": EVIL}], "given-up": [{"feature": EVIL, "reason": EVIL}]},
    "version": {"version": EVIL, "instance": EVIL}, "interfaces": {"interfaces": [{"interface": EVIL, "version": EVIL, "provider": EVIL, "state": EVIL}]},
    "describe": {"interface": EVIL, "version": EVIL, "methods": [{"name": EVIL, "requires": EVIL, "description": EVIL, "input": TREE}],
                 "events": [{"name": EVIL, "requires": EVIL, "class": EVIL, "description": EVIL}]},
    "list": {"interfaces": [{"name": EVIL, "state": EVIL, "mac": EVIL, "addresses": [EVIL]}],
             "routes": [{"destination": EVIL, "table": EVIL, "protocol": EVIL, "preferred-source": EVIL, "next-hops": [{"gateway": EVIL, "interface": EVIL}]}],
             "pending": [{"destination": EVIL, "next-hops": [{"reason": EVIL}]}], "policy": [{"protocol": EVIL, "from": EVIL, "action": EVIL}]},
    "status": {"table": EVIL, "warning": EVIL, "reason": EVIL, "ports": {EVIL: {"mode": "off", "wanted": EVIL, "reason": EVIL}},
               "unaccelerated": {"interfaces": 2, "one": EVIL}},
    "counters": {"rules": [{"rule": EVIL, "action": EVIL}], "default": {EVIL: {"action": EVIL}}},
    "diff": {"changes": [{"path": EVIL, "old": EVIL, "value": TREE}]}, "commit": {"plan": [{"service": EVIL, "kind": EVIL, "text": EVIL}]},
    "history": {"entries": [{"time": 9000000000000000000, "user": EVIL, "state": EVIL, "comment": EVIL}]}, "edit": {"unsaved": EVIL}, "schema": {"schema": {}},
    "salvage": {"state": "held", "text": EVIL, "findings": [{"file": EVIL, "text": EVIL}], "records": [{"time": 9000000000000000000, "file": EVIL, "user": EVIL, "comment": EVIL}]},
    "token-list": {"tokens": [{"name": EVIL, "role": EVIL}]}, "token-create": {"token": EVIL}, "whoami": {"user": EVIL},
    "validate": {}, "x": TREE,
}
COMMANDS = [c.split() for c in """logs|logs -o full|logs -o json|logs --list-boots|crashes|crashes a|show services|service show a
service show a sandbox|service show a crashes|metrics|show health|show boot|show system|show interfaces|show routes|show dataplane
show firewall|ipc list|ipc describe a|ipc call a x|ipc watch a|config show|config show --format set|config show --format json|config diff
config commit --dry-run|config history|config set a 1|config salvage|config validate|token list|token create a viewer|whoami""".replace("\n", "|").split("|")]


class Daemon:
    """Answers each method by REPLIES, or all with an error."""

    def __init__(self, path, refuses):
        self.refuses = refuses
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(8)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            connection = self.listener.accept()[0]
            try:
                self.talk(connection, connection.makefile("rb"))
            except (OSError, struct.error):
                pass
            connection.close()

    def talk(self, connection, stream):
        while True:
            length, envlen, kind, _, _, corr, _, _ = struct.unpack("<IHBBIIII", stream.read(24))
            body = stream.read(length)
            for answer in self.answers(kind, json.loads(body[:envlen] or b"{}")):
                kind, envelope, payload = answer
                connection.sendall(struct.pack("<IHBBIIII", len(envelope + payload), len(envelope), kind, 0, 0, corr, 0, 0)
                                   + envelope + payload)
            if kind == EVENT:
                return

    def answers(self, kind, envelope):
        if kind == HELLO:
            return [(WELCOME, b"", raw({"user": EVIL[:20], "role": "\x1b[31m", "peer": 1}))]
        if self.refuses:
            return [(ERR, raw({"err": {"code": "invalid", "text": EVIL, "path": "/" + EVIL}}), b"")]
        if kind == SUB:
            return [(REP, b"", b"{}"), (EVENT, raw({"from": "a", "topic": EVIL}), raw(TREE))]
        if envelope["method"] == "get-part":
            text = json.dumps(TREE, ensure_ascii=False)
            return [(REP, b"", raw({"data": text, "bytes": len(text.encode())}))]
        return [(REP, b"", raw(REPLIES.get(envelope["method"], {})))]


class Talker(Daemon):
    """Sends frames that answer nothing, for ever; the first connections are welcomed."""

    def __init__(self, path, welcomes):
        self.welcomes, self.talkers = welcomes, []
        super().__init__(path, False)

    def serve(self):
        while True:
            connection = self.listener.accept()[0]
            self.welcomes -= 1
            self.talkers.append(threading.Thread(target=self.talk_on, args=(connection, self.welcomes >= 0), daemon=True))
            self.talkers[-1].start()

    def talk_on(self, connection, welcome):
        try:
            if welcome:
                connection.sendall(struct.pack("<IHBBIIII", 2, 0, WELCOME, 0, 0, 0, 0, 0) + b"{}")
            while True:
                connection.sendall(struct.pack("<IHBBIIII", 2, 0, EVENT, 0, 0, 77, 0, 0) + b"{}")
                threading.Event().wait(0.05)
        except OSError:
            connection.close()


def ends_by_itself(path, welcomes):
    done = ask(path, ["show", "health"])  # has a time-out
    if done.returncode == 0 or b"not answer" not in done.stderr:
        raise AssertionError(f"after {welcomes} welcomes: status {done.returncode}, {done.stderr!r}")


def talk_is_no_answer():
    with tempfile.TemporaryDirectory(prefix="orbt-print.") as folder:
        failed = []

        def one(welcomes):
            try:
                Talker(f"{folder}/{welcomes}", welcomes)
                ends_by_itself(f"{folder}/{welcomes}", welcomes)
            except Exception as e:  # noqa: BLE001
                failed.append(e)
        both = [threading.Thread(target=one, args=(n,)) for n in (0, 1)]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
        if failed:
            raise AssertionError(failed)


def raw(value):
    return json.dumps(value, ensure_ascii=False).encode()


def ask(path, words):
    done = subprocess.run([f"{BUILD}/orbctl", "--socket", path, "--wait", "0", *words], capture_output=True, timeout=60)
    if done.returncode < 0:
        raise AssertionError(f"{words}: killed by signal {-done.returncode}")
    return done


def plain(what, output):
    text = output.decode()  # fails where it is not UTF-8
    found = BAD.search(text)
    if found:
        raise AssertionError(f"{what}: {text[max(0, found.start() - 40):found.end() + 20]!r}")
    forged = [line for line in text.splitlines() if line.startswith("23:59:59")]
    if forged and what[0] != "metrics":
        raise AssertionError(f"{what}: a forged line: {forged}")
    return text


def every_command(path, refuses):
    for words in COMMANDS:
        done = ask(path, words)
        text = plain(words, done.stdout) + plain(words, done.stderr)
        if refuses and (done.returncode == 0 or "\\x1b]0;owned" not in text):
            raise AssertionError(f"{words}: status {done.returncode}, {text!r}")
        if not refuses and words[:2] != ["config", "validate"] and not re.search(r"\\x1b|\\u001b", text):
            raise AssertionError(f"{words}: nothing of the reply was printed: {text!r}")


def every_command_as_json(path, refuses):
    for words in COMMANDS:
        done = ask(path, ["--json", *words])
        plain(words, done.stderr)
        text = plain(words, done.stdout)
        if words not in (["config", "show", "--format", "set"], ["logs", "-o", "full"]):
            is_json(words, text)


def is_json(words, text):
    """One value, or a value a line."""
    try:
        json.loads(text or "{}")
    except ValueError:
        for line in text.splitlines():
            try:
                json.loads(line)
            except ValueError as e:
                raise AssertionError(f"{words}: {e}: {text!r}") from e


def own_words(path, _):
    for words in ([EVIL], ["show", EVIL], ["config", "set", EVIL], ["logs", "--since", EVIL], ["--wait", EVIL, "x"], ["--" + EVIL],
                  ["ipc", "call", "a", "x", EVIL], ["config", "load", "/" + EVIL]):
        done = ask(path, words)
        if done.returncode == 0:
            raise AssertionError(f"{words} is taken")
        plain(words, done.stdout + done.stderr)


def with_daemon(check, refuses):
    with tempfile.TemporaryDirectory(prefix="orbt-print.") as folder:
        Daemon(f"{folder}/s", refuses)
        check(f"{folder}/s", refuses)


tap = Tap()
tap.test("a reply of a service is shown, and acts on no terminal", with_daemon, every_command, False)
tap.test("nor does an error", with_daemon, every_command, True)
tap.test("what --json prints is JSON without such bytes", with_daemon, every_command_as_json, False)
tap.test("also for an error", with_daemon, every_command_as_json, True)
tap.test("a word of the command line is shown likewise", with_daemon, own_words, False)
tap.test("frames that answer nothing are waited through no longer than silence", talk_is_no_answer)
tap.end()
