"""Changes of a configuration about one conversation, and what to say to see what became of it."""
import re

from trees import DMZ4, DMZ6, LAN4, LAN6, NET4, NET6, OWN, PLAIN, PORTS, STATES, VIA
import wire

ZONES = ["lan", "dmz", "wan"]


def spec(r, n):
    """A conversation the fast path takes while rules let it."""
    src, dst = r.choice([(LAN4, NET4)] * 4 + [(LAN4, DMZ4), (LAN6, NET6), (LAN6, NET6), (LAN6, DMZ6)])
    return {"proto": r.choice(["tcp", "tcp", "udp"]), "src": r.choice(src), "dst": r.choice(dst), "sport": 20000 + n, "dport": r.choice(PORTS), "tos": 0}


def near(r, n, s):
    """One that differs in one thing from another, or in nothing but its port: what a first packet meets."""
    six = wire.is6(s["src"])
    lan, dmz, net = (LAN6, DMZ6, NET6) if six else (LAN4, DMZ4, NET4)
    new = {**s, "sport": 20000 + n, "tos": 0}
    what = r.choice(["same", "same", "dst", "dst", "src", "port", "proto", "back"])
    if what == "dst" and s["src"] in lan + dmz:
        new["dst"] = r.choice(net + dmz if s["src"] in lan else net)
    elif what == "src" and s["src"] in lan:
        new["src"] = r.choice(lan)
    elif what == "port":
        new["dport"] = r.choice(PORTS)
    elif what == "proto":
        new["proto"] = r.choice(["tcp", "udp"])
    elif what == "back" and s["src"] in lan + dmz and s["dst"] in net + dmz:
        new.update(src=s["dst"], dst=s["src"])
    return new


def zone(address):
    named = {"lan": LAN4 + LAN6, "dmz": DMZ4 + DMZ6, "wan": NET4 + NET6}
    return next((z for z, a in named.items() if address in a), "local")


def rule(r, t, s):
    """One that is about it, or nearly so."""
    x = {"action": r.choice(["drop", "drop", "reject", "accept"])}
    come, go = zone(s["src"]), zone(s["dst"])
    if come != "local" and r.random() < 0.7:
        x["from"] = come
    to = r.choice([None, None, go, go, f"!{go}", *([come, f"!{come}"] if come in ZONES else []), *ZONES, f"!{r.choice(ZONES)}"])
    if to and not (to == "local" and x.get("from") == "local"):
        x["to"] = to
    six = wire.is6(s["src"])
    if s["proto"] in ("tcp", "udp", "icmp"):
        x["protocol"] = "icmpv6" if six and s["proto"] == "icmp" else s["proto"]
    if s["proto"] in ("tcp", "udp") and r.random() < 0.6:
        x["destination-ports"] = r.choice([s["dport"], s["dport"], f"!{s['dport']}"])
    if r.random() < 0.3:
        x["source"] = r.choice([s["src"], f"!{s['src']}"])
    if r.random() < 0.4:
        x["state"] = r.choice([*STATES, ["established"], ["established"]])
    if r.random() < 0.15 and x["action"] != "accept":
        x["from"] = come if come != "local" else "lan"
        x["source-mac"] = r.choice(["02:00:00:00:00:02", "!02:00:00:00:00:02"])
    return {"rules": {**t["rules"], str(r.randrange(1, 60)): x}}


def translated(r, t, s):
    """Source NAT that is added, removed or replaced, with exceptions."""
    six = wire.is6(s["src"])
    to = "fd00:10::77" if six else "192.0.2.77"
    way = zone(s["dst"]) if zone(s["dst"]) in ZONES else "wan"
    return {"snat": r.choice([
        {}, {"10": {"to": way}}, {"10": {"to": way, "source": s["src"]}}, {"10": {"to": way, "source": s["src"], "action": "snat", "translate-to": to}},
        {"5": {"to": way, "destination": s["dst"], "action": "exclude"}, "10": {"to": way, "source": s["src"]}}])}


def target(r, t, s):
    """Destination NAT of where it is sent, else."""
    if s["proto"] not in ("tcp", "udp"):
        return {"dnat": {}}
    six = wire.is6(s["src"])
    to = r.choice(["fd00:2::2", "[fd00:2::2]:9000"] if six else [DMZ4[1], f"{DMZ4[1]}:9000"])
    entry = {"from": zone(s["src"]), "protocol": s["proto"], "port": s["dport"], "destination": s["dst"], "translate-to": to}
    # rules see it as translated: one that refuses the untranslated packet matches nothing then
    rules = {"rules": {**t["rules"], "4": {"action": "drop", "protocol": s["proto"], "destination": s["dst"]}}} if r.random() < 0.5 else {}
    return {**rules, "dnat": r.choice([{}, {"10": entry}, {"10": entry}, {"5": {**{k: v for k, v in entry.items() if k != "translate-to"}, "action": "none"}, "10": entry}])}


def untracked(r, t, s):
    """Not tracked there, back or both, and a rule that lets what is not tracked pass."""
    if s["proto"] not in ("tcp", "udp") or t["notrack"] and r.random() < 0.4:
        return {"notrack": {}}
    there = {"from": zone(s["src"]), "protocol": s["proto"], "destination-ports": s["dport"]}
    back = {"from": zone(s["dst"]), "protocol": s["proto"], "source-ports": s["dport"]}
    x = {"action": "accept", "protocol": s["proto"], "state": ["untracked"]}
    first = {"1": {"action": "drop", "protocol": s["proto"], "state": ["new"]}} if r.random() < 0.7 else {}
    return {"notrack": r.choice([{"10": there}, {"10": there, "20": back}, {"10": there, "20": back}]), "rules": {**t["rules"], "2": x, **first}}


def way(r, t, s):
    """Another way for what is sent there, comes from there, or for all of it."""
    six, kind = wire.is6(s["src"]), r.random()
    if kind < 0.4 or s["src"] == OWN:
        return {"uplink": 1 - t["uplink"]}
    near, far = VIA[t["uplink"]][six], VIA[1 - t["uplink"]][six]
    bits = 128 if six else 32
    none = r.choice(["blackhole", "unreachable", "reject"])
    if kind < 0.6:
        return {"routing": {"static": {f"{s['dst']}/{bits}": r.choice([{none: True}, {"next-hops": {far: {}}}, {"next-hops": {far: {"metric": 5}, near: {"metric": 9}}}])}}}
    second = {"tables": {"second": {"id": 200, "static": {"0.0.0.0/0": {"next-hops": {VIA[1 - t["uplink"]][0]: {}}}, "::/0": {"next-hops": {VIA[1 - t["uplink"]][1]: {}}}}}}}
    about = r.choice([{"from": f"{s['src']}/{bits}"}, {"to": f"{s['dst']}/{bits}"}, {"interface": "lan0", "to": f"{s['dst']}/{bits}"}])
    return {"routing": r.choice([{"policy": {"40": {**about, none: True}}}, {**second, "policy": {"40": {**about, "table": "second"}}}, {}])}


def size(r, t, s):
    """A smaller MTU where it comes in or leaves."""
    port = r.choice(["lan0", f"wan{t['uplink']}"] if zone(s["dst"]) == "wan" else ["lan0", "dmz0"])
    own = t["interfaces"].get(port, {})
    return {"interfaces": {**t["interfaces"], port: {**own, "mtu": 1500 if own.get("mtu") == 1400 else 1400}}}


def switched(r, t, s):
    """An interface is switched off, or all are on again."""
    off = [p for p, own in t["interfaces"].items() if own.get("enabled") is False]
    if off and r.random() < 0.8:
        return {"interfaces": {p: {**own, "enabled": True} if p in off else own for p, own in t["interfaces"].items()}}
    port = r.choice([f"wan{t['uplink']}", "wan0", "wan1", "dmz0"])
    return {"interfaces": {**t["interfaces"], port: {**t["interfaces"].get(port, {}), "enabled": False}}}


def less(r, t, s):
    """As it was."""
    return {"rules": {n: x for n, x in t["rules"].items() if int(n) >= 60}} if r.random() < 0.6 else {"routing": {}, "notrack": {}}


def moved(r, t, s):
    """Where it is sent is of another zone."""
    own = t["zones"]["dmz"]["interfaces"] == ["dmz0"]
    zones = PLAIN["zones"]
    return {"zones": {**t["zones"], "dmz": {**t["zones"]["dmz"], "interfaces": ["dmz0", "wan1"] if own else zones["dmz"]["interfaces"]},
                      "wan": {**t["zones"]["wan"], "interfaces": ["wan0"] if own else zones["wan"]["interfaces"]}}}


def change(r, t, s):
    """The tree with one thing changed that is about a conversation."""
    make = r.choice([rule] * 8 + [translated] * 3 + [way] * 4 + [target, target, *[untracked] * 4, size, less, less, moved, switched, switched])
    return {**t, **make(r, t, s)}


def within_model(r, t, s):
    """The same, of what the model covers."""
    new = {**t, **r.choice([rule] * 6 + [translated] * 3 + [target] * 2 + [less, moved])(r, t, s)}
    return {**new, "rules": {n: {k: v for k, v in x.items() if k != "state"} for n, x in new["rules"].items()}}


# what is worth sending after a change: (in the step's text, size, times, how)
LOOKS = [(r" mtu (lock )?700", [(700, 1, ""), (620, 1, "")]), (r" mtu (lock )?1280", [(1250, 1, ""), (1300, 1, "")]), (r'"mtu": ', [(1370, 1, ""), (1380, 1, "")]),
         (r" (tos|dsfield) 0x10", [(20, 1, "tos"), (20, 1, ""), (20, 1, "tos")]), (r"burst 700", [(800, 1, ""), (800, 1, "")]), (r"quota|limit rate", [(500, 2, "")])]


def looks(text):
    """What the conversation sends after a change, as (size, times, how)."""
    first = [(20, 1, "unasked")] if text.startswith('["foreign", "conntrack ') else []  # the other end, which no rule may let in
    return first + [(20, 2, "")] + next((list(more) for what, more in LOOKS if re.search(what, text)), [])
