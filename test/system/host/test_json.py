#!/usr/bin/env python3
"""Every JSON text the host emits is JSON by its own rules: a key once, UTF-8, no NaN, nothing behind it. Each method of
the host's interfaces is called in several ways, events are received, and the files left afterwards are read."""
import json
import os
import signal
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(here, "..", "..", "lib"), os.path.join(here, "..", "..", "hostile", "host")]
from appliance import Appliance, Tap, expect, need_root  # noqa: E402
import wire  # noqa: E402

need_root()
build = os.path.realpath(sys.argv[1])
tap = Tap()
GIVEN = ({}, {"name": "interfaces"}, {"service": "interfaces"}, {"name": "no\"such\u00e4"}, {"interface": "host"},
         {"limit": 5}, {"name": "eve", "role": "viewer"}, {"no-such": 1})
ENDS = ("service-stop", "service-restart", "service-late", "service-needed")  # of no service that is there


def once(pairs):
    keys = [k for k, _ in pairs]
    if len(keys) != len(set(keys)):
        raise ValueError(f"a key twice: {sorted(k for k in keys if keys.count(k) > 1)}")
    return dict(pairs)


def no_number(text):
    raise ValueError(f"{text} is no number of JSON")


def strict(data, what):
    try:
        return json.loads(data.decode("utf-8", "strict"), object_pairs_hook=once, parse_constant=no_number)
    except ValueError as e:
        expect(False, f"{what}: {e}: {data[:300]!r}")


class Client(wire.Client):
    """Looks at each frame as it came; counts texts."""

    def __init__(self, path):
        self.texts = 0
        super().__init__(path)

    def next(self):
        length, envlen, type, _, _, corr, _, _ = wire.HEAD.unpack(self.take(24))
        body = self.take(length)
        for text, what in ((body[:envlen], "envelope"), (body[envlen:], "payload")):
            if text:
                strict(text, f"{what} of a frame of type {type}")
                self.texts += 1
        return type, corr, json.loads(body[:envlen] or b"{}"), body[envlen:]


def ask_all(client):
    """How many calls were answered, and how many refused."""
    answered = refused = 0
    for name in [i["interface"] for i in client.call("host@1", "interfaces")["interfaces"] if i["provider"] == "host"]:
        for method in [m["name"] for m in client.call("host@1", "describe", {"interface": name})["methods"]]:
            for given in GIVEN:
                if method in ENDS and given.get("name") == "interfaces":
                    continue
                try:
                    client.call(f"{name}@1", method, given)
                    answered += 1
                except wire.Refused:
                    refused += 1
    return answered, refused


def all_texts():
    with Appliance(build, "json", links=[("lan0", "far0")]) as box:
        box.start()
        client = Client(f"{box.dir}/run/control.sock")
        for topic in ("health-changed", "service-state"):
            client.send(wire.frame(wire.SUB, {"to": "host@1", "topic": topic}, corr=9000))
        before = box.service("interfaces")["pid"]
        os.kill(before, signal.SIGABRT)
        box.until(20, lambda: box.service("interfaces")["pid"] not in (0, before), "it runs again")
        box.ctl("config", "set", "interfaces", "lan0", "description", "a \"link\" \u00e4")
        box.ctl("config", "commit")
        answered, refused = ask_all(client)
        expect(answered > 15 and refused > 100, f"{answered} answered, {refused} refused")
        expect(client.texts > answered + refused, f"{client.texts} texts")
        box.until(20, lambda: os.listdir(f"{box.dir}/state/crashes"), "the crash report is on the disk")
        expect(box.kill(signal.SIGTERM, 30) == 0, "the daemon ends")
        lines = 0
        for name in ("log.jsonl", "audit.jsonl"):
            for line in open(f"{box.dir}/state/{name}", "rb").read().splitlines():
                strict(line, name)
                lines += 1
        for name in os.listdir(f"{box.dir}/state/crashes"):
            strict(open(f"{box.dir}/state/crashes/{name}", "rb").read(), name)
        expect(lines > 20, f"{lines} records")


def strict_is_strict():
    for text in (b'{"a":1,"a":2}', b'{"a":NaN}', b'{"a":"\xff"}', b'{} x', b'{"b":{"a":1,"a":1}}'):
        try:
            json.loads(text.decode("utf-8", "strict"), object_pairs_hook=once, parse_constant=no_number)
        except ValueError:
            continue
        expect(False, f"{text} passes")


tap.test("what is not JSON by the host's rules is noticed", strict_is_strict)
tap.test("every JSON text of the host is by its own rules", all_texts)
tap.end()
