#!/usr/bin/env python3
"""Faults put into a copy of the sources, one after the other; the laboratory must find each by itself.

    plants.py SOURCE BUILD [--seconds S] [--seed N] [--shorten] [NAME...]

SOURCE is copied to BUILD/plants-network and compiled there, so nothing that works is touched; of the copy only what the
laboratory runs is compiled, and for each fault what it is in. Each fault has a random seed of its own to begin with,
printed; --seed repeats one. A seed that differs in BUILD as well has not found it and is named. --shorten: the script
that found it is made as short as it gets, which takes minutes."""
import argparse
import filecmp
import os
import re
import shutil
import subprocess
import sys
import time

# name: (file, the text that occurs there once, what takes its place), more of both where two guards hold the same property
PLANTS = {
    # the hit
    "nat-port": ("bpf/slow.bpf.h", "*(__u32 *)&f->source_port = ports;", "*(__u32 *)&f->source_port = s->p.ports;"),
    # within 90 ms, which the laboratory waits, some entries ask anew also without an event: both guards
    "freshness": ("bpf/flow.bpf.h", "return f->epoch != epoch || flow_over(f->refresh);", "return !f->epoch;"),
    "forgets": ("dataplane/forgets.c", "        dp->forgotten = true;", "        dp->forgotten = false;"),
    "counter": ("bpf/slow_decide.bpf.h", "s->counter = slow_counter(s->flow.mark);", "s->counter = 0;"),
    "tos": ("bpf/fast.bpf.h", "f && f->tos == tos && ", "f && "),
    "mtu": ("bpf/hook.bpf.h", "return p->length <= mtu;", "return p->length <= mtu + 100;"),
    "ends": ("bpf/fast.bpf.h", "!p->special &&", "!(p->special & ~PARSE_ENDS) &&"),
    # what is parsed
    "fragment": ("bpf/parse.bpf.h", "PARSE_BE16(0xbfff)", "PARSE_BE16(0x9fff)"),
    "hop-limit": ("bpf/parse.bpf.h", "ip->hop_limit <= 1", "ip->hop_limit < 1"),
    # the header's checksum is a second guard: it is that of a header without options
    "options": ("bpf/parse.bpf.h", "*(const __u8 *)ip != 0x45", "*(const __u8 *)ip >> 4 != 4",
                "    if (sum != 0xffff && sum != 0x1fffe)", "    if (*(const __u8 *)ip == 0x45 && sum != 0xffff && sum != 0x1fffe)"),
    # what conntrack reports
    "way-out": ("bpf/slow_decide.bpf.h", "s->strayed = s->flow.way_out && s->flow.way_out != s->fib.ifindex;", "s->strayed = 0;"),
    # nftables' helpers have a bit in the status, too
    "helper": ("bpf/conntrack.bpf.h", "return !ct_has_own_ways(ct) && !ct_has_xfrm(ct);", "return !ct_has_xfrm(ct);",
               "IPS_TEMPLATE | IPS_HELPER;", "IPS_TEMPLATE;"),
    "ended": ("bpf/conntrack.bpf.h", "(ct->mark & ABI_MARK_ENDED)", "0"),
    # what the rules say
    "zone": ("bpf/slow_find.bpf.h", ".zone_from = s->in->zone,\n                                    .zone_to = to};",
             ".zone_from = s->in->zone,\n                                    .zone_to = s->in->zone};"),
    "dnat-first": ("bpf/slow_decide.bpf.h", "if (classify_may_dnat(s->blob, v6, s->p.protocol, PARSE_BE16(s->p.ports >> 16)))", "if (0)"),
    "untracked": ("bpf/slow_decide.bpf.h", "|| slow_is_untracked(s, v6))", ")"),
    "asked": ("bpf/slow_decide.bpf.h", "if (slow_is_asked(s, out->zone, v6))", "if (0)"),
    # foreign state
    # what marks packets is in chains and programs before ours; the look at a packet's own mark is a second guard
    "mark": ("dataplane/foreign_nft.c", "bool routed = chain->hook == NF_INET_PRE_ROUTING || chain->hook", "bool routed = chain->hook"),
    "rule": ("bpf/slow_find.bpf.h", "return bpf_fib_lookup(ctx, fib, sizeof(*fib), 0);", "return bpf_fib_lookup(ctx, fib, sizeof(*fib), 1);"),
    "expectation": ("dataplane/foreign_state.c", "return found ? 1 : is_missing(r) ? 0 : r;", "return r;"),
    "foreign": ("dataplane/foreign_nft.c", "    else\n        buf_add(&reading->filters, chain, sizeof(*chain));", "    else\n        (void)reading;"),
    "ingress": ("dataplane/foreign_nft.c", "place->in |= !egress;", "place->in |= false;"),
    "egress": ("dataplane/foreign_nft.c", "place->out |= egress;", "place->out |= false;"),
    "program": ("dataplane/foreign_bpf.c", "                ->in = true;", "                ->in = false;"),
    "discipline": ("dataplane/foreign_tc.c", "            ->shaped = true;\n    if (in_block)", "            ->shaped = false;\n    if (in_block)"),
    "filter": ("dataplane/foreign_tc.c", "\"tc ingress filter \", filters.name)->in = true;", "\"tc ingress filter \", filters.name)->in = false;"),
    "route-mtu": ("dataplane/route_mtu.c", "return locks & (1u << RTAX_MTU) ? 0 : mtu;", "return locks ? 0 : mtu * 2;"),
    # what runs already
    "commit": ("dataplane/flows.c", "if (fate != REVALIDATE_STAYS)\n        end_flow", "if (fate == REVALIDATE_TRANSLATED)\n        end_flow"),
    "translation": ("dataplane/flows.c", "if (fate != REVALIDATE_STAYS)\n        end_flow", "if (fate != REVALIDATE_STAYS && fate != REVALIDATE_TRANSLATED)\n        end_flow"),
}


def misplaced(source):
    """Faults whose place in the sources is gone, or not the only one."""
    wrong = []
    for name, (file, *pairs) in PLANTS.items():
        with open(f"{source}/{file}") as f:
            text = f.read()
        wrong += [f"{name}: {file} has {text.count(old)} times: {old}" for old in pairs[::2] if text.count(old) != 1]
    return wrong


def copied(source, to):
    """Only what differs is written, so little is compiled again."""
    names = subprocess.run(["git", "-C", source, "ls-files", "-z"], stdout=subprocess.PIPE, text=True, check=True).stdout
    for name in names.split("\0")[:-1]:
        old, new = f"{source}/{name}", f"{to}/{name}"
        if os.path.isfile(old) and not (os.path.isfile(new) and filecmp.cmp(old, new, shallow=False)):
            os.makedirs(os.path.dirname(new), exist_ok=True)
            shutil.copy2(old, new)
            os.utime(new)


def quietly(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        sys.exit(f"plants: {' '.join(command)}:\n{done.stdout[-3000:]}")


def tried(build, seconds, seed, shorten, more=()):
    """(found, output)."""
    laboratory = os.path.join(os.path.dirname(os.path.abspath(__file__)), "test_network.py")
    done = subprocess.run([sys.executable, laboratory, build, "--seconds", str(seconds), "--seed", str(seed), *([] if shorten else ["--long"]), *more],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return bool(re.search(r"^# Failed: (step \d+|\w+ at the end)", done.stdout, re.M)), done.stdout


def found_by_itself(copy, build, seconds, seed, shorten):
    """(found, output, end of the random seeds that differ without the fault, too)."""
    end, faultless = time.monotonic() + seconds, []
    while True:
        found, text = tried(f"{copy}/build", max(1, end - time.monotonic()), seed, shorten)
        where = re.search(r"^not ok \d+ - seed (\d+)", text, re.M)
        if not where or not tried(build, 60, int(where[1]), False, ["--count", "1"])[0]:
            return found, text, faultless
        faultless.append(int(where[1]))
        if time.monotonic() > end:
            return False, text, faultless
        seed = int(where[1]) + 1


def shown(text):
    """The seed, and how short its script became or where it differs."""
    how = re.search(r"the script \((.*?);", text) or re.search(r"(step \d+ .{,100}|\w+ at the end)", text)
    seed = re.search(r"^not ok \d+ - (.*)", text, re.M)
    return f"{seed[1] if seed else '?'}: {how[1] if how else 'it does not run'}"


def main():
    p = argparse.ArgumentParser()
    p.add_argument("source")
    p.add_argument("build")
    p.add_argument("--seconds", type=float, default=300)
    p.add_argument("--seed", type=int)
    p.add_argument("--shorten", action="store_true")
    p.add_argument("names", nargs="*")
    a = p.parse_intermixed_args()
    unknown = [n for n in a.names if n not in PLANTS]
    if unknown:
        sys.exit(f"plants: there is no {unknown[0]}; one of {' '.join(PLANTS)}")
    if wrong := misplaced(a.source):
        sys.exit("plants: " + "\n".join(wrong))
    copy, missed = os.path.join(a.build, "plants-network"), []
    copied(a.source, copy)
    if not os.path.isdir(f"{copy}/build"):
        quietly("meson", "setup", f"{copy}/build", copy)
    for name in a.names or PLANTS:
        file, *pairs = PLANTS[name]
        path = f"{copy}/{file}"
        with open(path) as f:
            text = f.read()
        planted = text
        for old, new in zip(pairs[::2], pairs[1::2]):
            planted = planted.replace(old, new)
        try:
            with open(path, "w") as f:
                f.write(planted)
            quietly("ninja", "-j2", "-C", f"{copy}/build", "network-needs")
            begun, seed = time.monotonic(), a.seed if a.seed is not None else int(time.time())
            found, what, faultless = found_by_itself(copy, a.build, a.seconds, seed, a.shorten)
        finally:
            with open(path, "w") as f:
                f.write(text)
        took = time.monotonic() - begun
        print(f"{name}: {'found' if found else 'NOT FOUND'} in {took:.0f} s from seed {seed} on; {shown(what) if found else ''}", flush=True)
        if faultless:
            print(f"    without the fault these seeds differ, too: {faultless}", flush=True)
        with open(os.path.join(a.build, f"plants-network-{name}.log"), "w") as f:
            f.write(what)
        if not found:
            missed.append(name)
    if missed:
        sys.exit(f"plants: not found: {' '.join(missed)}")


if __name__ == "__main__":
    main()
