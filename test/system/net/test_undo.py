"""A commit that was not confirmed is undone in the kernel, too, whichever service was stopped meanwhile."""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from closed_lab import Box, Tap, need_root, run  # noqa: E402

BUILD = sys.argv[1]
SECONDS = "2"


def refuse_everything(box, *paths):
    """A commit that cuts the administrator off, to be confirmed."""
    for path in paths:
        box.ctl("config", *path)
    box.ctl("config", "commit", "--confirm", SECONDS)


def comes_back(box, what):
    box.until(15, box.right, f"{what}: what was undone is undone in the kernel")
    box.until(5, lambda: box.json("config", "history")["entries"][0]["comment"].startswith("not confirmed"),
              "history reports it")


RULES = (("delete", "firewall", "rules", "10"), ("delete", "firewall", "nat", "source", "10"))


def firewall_stopped(box):
    box.seen()
    refuse_everything(box, *RULES)
    assert not box.pings("lan", "192.0.2.1")
    box.ctl("service", "stop", "firewall")
    comes_back(box, "the firewall service was stopped")
    box.until(10, lambda: box.service("firewall")["state"] == "Running", "it runs again")
    assert "service.needed" in box.logged()


def config_killed_as_well(box):
    refuse_everything(box, *RULES)
    box.ctl("service", "stop", "firewall")
    os.kill(box.service("config")["pid"], signal.SIGKILL)
    comes_back(box, "firewall stopped, config killed")


def interfaces_stopped(box):
    refuse_everything(box, ("set", "interfaces", "lan0", "addresses", '["10.9.9.1/24"]'))
    assert not box.pings("lan", "10.1.0.1")
    box.ctl("service", "stop", "interfaces")
    comes_back(box, "interfaces was stopped")


def disabled_by_the_same_commit(box):
    refuse_everything(box, *RULES, ("set", "services", "firewall", "enabled", "false"))
    box.until(10, lambda: box.service("firewall")["state"] == "Disabled", "it is switched off")
    comes_back(box, "the firewall was disabled by the refused commit")


def left_alone(box):
    """One that did nothing is not started."""
    box.ctl("service", "stop", "firewall")
    box.until(10, lambda: box.service("firewall")["state"] == "Disabled", "it is stopped")
    revision = box.json("config", "history")["entries"][0]["revision"]
    refuse_everything(box, RULES[0])
    box.until(15, lambda: box.json("config", "history")["entries"][0]["revision"] == revision + 2, "undone")
    assert box.service("firewall")["state"] == "Disabled"
    assert box.right()
    box.ctl("service", "start", "firewall")


def config_stopped(box):
    """Only the config service can undo it, so it is not stopped before that is done."""
    refuse_everything(box, *RULES)
    refused = box.ctl("service", "stop", "config", ok=False)
    assert refused.returncode and "waits for its confirmation" in refused.stderr, refused
    comes_back(box, "the config service was to be stopped")
    box.ctl("service", "stop", "config")  # now nothing waits any more
    box.until(10, lambda: box.service("config")["state"] == "Disabled", "it is stopped")
    box.ctl("service", "start", "config")
    box.until(10, lambda: box.service("config")["state"] == "Running", "it runs again")


def main():
    need_root()
    tap = Tap()
    with Box(BUILD, "undo", dataplane=True) as box:
        box.configure()
        for name, fn in (("the firewall service stopped by hand", firewall_stopped),
                         ("the same, and the config service killed", config_killed_as_well),
                         ("the interfaces service stopped by hand", interfaces_stopped),
                         ("the firewall disabled by what is undone", disabled_by_the_same_commit),
                         ("the config service stopped by hand", config_stopped),
                         ("a service that took no part stays stopped", left_alone)):
            tap.test(name, fn, box)
    tap.end()


main()
