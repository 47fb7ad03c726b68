#!/usr/bin/env python3
"""test_starved.py BUILD - a policy of many rules while the daemon hardly gets a processor: prepare takes longer than a
service may be silent, and is not refused, since the data plane reports that it works."""
import json
import os
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from appliance import Appliance, Tap, expect, need_root  # noqa: E402

need_root()
build = sys.argv[1]
RULES = 8000
SILENT_S = 10  # how long a service may be silent in prepare
STARVED_S = SILENT_S + 2
RUNS_S, STOPS_S = 0.004, 0.2


def starve(pid, end):
    """Until `end` the process runs for a fiftieth of the time."""
    try:
        while time.monotonic() < end:
            os.kill(pid, signal.SIGSTOP)
            time.sleep(STOPS_S)
            os.kill(pid, signal.SIGCONT)
            time.sleep(RUNS_S)
    finally:
        os.kill(pid, signal.SIGCONT)


def slow_commit():
    with Appliance(build, "starved", dataplane=True) as box:
        box.start()
        rules = {str(n): {"protocol": "tcp", "source": [f"10.{n // 250}.{n % 250}.0/24"], "destination-ports": [str(n)],
                          "action": "accept"} for n in range(1, RULES + 1)}
        with open(f"{box.dir}/tree.json", "w") as f:
            json.dump({"firewall": {"rules": rules}}, f)
        box.ctl("config", "load", "--merge", f"{box.dir}/tree.json")
        began = time.monotonic()
        thread = threading.Thread(target=starve, args=(box.daemon.pid, began + STARVED_S))
        thread.start()
        done = box.ctl("config", "commit", ok=False)
        took = time.monotonic() - began
        thread.join()
        expect(took > SILENT_S, f"the commit took {took:.1f} s only: the daemon was not starved, this shows nothing")
        expect(done.returncode == 0, f"after {took:.1f} s: {done}")
        expect(box.call("config", "get", {"path": "/firewall/rules/8000/action"})["value"] == "accept", "it is stored")
        expect(not [s for s in box.json("show", "services")["services"] if s.get("restarts")], "no service was restarted")


tap = Tap()
tap.test("a commit of many rules on a starved machine is not refused while the data plane works", slow_commit)
tap.end()
