#!/usr/bin/env python3
"""READY and the phase operational: not without configuration and firewall, whatever else runs; and no package
of a third party delays them, or the end of the daemon."""
import json
import os
import shutil
import signal
import socket
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(here, "..", "..", "lib")]
import machine  # noqa: E402
from appliance import Appliance, expect, run  # noqa: E402
from lab import attempt, build, conclude, enable  # noqa: E402
from packages import manifest, package  # noqa: E402

machine.need("bpf", "bpffs")
LONG = {"ready-ms": 600000, "ping-every-ms": 600000, "ping-ms": 600000, "stop-ms": 600000}


class Told:
    """The notifications systemd would get."""

    def __init__(self, box):
        self.socket, self.text = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), b""
        self.path = f"{box.dir}/notify"
        self.socket.bind(self.path)
        self.socket.setblocking(False)

    def ready(self):
        while True:
            try:
                self.text += self.socket.recv(4096)
            except BlockingIOError:
                return b"READY=1" in self.text


def phase(box):
    return box.json("show", "boot")["phase"]


def reasons(box):
    return [r["what"] for r in box.call("host@1", "health")["reasons"] if r["level"] == "failed"]


def held_up(root):
    """Third parties that name the first phase, are never ready and never end."""
    with Appliance(build, "ready", packages=[root], dataplane=True) as box:
        box.start()
        for name in ("v-never", "v-stays"):
            enable(box, name, True)
        box.kill(signal.SIGTERM)
        told = Told(box)
        box.start(env={"NOTIFY_SOCKET": told.path})
        expect(box.service("v-never")["state"] != "Running" and box.service("v-never")["pid"], "no control: it does not try at all")
        box.until(5, told.ready, "READY")
        expect(box.kill(signal.SIGTERM) == 0, "the daemon did not end well")


def lacks(name, how):
    """READY waits for it, health has the reason; control: with it READY is sent."""
    with Appliance(build, "lacks", dataplane=True) as box:
        whole = f"{box.dir}/packages"
        shutil.copytree(f"{build}/packages", whole)
        box.packages = [whole]
        library = next(f"{whole}/{name}/lib/{f}" for f in os.listdir(f"{whole}/{name}/lib"))
        if how == "missing":
            shutil.move(f"{whole}/{name}", f"{box.dir}/aside")
        else:
            os.rename(library, f"{box.dir}/aside")
            with open(library, "w") as f:
                f.write("#!/bin/sh\n")
        told = Told(box)
        box.start(wait=False, env={"NOTIFY_SOCKET": told.path})
        box.until(20, lambda: any(name in w or "configuration service" in w for w in reasons(box)), "show health reports it")
        expect(phase(box) != "operational", f"operational without {name}")
        expect(not told.ready(), f"READY without {name}")
        box.kill(signal.SIGTERM)
        if how == "missing":
            shutil.move(f"{box.dir}/aside", f"{whole}/{name}")
        else:
            shutil.move(f"{box.dir}/aside", library)
        os.unlink(told.path)
        told = Told(box)
        box.start(env={"NOTIFY_SOCKET": told.path})
        box.until(5, told.ready, "control: READY with it")


def unfiltered():
    """A configuration with zones, and the firewall package is missing: not operational, with the reason. Controls:
    with it READY is sent, and without it once nothing is configured to be filtered."""
    with Appliance(build, "unfiltered", dataplane=True) as box:
        whole = f"{box.dir}/packages"
        shutil.copytree(f"{build}/packages", whole)
        box.packages = [whole]
        box.start()
        box.ctl("config", "set", "firewall", "default", '{"input":"drop","forward":"drop"}')
        box.ctl("config", "commit")
        box.kill(signal.SIGTERM)
        shutil.move(f"{whole}/firewall", f"{box.dir}/aside")
        told = Told(box)
        box.start(wait=False, env={"NOTIFY_SOCKET": told.path})
        box.until(20, lambda: any("no package firewall" in w for w in reasons(box)), "show health reports it")
        box.until(20, lambda: all(s["state"] in ("Running", "Disabled") for s in box.call("host@1", "services")["services"] if s["name"] in ("config", "interfaces", "routing", "api")),
                  "all others run")
        expect(phase(box) != "operational", "operational without what filters")
        expect("firewall" in box.json("show", "boot")["waiting"], f"{box.json('show', 'boot')}")
        expect(not told.ready(), "READY without what filters")
        box.ctl("config", "delete", "firewall")
        box.ctl("config", "commit")
        box.until(20, lambda: phase(box) == "operational" and told.ready(), "control: READY when nothing is to be filtered")
        expect(not any("no package firewall" in w for w in reasons(box)), "the reason stays")


def disabled(how):
    """Zones are configured, and the configuration disables the service that enforces them, or takes its grants: the
    last known rules stay in force, the boot is not completed, and health has the reason. Control: enabled again, READY
    is sent."""
    words = {"enabled": "/services/firewall/enabled is false", "no grants": "grants leaves out", "no data plane": "leaves out ipc.call:dataplane/*"}[how]
    service = {"enabled": {"enabled": False}, "no grants": {"grants": []},
               "no data plane": {"grants": ["config.read:/firewall", "config.read:/interfaces", "ipc.call:config/attach", "ipc.call:config/fetch"]}}[how]

    def dropped():
        return "drop" in run(*box.inside("nft", "list", "ruleset")).stdout

    with Appliance(build, "disabled", dataplane=True) as box:
        box.start()
        box.ctl("config", "set", "firewall", "default", '{"input":"drop","forward":"drop"}')
        box.ctl("config", "commit")
        box.until(10, dropped, "control: the rules are there")
        for key, value in service.items():
            box.ctl("config", "set", "services", "firewall", key, json.dumps(value))
        box.ctl("config", "commit")
        box.until(20, lambda: any(words in w for w in reasons(box)), "show health reports it")
        expect(dropped(), "the rules are gone")
        box.kill(signal.SIGTERM)
        run(*box.inside("nft", "flush", "ruleset"))
        told = Told(box)
        box.start(wait=False, env={"NOTIFY_SOCKET": told.path})
        box.until(20, lambda: any(words in w for w in reasons(box)), "after a restart as well")
        box.until(20, lambda: all(s["state"] in ("Running", "Disabled") for s in box.call("host@1", "services")["services"]
                                  if s["name"] in ("config", "interfaces", "routing", "api")), "all others run")
        expect(phase(box) != "operational" and not told.ready(), "operational without what filters")
        expect(dropped(), "nothing is filtered after a restart")
        for key in service:
            box.ctl("config", "delete", "services", "firewall", key)
        box.ctl("config", "commit")
        box.until(40, lambda: phase(box) == "operational" and told.ready(), "control: READY once it enforces them")
        expect(not any(words in w for w in reasons(box)), "the reason stays")
        expect(dropped(), "the rules are gone")


def main(root):
    package(root, "v-never", "never_ready", mani=manifest("v-never", phase="early", requires=[], deadlines=LONG))
    package(root, "v-stays", "pong_flood", mani=manifest("v-stays", phase="early", requires=[], deadlines=LONG))
    attempt("a package of a third party holds up READY and the end", held_up, root)
    attempt("READY with zones configured and no firewall installed", unfiltered)
    for how in ("enabled", "no grants", "no data plane"):
        attempt(f"zones are configured, and the firewall has: {how}", disabled, how)
    for name, how in (("config", "missing"), ("config", "broken"), ("firewall", "broken")):
        attempt(f"READY with {name} {how}", lacks, name, how)


conclude("ready", main)
