"""What others may do to a router beside what the random scripts draw from: name, what it is, how it is taken back, and
what is worth sending then. Each is played by test_members.py with the fast path off (what the kernel does), tcx, xdp."""
from foreign import table

CONFIG = {"firewall": {"zones": {"lan": {"interfaces": ["lan0"]}, "dmz": {"interfaces": ["dmz0"]}, "wan": {"interfaces": ["wan0", "wan1"]}},
                       "rules": {"10": {"from": "lan", "action": "accept"}}, "default": {"forward": "drop"}},
          "routing": {"static": {"0.0.0.0/0": {"next-hops": {"192.0.2.1": {}}}, "::/0": {"next-hops": {"fd00:10::1": {}}}}}}
DST4, DST6, SRC4, SRC6 = "198.51.100.10", "2001:db8:100::10", "10.1.0.2", "fd00:1::2"
PLAIN, LONG, FORM = [(100, 1, ""), (200, 1, "")], [(1000, 1, ""), (1410, 1, "")], [(60, 1, "options"), (20, 1, "ttl"), (20, 1, "pieces"), (60, 1, "unsummed")]
BACK = [(20, 1, "unasked"), (100, 1, "")]


def sysctl(name, value, was):
    return f"sysctl -qw net.{name}={value}", f"sysctl -qw net.{name}={was}"


def nft(family, body):
    return table("x1", family, body), f"nft delete table {family} x1"


def link(do, undo):
    return f"ip link {do}", f"ip link {undo}"


def tc(dev, at, what):
    return f"tc qdisc replace dev {dev} clsact; tc filter replace dev {dev} {at} pref 7 {what}", f"tc filter del dev {dev} {at}"


def route(to, rest="", kind=""):
    ip = "ip -6" if ":" in to else "ip"
    return f"{ip} route replace {kind} {to} {rest}", f"{ip} route del {kind} {to}"


def rule(what, family="", more="ip route replace default via 203.0.113.1 dev wan1 table 101"):
    return f"{more}; ip {family} rule add pref 5 {what}", f"ip {family} rule del pref 5; (ip route flush table 101; ip -6 route flush table 101) 2>/dev/null || true"


FWD = "chain c { type filter hook forward priority 10;"
MEMBERS = {
    # ---- chains ----
    "ingress of the way out": (*nft("netdev", "chain c { type filter hook ingress device wan0 priority 0; udp sport 80 drop; }"), PLAIN),
    "ingress of two devices": (*nft("netdev", "chain c { type filter hook ingress devices = { lan0, wan0 } priority 0; tcp dport 80 drop; }"), PLAIN),
    "ingress that changes the mark of answers": (*nft("netdev", "chain c { type filter hook ingress device wan0 priority 0; udp sport 80 meta mark set 9; }"), PLAIN),
    "set with time-outs": (table("x1", "inet", f"set b {{ type ipv4_addr; flags timeout; elements = {{ {SRC4} timeout 6s }}; }} {FWD} ip saddr @b drop; }}"),
                           "sleep 6.3; true", PLAIN, "nft delete table inet x1"),
    "rate in a set": (*nft("inet", "set m { type ipv4_addr; flags dynamic; size 64; } " + FWD + " add @m { ip saddr limit rate over 2/day burst 3 packets } drop; }"), PLAIN * 3),
    "synproxy": (*nft("inet", FWD + " tcp dport 80 ct state invalid,untracked synproxy mss 1460 wscale 7; } chain r { type filter hook prerouting priority -300; tcp dport 80 tcp flags syn notrack; }"), PLAIN),
    "zone of answers": (*nft("inet", "chain c { type filter hook prerouting priority -300; iifname wan0 ct zone set 7; }"), PLAIN),
    "notrack of answers": (*nft("inet", "chain c { type filter hook prerouting priority -300; udp sport 80 notrack; }"), PLAIN),
    "priority of packets": (*nft("inet", "chain c { type filter hook postrouting priority 0; meta priority set 0x10010; }"), PLAIN),
    "trace": (*nft("inet", "chain c { type filter hook prerouting priority -350; meta nftrace set 1; }"), PLAIN),
    "size of packets": (*nft("inet", FWD + " meta length > 700 drop; }"), LONG),
    "clamp of the segment size": (*nft("inet", FWD + " tcp flags syn tcp option maxseg size set 500; }"), PLAIN),
    "destination of established packets": (*nft("ip", "chain c { type filter hook prerouting priority -310; ip daddr 198.51.100.10 ip daddr set 198.51.100.11; }"), PLAIN),
    "payload of packets": (*nft("inet", "chain c { type filter hook postrouting priority 300; udp dport 80 @th,64,32 set 0x41424344; }"), PLAIN),
    "duplicate": (*nft("ip", "chain c { type filter hook prerouting priority -150; udp dport 80 dup to 10.2.0.2 device dmz0; }"), PLAIN),
    "forwarded by netdev": (*nft("netdev", "chain c { type filter hook ingress device lan0 priority 0; udp dport 80 fwd to dmz0; }"), PLAIN),
    "chain by socket": (*nft("inet", "chain c { type filter hook prerouting priority -150; socket transparent 1 drop; }"), PLAIN),
    "chain of an address family": (*nft("ip6", FWD + " udp dport 80 drop; }"), PLAIN),
    "verdict map by connection": (*nft("inet", FWD + " ct state vmap { established : drop, related : accept }; }"), PLAIN),
    "expectation object": (*nft("inet", "ct expectation e { protocol udp; dport 9876; timeout 60s; size 4; l3proto ip; } " + FWD + " tcp dport 80 ct expectation set \"e\"; }"), PLAIN),
    "mark by connection": (*nft("inet", "chain c { type filter hook prerouting priority -150; meta mark set 7; }"), PLAIN),
    "random refusal": (*nft("inet", FWD + " numgen inc mod 2 0 drop; }"), PLAIN * 2),
    "hash of addresses": (*nft("inet", FWD + " jhash ip saddr . ip daddr mod 1 0 drop; }"), PLAIN),
    "route type": (*nft("inet", "chain c { type filter hook prerouting priority -150; fib daddr type unicast udp dport 80 drop; }"), PLAIN),
    "reverse path by nftables": (*nft("inet", "chain c { type filter hook prerouting priority -300; fib saddr . iif oif missing drop; }"), PLAIN),
    "arp refused": (*nft("arp", "chain c { type filter hook input priority 0; arp operation reply drop; }"), PLAIN),
    # ---- filters and disciplines ----
    # ---- rules and routes ----
    "rule by source port": (*rule("ipproto udp sport 20001 lookup 101"), PLAIN),
    "rule by ports in a range": (*rule("ipproto tcp dport 70-90 lookup 101"), PLAIN),
    "rule by way in, prohibit": (*rule("iif lan0 to 198.51.100.0/24 prohibit"), PLAIN),
    "rule by way out": (*rule("oif wan0 prohibit"), PLAIN),
    "rule by user": (*rule("uidrange 1-10 lookup 101"), PLAIN),
    "rule by mark that is none": (*rule("fwmark 0 lookup 101"), PLAIN),
    "rule by DSCP": (*rule("tos 0x10 lookup 101"), [(20, 1, "tos"), (100, 1, ""), (20, 1, "tos")]),
    "rule by tunnel": (*rule("tun_id 5 lookup 101"), PLAIN),
    "local table later": ("ip rule add pref 32000 lookup local; ip rule del pref 0", "ip rule add pref 0 lookup local; ip rule del pref 32000", PLAIN),
    "rule that is not": (*rule("not to 198.51.100.11 lookup 101"), PLAIN),
    "rule of IPv6 by label of the source": (*rule("from fd00:1::/64 prohibit", "-6"), PLAIN),
    "route that is a broadcast": (*route(DST4, "dev wan0", "broadcast"), PLAIN),
    "own address is theirs": (f"ip addr add {DST4}/32 dev lo", f"ip addr del {DST4}/32 dev lo", PLAIN),
    "own address is theirs, IPv6": (f"ip addr add {DST6}/128 dev lo", f"ip addr del {DST6}/128 dev lo", PLAIN),
    "route with a segment size": (*route(DST4, "via 192.0.2.1 advmss 500"), LONG),
    "route with a hop limit": (*route(DST4, "via 192.0.2.1 hoplimit 9"), PLAIN),
    "route by the link": (*route(DST4, "dev wan0 scope link"), PLAIN),
    "routes with weights": (*route(DST4, "nexthop via 192.0.2.1 dev wan0 weight 1 nexthop via 203.0.113.1 dev wan1 weight 200"), PLAIN),
    "group of IPv6": ("ip -6 nexthop replace id 81 via fd00:11::1 dev wan1; ip nexthop replace id 83 group 81; " + route(DST6, "nhid 83")[0],
                      route(DST6)[1] + "; ip nexthop del id 83; ip nexthop del id 81", PLAIN),
    "group whose member changes": ("ip nexthop replace id 81 via 192.0.2.1 dev wan0; ip nexthop replace id 83 group 81; " + route(DST4, "nhid 83")[0] +
                                   "; sleep 0.3; ip nexthop replace id 81 via 203.0.113.1 dev wan1", route(DST4)[1] + "; ip nexthop del id 83; ip nexthop del id 81", PLAIN),
    "source of a route": (*route(DST4, "via 192.0.2.1 src 192.0.2.2"), PLAIN),
    "router preference": (*route(DST6, "via fd00:11::1 dev wan1 pref high"), PLAIN),
    "neighbour without ARP": ("ip neigh replace 192.0.2.1 dev wan0 lladdr 02:00:00:00:77:77 nud noarp", "ip neigh del 192.0.2.1 dev wan0", PLAIN),
    "neighbour that is a proxy": ("ip neigh add proxy 10.1.0.77 dev lan0", "ip neigh del proxy 10.1.0.77 dev lan0", PLAIN),
    # ---- settings ----
    "rp_filter loose": (*sysctl("ipv4.conf.all.rp_filter", 2, 0), PLAIN),
    "rp_filter of one interface": ("sysctl -qw net.ipv4.conf.wan0.rp_filter=1; ip route replace 198.51.100.10 via 203.0.113.1 dev wan1", "ip route del 198.51.100.10; sysctl -qw net.ipv4.conf.wan0.rp_filter=0", PLAIN),
    "src_valid_mark": (*sysctl("ipv4.conf.all.src_valid_mark", 1, 0), PLAIN),
    "accept_local": (*sysctl("ipv4.conf.all.accept_local", 1, 0), PLAIN),
    "route_localnet": (*sysctl("ipv4.conf.all.route_localnet", 1, 0), PLAIN),
    "proxy_arp": (*sysctl("ipv4.conf.lan0.proxy_arp", 1, 0), PLAIN),
    "policy off": (*sysctl("ipv4.conf.lan0.disable_policy", 1, 0), PLAIN),
    "IPv6 off at the way in": (*sysctl("ipv6.conf.lan0.disable_ipv6", 1, 0), PLAIN),
    "next hops by neighbours": (*sysctl("ipv4.fib_multipath_use_neigh", 1, 0), PLAIN),
    "tcp_loose off": (*sysctl("netfilter.nf_conntrack_tcp_loose", 0, 1), BACK),
    "checksums unchecked": (*sysctl("netfilter.nf_conntrack_checksum", 0, 1), FORM),
    "conntrack is full": ("sysctl -qw net.netfilter.nf_conntrack_max=1", "sysctl -qw net.netfilter.nf_conntrack_max=65536", PLAIN),
    "segment routing headers": (*sysctl("ipv6.conf.all.seg6_enabled", 1, 0), FORM),
    "source routes": (*sysctl("ipv4.conf.all.accept_source_route", 1, 0), FORM),
    "fields of the hash of shared routes": (f"ip route replace {DST4} nexthop via 192.0.2.1 dev wan0 nexthop via 203.0.113.1 dev wan1; sysctl -qw net.ipv4.fib_multipath_hash_policy=3 net.ipv4.fib_multipath_hash_fields=0x30",
                                            f"ip route del {DST4}; sysctl -qw net.ipv4.fib_multipath_hash_policy=0 net.ipv4.fib_multipath_hash_fields=7", PLAIN),
    "broadcasts forwarded": (*sysctl("ipv4.conf.all.bc_forwarding", 1, 0), PLAIN),
    # ---- links ----
    "promiscuous": (*link("set lan0 promisc on", "set lan0 promisc off"), PLAIN),
    "MTU larger on the way in": (*link("set lan0 mtu 9000", "set lan0 mtu 1500"), LONG),
    "own MAC address": (*link("set wan0 address 02:00:00:00:02:41", "set wan0 address 02:00:00:00:02:01"), PLAIN),
    "own MAC address of the way in": (*link("set lan0 address 02:00:00:00:00:41", "set lan0 address 02:00:00:00:00:01"), PLAIN),
    "macvlan in bridge mode": ("ip link add link lan0 name mv1 type macvlan mode bridge; ip link set mv1 up", "ip link del mv1", PLAIN),
    "macvlan of mode source": ("ip link add link lan0 name mv1 type macvlan mode source; ip link set mv1 type macvlan macaddr add 02:00:00:00:00:02; ip link set mv1 up", "ip link del mv1", PLAIN),
    # ---- conntrack and IPsec by hand ----
    "one direction is deleted": (f"conntrack -D -r {DST4}; true", "true", BACK),
    "a connection made by hand": (f"conntrack -F; conntrack -I -p udp -s {SRC4} -d {DST4} --sport 20001 --dport 80 -t 100 -u ASSURED,SEEN_REPLY; true", "true", BACK),
    "IPsec policy on the way in": (f"ip xfrm policy add src {DST4} dst {SRC4} dir in action block", "ip xfrm policy flush", PLAIN),
    "IPsec by mark": (f"ip xfrm policy add src {SRC4} dst {DST4} dir fwd mark 5 action block", "ip xfrm policy flush", PLAIN),
    "IPsec by template": (f"ip xfrm policy add src {SRC4} dst {DST4} dir out tmpl src 192.0.2.2 dst 192.0.2.1 proto esp mode tunnel", "ip xfrm policy flush", PLAIN),
}


def udp(src, dst, sport, dport=80, **more):
    return {"proto": "udp", "src": src, "dst": dst, "sport": sport, "dport": dport, "tos": 0, **more}


FW = CONFIG["firewall"]
LAN_OUT = {"10": {"from": "lan", "action": "accept"}, "20": {"from": "wan", "to": "dmz", "action": "accept"}}
OWN = "192.0.2.2"


def translated(port, to, **more):
    """From the ways out to the appliance's address, further on to dmz."""
    entry = {"from": "wan", "protocol": "tcp_udp", "port": port, "destination": OWN, "translate-to": to, **more}
    return {**CONFIG, "firewall": {**FW, "rules": LAN_OUT, "nat": {"destination": {"10": entry}}}}


def inbound(proto):
    return [{"proto": proto, "src": DST4, "dst": OWN, "sport": 20020 + n, "dport": 8000 + n, "tos": 0} for n in range(4)]


HAIRPIN = {**CONFIG, "firewall": {**FW, "rules": LAN_OUT, "nat": {
    "source": {"5": {"to": "lan", "source": "10.1.0.0/24", "action": "masquerade"}, "10": {"to": "wan"}},
    "destination": {"10": {"from": "lan", "protocol": "tcp_udp", "port": "8000", "destination": OWN, "translate-to": "10.1.0.3:80"}}}}}
ODD = ["127.0.0.5", "0.0.0.5", "255.255.255.255", "224.0.0.5", "240.0.0.5", "10.1.0.1", "10.1.0.255", OWN]
# members with more conversations, begun beside the others before and again after; or with a configuration, or several in
# turn, that they are about
MORE = {
    "hairpin with masquerade": {"member": ("true", "true", PLAIN), "config": HAIRPIN, "talks": [
        {**udp("10.1.0.2", OWN, 20020, 8000), "proto": p} for p in ("udp", "tcp")] + [udp("10.1.0.4", OWN, 20020, 8000)]},
    "two ports for six": {"member": (*nft("ip", "chain c { type nat hook postrouting priority 90; udp dport 53 masquerade to :30000-30001; }"), PLAIN),
                          "talks": [udp("10.1.0.2", DST4, 20020 + n, 53) for n in range(6)]},
    "directed broadcasts": {"member": ("sysctl -qw net.ipv4.conf.all.bc_forwarding=1 net.ipv4.conf.lan0.bc_forwarding=1", "sysctl -qw net.ipv4.conf.all.bc_forwarding=0 net.ipv4.conf.lan0.bc_forwarding=0", PLAIN),
                            "talks": [udp("10.1.0.2", "10.2.0.255", 20020), udp("10.1.0.2", "10.1.0.255", 20021), udp("10.1.0.2", "255.255.255.255", 20022), udp("10.1.0.2", "10.2.0.0", 20023)]},
    "martian sources": {"member": (*sysctl("ipv4.conf.all.log_martians", 1, 0), PLAIN), "talks": [udp(a, DST4, 20020, host="lan") for a in ODD]},
    "martian destinations": {"member": (*sysctl("ipv4.conf.all.log_martians", 1, 0), PLAIN), "talks": [udp("10.1.0.2", a, 20020) for a in ("127.0.0.5", "0.0.0.0", "0.0.0.5", "240.0.0.5", "224.0.0.5")]},
    "loopback networks routed": {"member": (*sysctl("ipv4.conf.all.route_localnet", 1, 0), PLAIN), "talks": [udp("10.1.0.2", "127.0.0.5", 20020), udp("127.0.0.5", DST4, 20021, host="lan")]},
    "ports of a range moved": {"member": ("true", "true", PLAIN), "talks": inbound("udp") + inbound("tcp"), "config": translated("8000-8003", "10.2.0.2:9000-9003"),
                               "configs": [translated("8000-8003", "10.2.0.2:9001-9004"), translated("8000-8003", "10.2.0.3:9001-9004"), translated("8000-8003", "10.2.0.2:9000-9003")]},
    "ports of a range taken away": {"member": ("true", "true", PLAIN), "talks": inbound("udp") + inbound("tcp"), "config": translated("8000-8003", "10.2.0.2:9000-9003"),
                                    "configs": [translated("8001-8002", "10.2.0.2:9001-9002"), translated("8001-8004", "10.2.0.2:9001-9004"), translated("8000-8003", "10.2.0.2:9000-9003")]},
    "ports of a range folded": {"member": ("true", "true", PLAIN), "talks": inbound("udp") + inbound("tcp"), "config": translated("8000-8003", "10.2.0.2:9000-9003"),
                                "configs": [translated("8000-8003", "10.2.0.2:9000-9001", fold=True), translated("8000-8003", "10.2.0.2:9004", fold=True), translated("8000-8003", "10.2.0.2:9000-9003")]},
}
