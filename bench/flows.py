#!/usr/bin/env python3
"""flows.py BUILD [--json] [--rounds N] [--against BUILD] - what a packet costs when many flows are active.

The generator of dataplane.py sends through an orbitald (1000 rules, masquerade, XDP) as fast as it can, so
that 10 000 flows have some hundred packets a second each, and slowly: so many packets a second of each flow
that most of them come after the time an entry of the cache is believed. The same packets through the kernel
with the same rules are what it is compared with. --against: the same rows, taking turns, through another
build."""
import argparse
import contextlib
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import bed  # noqa: E402
import dataplane  # noqa: E402

MANY = 10000
SLOW_MS = 100, 20  # one packet of each flow so often; an entry is believed for 90 ms
SLOW_TURNS = 15
FULL = 1, 1024, MANY
OURS, THEIRS, KERNEL = "ours", "against", "kernel"


def send(lab, what, packets, **keys):
    found = []
    lab.measure_hits(what, packets, lambda add: add(lab.measure(what, "eth0", packets, expect=dataplane.WAN, **keys)),
                     found.append)
    return found[-1]


def fast_rows(lab, who, rows):
    for flows in FULL:
        rows.setdefault((who, flows, 0), []).append(send(lab, f"{flows} flows", dataplane.PACKETS, flows=flows))
    for ms in SLOW_MS:
        rows.setdefault((who, MANY, ms), []).append(
            send(lab, f"{MANY} flows each {ms} ms", SLOW_TURNS * MANY, flows=MANY, **{"every-ms": ms}))


def kernel_rows(lab, rows):
    lab.box.ctl("dataplane", "disable")
    lab.sink("eth0", "tc")
    for flows, ms in ((MANY, 0), (MANY, SLOW_MS[0])):
        packets = SLOW_TURNS * MANY if ms else dataplane.KERNEL_PACKETS
        rows.setdefault((KERNEL, flows, ms), []).append(
            lab.measure("kernel", "eth0", packets, expect=dataplane.WAN, flows=flows, **{"every-ms": ms}))
    lab.box.ctl("dataplane", "enable")
    lab.sink("eth0", "xdp")
    lab.fast_path("xdp")
    lab.send("eth0", dataplane.WARM_UP, expect=dataplane.WAN)


def name_of(flows, ms):
    return f"XDP, {flows} flows, " + (f"a packet of each in {ms} ms" if ms else "at full speed")


def figures_of(rows):
    found = []
    for (who, flows, ms), values in rows.items():
        if who != OURS:
            continue
        name, value = name_of(flows, ms), bed.median(values)
        other = rows.get((KERNEL, flows, ms))
        if other:
            ratio = bed.median(b / a for a, b in zip(values, other))
            found.append(bed.figure(f"{name}: total, nftables / ours", value, "ns",
                                    f"same rules in nftables {bed.median(other):.0f} ns", ratio, least=3 if ms == 0 else 1))
        else:
            found.append(bed.figure(f"{name}: total", value, "ns", None))
        other = rows.get((THEIRS, flows, ms))
        if other:
            found.append(bed.figure(f"{name}: ours / the other build", value, "ns", f"the other {bed.median(other):.0f} ns",
                                    bed.median(a / b for a, b in zip(values, other)), most=1.05))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--against", metavar="BUILD")
    parser.add_argument("--cpu", type=int, default=os.cpu_count() - 1)
    args = parser.parse_args()
    bed.need_root("flows")
    bed.stop_cleanly()
    rows, labs = {}, {}
    with contextlib.ExitStack() as stack:
        for who, build in ((OURS, args.build), (THEIRS, args.against)):
            if not build:
                continue
            box = stack.enter_context(bed.Bed(build, f"flows{who[:1]}", dataplane=True))
            lab = labs[who] = stack.enter_context(dataplane.Lab(args.build, box, args.cpu, MANY, who[:1]))
            box.start()
            box.load(dataplane.config(1000), "bench")
            lab.offload("off")
            lab.sink("eth0", "xdp")
            lab.converse()
        for n in range(args.rounds):
            for who in list(labs)[::-1 if n % 2 else 1]:
                fast_rows(labs[who], who, rows)
            kernel_rows(labs[OURS], rows)
        repeated = sum(lab.repeated for lab in labs.values())
    notes = [f"{args.rounds} rounds on core {args.cpu}; {repeated} rows repeated because something was lost"]
    for (who, flows, ms), values in rows.items():
        notes.append(f"  {who:8} {name_of(flows, ms):50} {' '.join(f'{v:.0f}' for v in values)}")
    bed.show(figures_of(rows), notes, args.json)


if __name__ == "__main__":
    try:
        main()
    except bed.Failed as e:
        sys.exit(f"bench flows: {e}")
    except KeyboardInterrupt:
        sys.exit(130)
