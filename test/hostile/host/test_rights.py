#!/usr/bin/env python3
"""Descriptors that clients send along, on a kernel that does not refuse them (before Linux 6.16): the daemon is
preloaded with test/lib/before_6_16.c.

    test_rights.py BUILD LIBRARY"""
import os
import socket
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(here, "..", "..", "lib")]
library = sys.argv.pop(2)
import clients  # noqa: E402
from appliance import Appliance, expect  # noqa: E402
from lab import attempt, build, conclude, Watch  # noqa: E402
from wire import Client, Closed, frame, REP, REQ  # noqa: E402


def ended(watch):
    """Control: the kernel lets it through, so the daemon finds it and ends the connection; without, it is answered."""
    expect(clients.descriptors(watch, "many") == 0, "the kernel refused them")
    c = Client(watch.sock)
    with open("/dev/null") as f:
        socket.send_fds(c.s, [frame(REQ, {"to": "host@1", "method": "version"}, {}, corr=1)], [f.fileno()])
    try:
        got = c.next()
        expect(got[0] != REP, f"answered: {got}")
        while True:
            c.next()
    except (Closed, OSError):
        pass


def main(root):
    with Appliance(build, "rights") as box:
        box.start(env={"LD_PRELOAD": library, "ASAN_OPTIONS": "verify_asan_link_order=0"})
        box.ctl("config", "set", "services", "acme-probe", '{"enabled":true,"grants":["config.read:/acme-probe"]}')
        box.ctl("config", "commit")
        box.until(20, lambda: box.service("acme-probe")["state"] == "Running", "acme-probe runs")
        watch = Watch(box)
        attempt("a descriptor with a request, on an older kernel", ended, watch)
        for how in clients.DESCRIPTORS:
            attempt(f"descriptors on an older kernel, {how}", clients.descriptors, watch, how)


conclude("rights", main)
