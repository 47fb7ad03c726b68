"""The filter fails closed whatever is wrong: the table is another process's or changed while the daemon was dead, pins
are half or gone, there is no place for them."""
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from closed_lab import Box, Tap, expect, is_closed, need_root, run  # noqa: E402

BUILD = sys.argv[1]
UDP = {"from": "lan", "to": "wan", "protocol": "udp", "action": "accept"}


def verdict(box):
    found = json.loads(box.ctl("--json", "show", "health", ok=False).stdout)
    return found["verdict"], " ".join(r["what"] for r in found["reasons"])


class Owner:
    """A process that owns a table named as ours, as nftables allows."""

    def __init__(self, box):
        self.box = box

    def __enter__(self):
        self.process = subprocess.Popen(self.box.inside("nft", "-i"), stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # one line is one transaction: no other change comes between
        self.process.stdin.write("add table inet orbital; delete table inet orbital; "
                                 "add table inet orbital { flags owner; }\n")
        self.process.stdin.flush()
        self.box.until(5, lambda: "owner" in self.box.nft("list", "ruleset"), "the table has another owner")
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def owned(box):
    """While the policy is in force: closed under another name, reported, and restored when the owner ends."""
    with Owner(box):
        box.until(5, lambda: "orbital_closed" in box.nft("list", "tables"), "closed by a table of another name")
        expect(is_closed(box), "nothing passes")
        level, words = verdict(box)
        expect(level == "failed" and "cannot be put back" in words and "orbital_closed" in words, words)
        box.ctl("config", "set", "firewall", "rules", "30", json.dumps(UDP))
        refused = box.ctl("config", "commit", ok=False)
        expect(refused.returncode and "nftables" in refused.stderr, refused.stderr)
        box.ctl("config", "discard")
        time.sleep(2)  # a flood of records that must not come
        expect(box.logged().count("not-put-back") <= 2, "the log is no flood")
    box.until(10, lambda: "orbital_closed" not in box.nft("list", "tables") and box.right(), "everything is back")
    box.until(10, lambda: verdict(box)[0] == "ok", "and well")
    box.seen()


def owned_at_start(box):
    box.kill()
    box.reboot()
    with Owner(box):
        box.start(wait=False)
        box.until(20, lambda: "10.1.0.1" in run(*box.inside("ip", "addr")).stdout, "the addresses")
        expect("orbital_closed" in box.nft("list", "tables") and is_closed(box), "closed before the addresses")
        box.until(10, lambda: "not in force" in verdict(box)[1], "the firewall service reports it")
        expect(box.service("firewall")["state"] == "Running", "and tries again")
    box.until(40, box.right, "the policy is in force by itself")
    box.until(10, lambda: verdict(box)[0] == "ok", "and well")
    box.seen()


def unpinned_and_changed(box):
    """Without pins (no BPF, another version) the state directory vouches for the table."""
    def drop_pins():
        run("umount", f"{box.dir}/bpf")
        run("mount", "-t", "bpf", "bpf", f"{box.dir}/bpf")
    for what, hand, trusted in (("as it was", None, True),
                                ("with a rule more", ("insert", "rule", "inet", "orbital", "input", "accept"), False),
                                ("asleep", ("add", "table", "inet", "orbital", "{ flags dormant; }"), False)):
        box.until(5, lambda: os.path.exists(f"{box.dir}/state/table-digest") and
                  not open(f"{box.dir}/state/table-digest").read().endswith(" 0000000000000000\n"), "a digest")
        time.sleep(0.6)  # the digest of the last commit
        box.kill()
        drop_pins()
        if hand:
            box.nft(*hand)
        box.seen()
        box.start()
        expect(("dataplane.closed" in box.logged()) != trusted, f"a table {what}")
        box.until(10, box.right, "the policy is in force")


def half_pins(box):
    """What another version, or a death in the middle, left there."""
    for what in (("control",), ("flows4", "prog_beat", "policies"), ("prog_tcx", "counters")):
        box.kill()
        for name in what:
            os.unlink(f"{box.dir}/bpf/{name}")
        if what == ("control",):  # another program's map of another shape under its name
            run("bpftool", "map", "create", f"{box.dir}/bpf/control", "type", "array", "key", "4", "value", "8",
                "entries", "1", "name", "foreign")
        box.start()
        box.until(10, box.right, f"the policy is in force without {what}")
        modes = {p["mode"] for p in box.json("show", "dataplane")["ports"].values()}
        expect(modes == {"tcx"}, f"{what}: {modes}")
        expect(verdict(box)[0] == "ok", verdict(box))


def no_place_for_pins(box):
    """No directory for pins, and one that cannot be written: nftables alone, which is reported."""
    box.kill()
    place = box.bpffs = f"{box.dir}/no-place"
    open(place, "w").close()
    for writable in (True, False):
        if not writable:
            os.unlink(place)
            os.mkdir(place)
            run("mount", "-t", "bpf", "bpf", place)
            run("mount", "-o", "remount,bind,ro", place)
        try:
            box.start()
            box.until(10, box.right, "nftables enforces alone")
            ports = box.json("show", "dataplane")["ports"]
            expect(all(p["mode"] == "off" and place in p["reason"] for p in ports.values()), ports)
            level, words = verdict(box)
            expect(level == "degraded" and "nftables enforces alone" in words, words)
            box.kill()
        finally:
            if not writable:
                run("umount", place)
    box.bpffs = f"{box.dir}/bpf"
    box.start()
    box.until(10, box.right, "as ever")


def main():
    need_root()
    tap = Tap()
    with Box(BUILD, "holds", dataplane=True) as box:
        box.configure()
        for name, fn in (("a table that another process owns", owned), ("the same at a cold start", owned_at_start),
                         ("a table that changed while the daemon was dead", unpinned_and_changed),
                         ("pins that are half", half_pins), ("no place for pins", no_place_for_pins)):
            if len(sys.argv) < 3 or sys.argv[2] in name:
                tap.test(name, fn, box)
    tap.end()


main()
