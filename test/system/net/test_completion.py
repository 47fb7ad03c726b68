"""test_completion.py BUILD - the values of each path, as completion and help show them: every member of /interfaces, /routing and
/firewall has a type and a description, every value shows its possible values, and each expression of expressions.py is offered where
it is, accepted by a commit and described."""
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from appliance import Appliance, Failed, Tap, expect, need_root, run  # noqa: E402
from expressions import TABLE, TREE  # noqa: E402

BUILD = sys.argv[1]
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
VALUE = {"enum", "const", "examples", "format", "x-orb-expected", "x-orb-ref", "minimum", "default"}


def at(pointer):
    """The value at a JSON pointer of TREE."""
    value = TREE
    for word in pointer.split("/")[1:]:
        word = word.replace("~1", "/").replace("~0", "~")
        value = value[int(word)] if isinstance(value, list) else value[word]
    return value


def asked(box, pointer):
    return box.call("config", "schema", {"path": pointer})


def pointer_of(*words):
    return "".join("/" + w.replace("~", "~0").replace("/", "~1") for w in words)


def sample_keys(words, where=None):
    """Names that TREE has in the map there: at least one of each map."""
    try:
        return list(at(pointer_of(*words)))
    except (KeyError, TypeError):
        return []


def walk(box, words, seen, maps, kind=""):
    """Every path below that TREE or a schema's members lead to. maps: by their kind, whether TREE has an example."""
    pointer = pointer_of(*words)
    shown = asked(box, pointer)
    seen[pointer] = shown
    names = sample_keys(words) if shown.get("map") else []
    if shown.get("map"):
        maps[kind] = maps.get(kind) or bool(names)
    for name in shown["members"]:
        walk(box, [*words, name], seen, maps, f"{kind}/{name}")
    for name in set(names) - shown["members"].keys():
        walk(box, [*words, name], seen, maps, f"{kind}/*")


def everything_is_described(box):
    seen, maps = {}, {}
    for part in ("interfaces", "routing", "firewall"):
        walk(box, [part], seen, maps, f"/{part}")
    expect(len(maps) > 10 and all(maps.values()), f"expressions.py has no example of {[k for k, v in maps.items() if not v]}")
    expect(len(seen) > 300, f"{len(seen)} paths")
    for pointer, shown in seen.items():
        for name, member in shown["members"].items():
            expect("description" in member, f"{pointer}/{name} has no description")
        if shown["members"] or shown.get("map") or shown.get("type") == "boolean":
            continue
        items = shown.get("items") if isinstance(shown.get("items"), dict) else {}
        bounded = "maxLength" in shown and "description" in shown  # a text for users
        expect(VALUE & (shown.keys() | items.keys()) or bounded or shown.get("type") == "array",
               f"{pointer} does not say what it takes: {shown}")
        expect("pattern" not in shown or "x-orb-expected" in shown, f"{pointer} has a pattern without words")


def offered(box, what, pointer, words):
    at(pointer)
    shown = asked(box, pointer)
    text = json.dumps(shown, ensure_ascii=False)
    missing = [w for w in words if w not in text]
    expect(not missing, f"{what}: {pointer} does not offer {missing}: {text}")


def placeholders(box):
    """Existing names, where one of them is expected."""
    for pointer, names in (("/firewall/zones/lan/interfaces/0", {"lan0", "wan0", "wan1"}), ("/firewall/zones/lan/interfaces", {"lan0", "wan0", "wan1"}), ("/routing/policy/20/table", {"guests"}),
                           ("/routing/static/10.30.0.0~116/interface", {"lan0", "wan0", "wan1"})):
        found = set(asked(box, pointer)["names"])
        expect(names <= found, f"{pointer} offers {found}, not {names}")
    hop = asked(box, "/routing/static/::~10/next-hops/fe80::1%wan0")
    expect({"interface", "onlink", "metric", "weight", "preferred-source"} <= set(hop["members"]), f"ADDRESS%INTERFACE: {hop}")
    done = box.call("config", "schema", {"path": "/routing/static/::~10/next-hops/fe80::1%"}, ok=False)
    expect("fe80::1%wan0" in done.stderr + done.stdout, f"a placeholder without an interface: {done}")


def taken(box):
    """The kernel and the data plane take the whole of it."""
    with open(f"{box.dir}/tree.json", "w") as f:
        json.dump(TREE, f)
    box.ctl("config", "load", f"{box.dir}/tree.json", "--replace")
    box.ctl("config", "commit")
    box.until(20, lambda: box.service("firewall")["state"] == "Running" and not box.service("firewall").get("degraded"), "the firewall runs")
    rules = run(*box.inside("nft", "list", "table", "inet", "orbital")).stdout
    words = {
        "tcp_udp": r"meta l4proto \{ (tcp|6), (udp|17) \}", "MAC": "ether saddr != 02:00:5e:00:00:01", "flags": r"tcp flags & ?\(?syn ?\| ?ack\)? == syn|tcp flags syn / syn,ack",
        "state": "ct state", "per-source": r"limit rate", "prefix": 'orbital rule 20: refused', "reset": "reject with tcp reset",
        "port": r"reject( with icmpx( type)? port-unreachable)?\n", "host": "icmpx host-unreachable", "net": "icmpx no-route", "admin": "icmpx admin-prohibited",
        "clamp": "maxseg size set rt mtu", "number": "maxseg size set 1380", "notrack": "notrack", "masquerade": "masquerade", "snat": "snat",
        "map": "dnat", "not zone": "iifname !=", "default": "orbital default forward"}
    missing = {w: p for w, p in words.items() if not re.search(p, rules)}
    expect(not missing, f"nftables' text lacks {missing}")


def described(what, word):
    text = ""
    for path in ("docs/man/orbital-firewall.5", "docs/dataplane.md", "plugins/firewall/README.md", "plugins/routing/README.md"):
        with open(os.path.join(ROOT, path)) as f:
            text += re.sub(r"\s+", " ", f.read())
    expect(word in text, f"{what}: no document reports \"{word}\"")


def main():
    need_root("bpf", "bpffs")
    tap = Tap()
    with Appliance(BUILD, "comp", dataplane=True, links=[("lan0", "lan0p"), ("wan0", "wan0p"), ("wan1", "wan1p")]) as box:
        box.start()
        tap.test("a commit with every expression is taken", taken, box)
        tap.test("every path shows its possible values", everything_is_described, box)
        tap.test("names that there are, and placeholders", placeholders, box)
        for what, pointer, words, word in TABLE:
            tap.test(f"offered: {what}", offered, box, what, pointer, words)
            tap.test(f"described: {what}", described, what, word)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
