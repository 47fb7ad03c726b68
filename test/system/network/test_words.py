#!/usr/bin/env python3
"""Whether the generator covers the configuration: each key, and each value of a list of words, that the schemas of the
firewall, of routing and of interfaces have is in some script of many seeds, or here with the reason why not; and
whether each fault to be planted (plants.py) still has its place, and whether what makes a script shorter distinguishes differences
from each other.

    test_words.py SOURCE"""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from appliance import Tap, expect  # noqa: E402
from plants import misplaced  # noqa: E402
from script import generate  # noqa: E402
from shrink import kind_of  # noqa: E402

SEEDS = 12000  # each second one is random
# the end of a word: why no script has it
UNSPOKEN = {}


def words(schema, root, path=()):
    """Keys as paths, with * for names that the user chooses, and KEY=VALUE for each word of an enumeration."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    for value in schema.get("enum", []):
        yield "/".join(path) + f"={value}"
    for key, inner in schema.get("properties", {}).items():
        yield "/".join((*path, key))
        yield from words(inner, root, (*path, key))
    for inner, key in ((schema.get("additionalProperties"), "*"), (schema.get("items"), None)):
        if isinstance(inner, dict):
            yield from words(inner, root, (*path, key) if key else path)


def written(value, schema, root, path, found):
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    if isinstance(value, dict):
        for key, inner in value.items():
            known = key in schema.get("properties", {})
            here = (*path, key if known else "*")
            found.add("/".join(here))
            written(inner, schema["properties"][key] if known else schema["additionalProperties"], root, here, found)
        return
    for one in value if isinstance(value, list) else [value]:
        found.add("/".join(path) + f"={one}")


def kinds_are_told_apart():
    def differs(step, off, tcx):
        return kind_of(f"step {step} [\"say\"]:\n    off: {off}\n    tcx: {tcx}")
    udp = "lan received udp 198.51.100.{}:80 > 10.1.0.2:{}  ttl {} tos {} 40 bytes 0badcafe"
    missing = differs(3, "nothing", udp.format(10, 20000, 63, "0x0"))
    expect(missing == differs(12, "nothing", udp.format(11, 20003, 62, "0x10")), "another step, address, port, TTL: the same")
    expect(missing != differs(3, udp.format(10, 20000, 63, "0x0"), "nothing"), "the other world has it")
    expect(missing != differs(3, "nothing", udp.format(10, 20000, 63, "0x0").replace("lan", "dmz")), "another host")
    expect(missing != differs(3, "nothing", "lan received icmp 3/13 0x0 10.1.0.1 > 10.1.0.2 about 7"), "another kind of packet")
    ttl, tos = (differs(3, udp.format(10, 20000, 63, "0x0"), udp.format(10, 20000, *x)) for x in ((64, "0x0"), (63, "0x10")))
    expect(ttl != tos, "another field")
    counted = kind_of("counters at the end:\n    off: rule 10: 5 packets, 300 bytes\n    tcx: rule 10: 4 packets, 240 bytes")
    expect(counted not in (missing, ttl, tos), "counters")


def main():
    tap = Tap()
    schemas = {n: json.load(open(f"{sys.argv[1]}/plugins/{n}/schema.json")) for n in ("firewall", "routing", "interfaces")}
    found = set()
    for seed in range(SEEDS):
        for step in generate(seed):
            if step[0] == "config":
                for name, tree in step[1].items():
                    written(tree, schemas[name]["config"], schemas[name], (name,), found)
    there = {w for name, s in schemas.items() for w in words(s["config"], s, (name,))}

    def all_written():
        silent = sorted(w for w in there - found if not any(w.endswith(end) for end in UNSPOKEN))
        expect(not silent, f"the generator never writes {' '.join(silent)}")

    def no_idle_reason():
        idle = [end for end in UNSPOKEN if not any(w.endswith(end) for w in there - found)]
        expect(not idle, f"written, or no word of a schema: {idle}")
    tap.test("the generator writes all that the schemas allow", all_written)
    tap.test("each fault of plants.py has its place in the sources", lambda: expect(not misplaced(sys.argv[1]), "\n".join(misplaced(sys.argv[1]))))
    tap.test("a script made shorter must differ in the same way", kinds_are_told_apart)
    tap.test("what it does not say is in the schemas", no_idle_reason)
    tap.end()


if __name__ == "__main__":
    main()
