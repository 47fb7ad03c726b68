"""What a configuration decides about a conversation, by its documentation: a second opinion beside the worlds,
which all load one nftables text. It models the first packet of a connection that is forwarded; of what it does not
know (None) it has no answer: rates, states and flags, notrack, more routes than the default ones, smaller MTUs."""
import ipaddress

from foreign import HELPERS, HELPERS_IN, UNDO
from trees import VIA
from world import HOSTS, ROUTER, home
import wire

SERVICES = {"http": 80, "domain": 53}
REFUSED = "refused"
UNPARSED = {"sctp", "ah"}  # to conntrack the payload of the script is no packet of those
LATER = {"state", "tcp-flags", "limit"}  # what is more than the first packet's addresses


class Unknown(Exception):
    pass


def listed(value, kind, groups):
    """A value of the configuration as a list, groups by what is in them."""
    out = []
    for x in value if isinstance(value, list) else [value]:
        negated, name = str(x).startswith("!"), str(x).lstrip("!")
        for y in groups[name[1:]].get(kind, []) if name.startswith("@") else [name]:
            out.append((negated, str(y)))
    return out


def port_in(port, text):
    first, _, last = text.partition("-")
    first = SERVICES.get(first) or int(first)
    return first <= port <= int(last or first)


def address_in(address, text):
    a = ipaddress.ip_address(address)
    if "-" in text:
        first, last = (ipaddress.ip_address(x) for x in text.split("-"))
        return a.version == first.version and first <= a <= last
    return a in ipaddress.ip_network(text, strict=False)


def matches(value, is_in, same=lambda text: True):
    """Lists with exceptions; same: whether an exception is of this family."""
    positive = [t for n, t in value if not n]
    negative = [t for n, t in value if n]
    if not positive and not any(same(t) for t in negative):
        return False
    return (not positive or any(is_in(t) for t in positive)) and not any(is_in(t) for t in negative)


def addresses(value, address, groups):
    return value is None or matches(listed(value, "addresses", groups), lambda t: address_in(address, t), lambda t: (":" in t) == wire.is6(address))


def ports(value, port, groups):
    return value is None or matches(listed(value, "ports", groups), lambda t: port_in(port, t))


def protocol(value, packet):
    own = "icmpv6" if packet["proto"] == "icmp" and wire.is6(packet["src"]) else packet["proto"]
    return value in (None, "any", own) or value == "tcp_udp" and own in ("tcp", "udp")


def same(entry, packet, groups, to="destination-ports"):
    """Whether an entry's protocol, addresses and ports are the packet's."""
    if not protocol(entry.get("protocol"), packet) or not addresses(entry.get("source"), packet["src"], groups):
        return False
    asks = entry.get("source-ports") is not None or entry.get(to) is not None
    if asks and packet["proto"] not in ("tcp", "udp"):
        return False
    if not ports(entry.get("source-ports"), packet["sport"], groups) or not ports(entry.get(to), packet["dport"], groups):
        return False
    return addresses(entry.get("destination"), packet["dst"], groups)


def zone(word, port, zones):
    """Whether a rule's from or to is an interface's."""
    if word is None:
        return True
    if word == "local":
        return False
    inside = port in zones.get(word.lstrip("!"), {}).get("interfaces", [])
    return inside != word.startswith("!")


def by_number(entries):
    return [entries[n] for n in sorted(entries, key=int) if entries[n].get("enabled", True)]


class Box:
    """One configuration."""

    def __init__(self, tree):
        routing = tree.get("routing", {})
        self.fw, self.static = tree.get("firewall", {}), routing.get("static", {})
        self.zones, self.nat, self.groups = self.fw.get("zones", {}), self.fw.get("nat", {}), self.fw.get("groups", {})
        one_way = all(len(e.get("next-hops", {})) == 1 for e in self.static.values())
        self.plain = set(self.static) == {"0.0.0.0/0", "::/0"} and one_way and not routing.get("policy") and not any(
            {"mtu", "enabled"} & i.keys() for i in tree.get("interfaces", {}).values())
        self.own = {p: [x.split("/")[0] for x in tree.get("interfaces", {}).get(p, {}).get("addresses", a)] for p, a in ROUTER.items()}

    def is_own(self, address):
        return any(address in a for a in self.own.values())

    def way(self, address):
        """(interface, host) behind which an address is."""
        if self.is_own(address) or not self.plain:
            raise Unknown
        for port, nets in ROUTER.items():
            if any(ipaddress.ip_address(address) in ipaddress.ip_network(n, strict=False) for n in nets):
                host = home(address)
                if host not in HOSTS or HOSTS[host][0] != port:
                    raise Unknown
                return port, host
        via = next(iter(self.static["::/0" if wire.is6(address) else "0.0.0.0/0"]["next-hops"]))
        host = "isp1" if via in VIA[1] else "isp0"
        if not any(x.split("/")[0] == address for x in HOSTS[host][1]):
            raise Unknown
        return HOSTS[host][0], host

    def destination(self, packet, port):
        """The packet as the rules see it."""
        for e in by_number(self.nat.get("destination", {})):
            if not zone(e.get("from"), port, self.zones) or not same(e, packet, self.groups, "port"):
                continue
            if "destination" not in e and not self.is_own(packet["dst"]):
                continue
            if e.get("action") in ("none", "exclude"):
                break
            return {**packet, **target(e, packet)} if "translate-to" in e else packet
        return packet

    def rule(self, packet, come, go):
        for r in by_number(self.fw.get("rules", {})):
            if not zone(r.get("from"), come, self.zones) or not zone(r.get("to"), go, self.zones) or not same(r, packet, self.groups):
                continue
            if "icmp-type" in r and r["icmp-type"] != "echo-request":
                continue
            if "source-mac" in r:
                macs = [m.lstrip("!") for m in (r["source-mac"] if isinstance(r["source-mac"], list) else [r["source-mac"]])]
                if (packet["mac"] in macs) == str(r["source-mac"]).startswith("!"):
                    continue
            if LATER & r.keys():
                raise Unknown
            return r["action"]
        return self.fw.get("default", {}).get("forward", "drop")

    def source(self, packet, go):
        for e in by_number(self.nat.get("source", {})):
            if not zone(e.get("to"), go, self.zones) or not same(e, packet, self.groups):
                continue
            action, six = e.get("action", "masquerade"), wire.is6(packet["src"])
            if action == "snat" and "translate-to" in e:
                if wire.is6(e["translate-to"]) == six:
                    return {**packet, "src": e["translate-to"]}
                continue
            if action == "masquerade":
                if six and not ({"source", "destination"} & e.keys()):
                    continue
                return {**packet, "src": next(a for a in self.own[go] if wire.is6(a) == six)}
            break
        return packet

    def sends(self, spec, mac):
        """REFUSED, or (way out, host, source, destination, port) as the far end sees it. Raises Unknown."""
        come = HOSTS[home(spec["src"])][0]
        if spec["proto"] in UNPARSED or self.fw.get("notrack") or any("state" in r for r in self.fw.get("rules", {}).values()):
            raise Unknown
        packet = self.destination({**spec, "mac": mac}, come)
        go, host = self.way(packet["dst"])
        if self.rule(packet, come, go) != "accept":
            return REFUSED
        after = self.source(packet, go)
        return go, host, after["src"], after["dst"], after["dport"] if spec["proto"] in ("tcp", "udp") else None

    def lets_back(self, spec, mac):
        """Whether what is refused may be the answer to a first packet of the other end, which is let through."""
        come = HOSTS[home(spec["src"])][0]
        packet = {**spec, "src": spec["dst"], "dst": spec["src"], "sport": spec["dport"], "dport": spec["sport"], "mac": mac}
        return self.rule(packet, self.way(spec["dst"])[0], come) == "accept"


def target(entry, packet):
    """Where destination NAT sends a packet: a port or range in translate-to, else the port stays."""
    text = entry["translate-to"]
    if text.startswith("["):
        address, _, port = text[1:].partition("]:")
    else:
        address, port = (text, "") if text.count(":") > 1 else text.split(":") if ":" in text else (text, "")
    if wire.is6(address) != wire.is6(packet["dst"]):
        return {}
    if not port:
        return {"dst": address}
    first, _, last = port.partition("-")
    if not last:
        return {"dst": address, "dport": int(first)}
    return {"dst": address, "dport": int(first) + packet["dport"] - int(str(entry["port"]).partition("-")[0])}


class Model:
    """Follows a script; check() compares what a world saw with the decision of the configuration."""

    def __init__(self, tree):
        self.box, self.ways = Box(tree), {}  # way out of each conversation as it began
        self.portless = {}  # the first of each protocol; to conntrack a later one may be the same, or the same once masqueraded
        self.alone = self.wired = True

    def follow(self, step):
        if step[0] == "config":
            self.box = Box(step[1])
        elif step == ["foreign", UNDO]:
            self.alone, self.ways = self.wired, {}  # conntrack has forgotten all of them
        elif step[0] in ("foreign", "cable") and step[1] not in (HELPERS, HELPERS_IN):
            self.alone, self.wired = False, self.wired and step[0] != "cable"

    def check(self, step, world):
        """"" or what is otherwise. Each conversation's trail is what came of its client's packets in this step."""
        wrong = ""
        for name, talk in world.talks.items():
            trail, talk.trail = talk.trail, []
            if trail and self.alone and step[0] in ("begin", "say", "age") and (step[0] != "say" or step[4] == ""):
                wrong = wrong or self.compare(name, talk, trail, step[0] == "begin")
        return wrong

    def compare(self, name, talk, trail, new):
        if talk.host not in HOSTS or "host" in talk.spec or str(name).endswith("d"):
            return ""
        if talk.other and self.portless.setdefault(talk.proto, name) != name:
            return ""
        try:
            mac = wire.mac(talk.w.mac[talk.host])
            sends = self.box.sends(talk.spec, mac)
            if sends == REFUSED and self.box.lets_back(talk.spec, mac):
                raise Unknown
            if sends != REFUSED and sends[1] == talk.host:  # who sent it sees it again, which is not told apart
                raise Unknown
        except Unknown:
            self.ways[name] = None
            return ""
        way = sends if sends == REFUSED else sends[0]
        if new:
            self.ways[name] = way
        if way != REFUSED and self.ways.get(name) not in (way, REFUSED):
            return ""  # another way out is no other policy: what runs continues
        for arrived in trail:
            found = [(host, x.src, x.dst, x.dport) for host, x in arrived]
            if sends == REFUSED and found and self.ways.get(name):
                return f"conversation {name} is refused by the configuration, but came through as {found}"
            if sends != REFUSED and (found or new or talk.proto == wire.UDP) and found != [sends[1:]]:
                return f"conversation {name} should come through as {sends[1:]}, but did as {found or 'nothing'}"
        return ""
