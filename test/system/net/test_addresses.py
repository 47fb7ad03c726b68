"""Addresses of links: their order, and who talks to them meanwhile. In a network namespace, checked with
iproute2 and with connections that must go on."""
import json
import subprocess
import sys

from host import Namespace, eventually, main, refused
from interfaces_box import Box

# Sends and waits for the answer, all the time. For a line on standard input it prints the number of answers, once one came
# whose request is younger than the line, and how often in a row TCP had to retransmit.
TALK = """
import select, socket, struct, sys
s = socket.create_connection((sys.argv[1], 7), 20)
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
s.settimeout(60)
def again():  # tcpi_total_retrans
    return struct.unpack_from("I", s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), 100)[0]
n = worst = 0
print("talks", flush=True)
while True:
    line = sys.stdin.readline() if select.select([sys.stdin], [], [], 0)[0] else None
    before = again()
    s.sendall(b"%08d" % n)
    got = b""
    while len(got) < 8:
        got += s.recv(8 - len(got)) or sys.exit("closed")
    worst, n = max(worst, again() - before), n + 1
    if line is not None:
        print(n, worst, flush=True)
        if not line:
            break
"""
ECHO = """
import socket, threading
s = socket.create_server(("::", 7), family=socket.AF_INET6, dualstack_ipv6=True)
def serve(c):
    while data := c.recv(64):
        c.sendall(data)
while True:
    threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
"""


def listed6(ns, link="lan0"):
    found = json.loads(ns.ip("-6", "-j", "addr", "show", "dev", link))
    return [a["local"] for a in found[0]["addr_info"] if a["scope"] == "global"]


def settled(ns, link="lan0"):
    return "tentative" not in ns.ip("-6", "addr", "show", "dev", link)


def usable(ns, address):
    found = json.loads(ns.ip("-6", "-j", "addr", "show", "dev", "dup0"))
    return [a.get("tentative", False) for a in found[0]["addr_info"] if a["local"] == address] == [False]


def continues(talks, when):
    """Each client, on its existing connection: a request now, an answer now."""
    for t in talks.values():
        t.stdin.write("go on\n")
        t.stdin.flush()
    for address, t in talks.items():
        assert t.stdout.readline(), f"{address}: the conversation broke {when}"


def commit(w, *addresses):
    w.commit(interfaces={"dup0": {"addresses": list(addresses)}})


def the_order_of_ipv6_addresses_is_the_configurations():
    with Box({"lan0": {"addresses": ["2001:db8:1::1/64", "10.1.0.1/24", "2001:db8:1::2/64"]}}) as (ns, w):
        assert listed6(ns) == ["2001:db8:1::1", "2001:db8:1::2"], listed6(ns)
        for order in (["2001:db8:1::1", "2001:db8:1::2", "2001:db8:1::3"],
                      ["2001:db8:9::1", "2001:db8:1::1", "2001:db8:1::2", "2001:db8:1::3"],
                      ["2001:db8:9::1", "2001:db8:1::3", "2001:db8:1::2"],
                      ["2001:db8:1::2", "2001:db8:9::1", "2001:db8:7::1", "2001:db8:1::3"]):
            eventually(lambda: settled(ns), "addresses are usable")
            w.commit(interfaces={"lan0": {"addresses": [a + "/64" for a in order]}})
            assert listed6(ns) == order, (order, listed6(ns))
        eventually(lambda: settled(ns), "addresses are usable")
        assert "src 2001:db8:1::2 " in ns.ip("-6", "route", "get", "2001:db8:1::77")
        # Removing and adding one changes the order, and it is put back; nothing is left over.
        ns.ip("addr", "del", "2001:db8:1::2/64", "dev", "lan0")
        eventually(lambda: listed6(ns) == order, "a deleted address is the first one again")
        ns.ip("addr", "del", "2001:db8:1::3/64", "dev", "lan0")
        eventually(lambda: listed6(ns) == order, "a deleted address is the last one again")
        eventually(lambda: settled(ns), "addresses are usable")
        w.until_quiet()
        assert not w.problems, w.problems
        assert listed6(ns, "lo") == [] and "201" not in ns.ip("-6", "route"), ns.ip("-6", "route")
        assert "nodad" not in ns.ip("-6", "addr", "show", "dev", "lan0")
        w.stop()


def connections_go_on_while_their_address_moves():
    with Box({}) as (ns, w), Namespace("ifd") as far:
        ns.ip("link", "add", "dup0", "type", "veth", "peer", "name", "there", "netns", far.name)
        far.ip("link", "set", "there", "up")
        for address in ("2001:db8:1::99/64", "10.1.0.99/24"):
            far.ip("addr", "add", address, "dev", "there", *(["nodad"] if ":" in address else []))
        commit(w, "2001:db8:1::1/64", "10.1.0.1/24")
        eventually(lambda: settled(ns, "dup0"), "the address is usable")
        with ns.running(sys.executable, "-c", ECHO):
            for address in ("2001:db8:1::1", "10.1.0.1"):
                eventually(lambda: subprocess.run(
                    far.inside(sys.executable, "-c", f"import socket; socket.create_connection(('{address}', 7), 1)"),
                    capture_output=True).returncode == 0, "the other end answers")
            talks = {address: subprocess.Popen(far.inside(sys.executable, "-c", TALK, address), text=True,
                                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                     for address in ("2001:db8:1::1", "10.1.0.1")}
            try:
                assert all(t.stdout.readline() == "talks\n" for t in talks.values())
                continues(talks, "before the first move")
                for n in range(2, 8):  # each new one comes behind, and the one that talks moves
                    others = [f"2001:db8:1::{i}/64" for i in range(2, n)]
                    for order in (["2001:db8:1::1/64", *others, "10.1.0.7/24", "10.1.0.1/24"],
                                  [*others, "2001:db8:1::1/64", "10.1.0.1/24", "10.1.0.7/24"]):
                        commit(w, *order)
                        assert usable(ns, "2001:db8:1::1"), ns.ip("-6", "addr", "show", "dev", "dup0")
                        continues(talks, f"after {order}")
                assert listed6(ns, "dup0")[-1] == "2001:db8:1::1", listed6(ns, "dup0")
                for address, t in talks.items():
                    shown = t.communicate(timeout=60)[0].split()
                    assert t.returncode == 0, f"{address}: it ended with {t.returncode}"
                    # An address that is away for a second, as one is that the kernel tries for duplicates, costs
                    # five: after a few milliseconds, and after 0.2, 0.6 and 1.4 seconds.
                    assert int(shown[1]) < 4, f"{address}: {shown[1]} times in a row without an answer"
            finally:
                for t in talks.values():
                    t.kill()
                    t.wait()
        w.stop()


def a_link_local_address_that_was_lost_before_we_looked_comes_back():
    def own():
        found = json.loads(ns.ip("-6", "-j", "addr", "show", "dev", "lan0"))
        return [a["local"] for a in found[0]["addr_info"] if a["scope"] == "link"]

    box = Box({"lan0": {"addresses": ["10.1.0.1/24"]}})
    with box as (ns, w):
        eventually(own, "lan0 has a link-local address")
        before = own()
        w.kill()
        ns.ip("-6", "addr", "flush", "dev", "lan0")
        w = box.start()
        eventually(lambda: own() == before, f"{before} comes back")
        w.stop()


def an_ipv6_address_of_another_length_makes_way():
    with Box({}) as (ns, w):
        ns.ip("link", "set", "lan0", "up")
        ns.ip("addr", "add", "2001:db8:1::1/56", "dev", "lan0")
        w.commit(interfaces={"lan0": {"addresses": ["2001:db8:1::1/64"]}})
        assert ns.addresses("lan0") == ["2001:db8:1::1/64"], ns.addresses("lan0")
        ns.ip("addr", "del", "2001:db8:1::1/64", "dev", "lan0")
        eventually(lambda: ns.addresses("lan0") == ["2001:db8:1::1/64"], "it is back")
        w.until_quiet()
        ns.batch(["addr del 2001:db8:1::1/64 dev lan0\n", "addr add 2001:db8:1::1/128 dev lan0\n"])
        eventually(lambda: ns.addresses("lan0") == ["2001:db8:1::1/64"], "its length is back")
        w.until_quiet()
        assert not w.problems and len(w.logs) < 20, "nothing repeats itself"
        w.stop()


def an_mtu_too_small_for_ipv6_is_reported_with_both_numbers():
    with Box({}) as (ns, w):
        ns.ip("link", "set", "lan0", "mtu", "1000")
        refused(w, "/interfaces/lan0/addresses/0", "an MTU of 1280, and it is 1000",
                interfaces={"lan0": {"addresses": ["2001:db8:1::1/64"]}})


main([an_ipv6_address_of_another_length_makes_way,
      an_mtu_too_small_for_ipv6_is_reported_with_both_numbers, a_link_local_address_that_was_lost_before_we_looked_comes_back, the_order_of_ipv6_addresses_is_the_configurations, connections_go_on_while_their_address_moves])
