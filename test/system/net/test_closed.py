"""It fails closed, and what others take away comes back: a real appliance between two hosts."""
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from closed_lab import Box, Tap, need_root, run  # noqa: E402

BUILD = sys.argv[1]


def put_back(box, what, change):
    good = box.table()
    assert "hook forward" in good, good
    for words in change:
        box.nft(*words, check=False)
    box.until(3, lambda: "rules-put-back" in box.logged() and
              "bad_" not in box.table() and "forward_policy_gone" not in box.table() and
              box.table().count("hook ") == good.count("hook "), f"{what} is put back")
    assert box.right(), what
    box.seen()


def rules(box):
    for what, change in (
            ("a flushed ruleset", [("flush", "ruleset")]),
            ("a deleted table", [("delete", "table", "inet", "orbital")]),
            ("a foreign rule", [("insert", "rule", "inet", "orbital", "forward", "accept")]),
            ("a foreign chain", [("add", "chain", "inet", "orbital", "bad_chain")]),
            ("an emptied chain", [("flush", "chain", "inet", "orbital", "input")]),
            ("a sleeping table", [("add", "table", "inet", "orbital", "{ flags dormant; }")])):
        put_back(box, what, change)


def foreign_tables(box):
    box.nft("add", "table", "inet", "foreign")
    box.nft("delete", "table", "inet", "foreign")
    time.sleep(0.7)  # a put back that must not come; it would within 0.1 s
    assert "rules-put-back" not in box.logged()


def storm(box):
    loop = subprocess.Popen(box.inside("sh", "-c", "while :; do nft flush ruleset; done"), start_new_session=True)
    begin = time.monotonic()
    try:
        for _ in range(10):
            box.ctl("--wait", "20", "show", "services")  # the control socket answers meanwhile
            time.sleep(0.2)
    finally:
        os.killpg(loop.pid, signal.SIGKILL)  # with the nft that runs: it would flush once more, after the table is looked at
        loop.wait()
    seconds = time.monotonic() - begin
    count = box.logged().count("rules-put-back")
    assert 1 <= count <= 8 + 4 * seconds, f"{count} times in {seconds:.1f} s"
    box.until(5, lambda: "hook forward" in box.table(), "the table is there after the storm")
    box.until(5, box.right, "the policy is in force after the storm")
    box.seen()


def links(box):
    pin = next(p for p in box.pins() if p.startswith("link_tcx"))
    os.unlink(f"{box.dir}/bpf/{pin}")
    box.until(5, lambda: os.path.exists(f"{box.dir}/bpf/{pin}") and
              "ports-put-back" in box.logged(), "a link that went is attached again")
    ports = box.json("show", "dataplane")["ports"]
    assert all(p["mode"] == "tcx" for p in ports.values()), ports


def settings(box):
    box.sysctl("net.ipv4.ip_forward", 0)
    box.until(5, lambda: box.sysctl("net.ipv4.ip_forward") == "1" and
              "settings-put-back" in box.logged(), "forwarding is on again")


def cold_start(box):
    """Rebooted, forwarding on, and no firewall: nothing passes, and replies to the appliance's own connections do."""
    box.kill(signal.SIGTERM)
    box.reboot()
    box.sysctl("net.ipv4.ip_forward", 1)
    packages, box.packages = box.packages, [f"{box.dir}/none"]
    os.makedirs(box.packages[0], exist_ok=True)
    for name in ("config", "interfaces", "routing"):
        if not os.path.exists(f"{box.packages[0]}/{name}"):
            run("cp", "-a", f"{packages[0]}/{name}", f"{box.packages[0]}/{name}")
    box.start(wait=False)
    box.until(20, lambda: "hook forward" in box.table(), "the closed table")
    assert "closed" in box.table()
    box.until(20, lambda: "10.1.0.1" in run(*box.inside("ip", "addr")).stdout, "the addresses")
    assert not box.pings("lan", "192.0.2.1") and not box.pings("wan", "192.0.2.2")
    assert "the table is closed" in box.ctl("show", "dataplane").stdout
    box.packages = packages
    box.kill()
    box.seen()
    box.start()
    box.until(10, box.right, "with the firewall the policy is in force")


def flushed_while_dead(box):
    box.kill()
    box.nft("insert", "rule", "inet", "orbital", "input", "accept")
    box.start(wait=False)
    box.until(20, lambda: "dataplane.closed" in box.logged(),
              "a table that was changed meanwhile is not trusted")
    box.until(20, box.right, "the policy is in force again")


def detach(box):
    done = box.ctl("dataplane", "detach", ok=False, stdin="")
    assert done.returncode and "--yes" in done.stderr, done.stderr
    box.ctl("dataplane", "detach", "--yes")
    left = box.pins()
    assert not box.table() and not left, f"left: {left} {box.table()[-300:]}"
    table = box.json("show", "dataplane")["table"]
    assert table == "detached", f"the table is {table}"
    text = box.ctl("show", "dataplane").stdout
    assert "nothing is filtered" in text, text
    box.ctl("dataplane", "enable")
    box.until(10, box.right, "enable brings everything back")
    note = f"{box.dir}/state/found-settings"
    for lines in "", "00000000-0000-0000-0000-000000000000 net:[1]\n/proc/sys/net/ipv4/ip_forward 7\n":
        if os.path.exists(note):
            os.unlink(note)  # nothing was changed since the boot, or before another one
        if lines:
            with open(note, "w", encoding="ascii") as file:
                file.write(lines)
        box.ctl("dataplane", "detach", "--yes")
        assert box.daemon.poll() is None, "the daemon continues"
        assert box.sysctl("net.ipv4.ip_forward") == "1", "what another boot noted is not taken"
    box.ctl("dataplane", "enable")
    box.until(10, box.right, "and again")
    box.kill(signal.SIGTERM)
    done = run(*box.command("--detach"), check=False)
    assert done.returncode == 0, done.stderr
    assert not box.table()


def main():
    need_root()
    tap = Tap()
    with Box(BUILD, "closed", dataplane=True) as box:
        box.configure()
        for name, fn in (("rules that another program changed are put back", rules),
                         ("changes of other tables are left alone", foreign_tables),
                         ("a loop of flushes does not keep the daemon busy", storm),
                         ("links that another program took away are put back", links),
                         ("settings that another program changed are put back", settings),
                         ("a cold start without a firewall is closed", cold_start),
                         ("a table that was changed while the daemon was dead is not trusted",
                          flushed_while_dead),
                         ("detach takes everything away", detach)):
            tap.test(name, fn, box)
    tap.end()


main()
