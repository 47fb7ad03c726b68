"""What other programs do to the router, about one of the conversations, and how all of it is taken back."""
from trees import LAN4, LAN6
import wire


def table(name, family, body):
    """A table of others, in place of one they had. nft needs the end of a block to be the end of a line."""
    body = body.replace("; } chain", ";\n}\nchain").replace("}; } chain", "};\n}\nchain")
    return f"nft -f - <<'X'\nadd table {family} {name}\ndelete table {family} {name}\ntable {family} {name} {{\n{body}\n}}\nX"


HELPERS = table("x7", "inet", """ct helper f4 { type "ftp" protocol tcp; l3proto ip; }
ct helper f6 { type "ftp" protocol tcp; l3proto ip6; }
chain c { type filter hook prerouting priority -150; meta nfproto ipv4 tcp dport 21 ct helper set "f4"
meta nfproto ipv6 tcp dport 21 ct helper set "f6"; }""")


# the same for what comes in by one interface, which leaves the others to the fast path
HELPERS_IN = HELPERS.replace("meta nfproto", 'iifname "lan0" meta nfproto')

TIMEOUTS = table("x7", "inet", """ct timeout t4 { protocol udp; l3proto ip; policy = { unreplied : 100, replied : 100 }
}
chain c { type filter hook prerouting priority -150; meta nfproto ipv4 udp dport 1-60000 ct timeout set "t4"; }""")


NO_ROUTER = "192.0.2.50"  # a router that no host has: seen by its Ethernet address
LEARNS = (f"sysctl -qw net.ipv4.conf.all.accept_redirects=1 net.ipv4.conf.wan0.accept_redirects=1; "
          f"ip neigh replace {NO_ROUTER} lladdr 02:00:00:00:02:77 dev wan0 nud permanent")


def filters(r, s, wan):
    """Chains of others."""
    src, dst, proto, six = s["src"], s["dst"], s["proto"], wire.is6(s["src"])
    v = "ip6" if six else "ip"
    hook = r.choice(["forward", "forward", "prerouting", "postrouting"])
    priority = r.choice([-310, -150, -10, 10, 50])
    match = f"{v} {r.choice(['saddr ' + src, 'daddr ' + dst])}" if hook == "forward" else f"{v} daddr {dst}"
    port = f"{proto} dport {s['dport']}" if proto in ("tcp", "udp") else f"meta l4proto {proto}"
    chain = f"chain c {{ type filter hook {hook} priority {priority}; policy accept;"
    refusal = r.choice(["drop", "reject", "drop"]) if hook == "forward" else "drop"
    return [
        table("x1", "inet", f"{chain} {match} {refusal}; }}"),
        table("x1", "inet", f"set b {{ type ipv{6 if six else 4}_addr; elements = {{ {src} }}; }} {chain} {v} saddr @b {port} drop; }}"),
        table("x1", "inet", f"set b {{ type ipv{6 if six else 4}_addr; }} {chain} {v} saddr @b {port} drop; }}") +
        f"\nnft add element inet x1 b {{ {src} }}",
        table("x1", "inet", f"{chain} iifname {r.choice(['lan0', wan])} {match} drop; }}"),
        table("x1", v, f"chain c {{ type filter hook {hook} priority {priority}; policy drop; {v} saddr {src} accept; }}"),
        table("x4", "inet", f"chain c {{ type filter hook {r.choice(['postrouting', 'forward'])} priority 20; {port} {v} dscp set cs1; }}"),
        table("x5", "inet", f"chain c {{ type filter hook prerouting priority -300; {port} {r.choice(['notrack', 'ct zone set 5'])}; }}"),
        table("x6", "inet", f"chain c {{ type filter hook {hook} priority {priority}; {port} quota over 300 bytes drop; }}"),
        table("x6", "inet", f"chain c {{ type nat hook {r.choice(['prerouting', 'output'])} priority -110; {port} dnat {v} to {'fd00:2::2' if six else '10.2.0.3'}; }}"),
        table("x6", "inet", f"chain c {{ type nat hook postrouting priority 90; {port} snat {v} to {'fd00:10::88' if six else '192.0.2.88'}; }}"),
        table("x6", "inet", f"chain c {{ type route hook output priority -140; {port} meta mark set 1; }}"),
        table("x1", "inet", f"{chain} {port} queue num 5 {r.choice(['', 'bypass'])}; }}"),
        table("x1", "inet", f"{chain} iifname {{ lan0, dmz0 }} {match} drop; }}"), table("x1", "inet", f"{chain} oifname \"wan*\" {port} drop; }}"),
        table("x1", "inet", f"{chain} iifname != \"{wan}\" {match} drop; }}"), table("x1", "inet", f"chain d {{ {match} drop; }} {chain} jump d; }}"),
        table("x1", "inet", f"{chain} iifname vmap {{ lan0 : drop }}; }}"), table("x1", "inet", f"{chain} ct mark 0-99999999 {port} drop; }}"),
        table("x1", "inet", f"{chain} ct state established {port} limit rate over 2/day burst 2 packets drop; }}"),
        table("x8", "bridge", "chain c { type filter hook forward priority 0; policy drop; }"),
        table("x5", "inet", f"chain c {{ type filter hook prerouting priority -300; ct original zone 0 {port} ct zone set {r.choice(['1', 'iif map { lan0 : 3 }'])}; }}"),
        table("x6", "inet", f"flowtable f {{ hook ingress priority 0; devices = {{ lan0, {wan} }}; }} chain c {{ type filter hook forward priority 10; {port} flow add @f; }}"),
        table("x4", "inet", f"chain c {{ type filter hook forward priority 20; {port} {v} {'hoplimit' if six else 'ttl'} set 33; }}"),
        HELPERS, TIMEOUTS,
    ]


def rules(r, s, wan):
    """Rules and routes of others."""
    src, dst, proto, six = s["src"], s["dst"], s["proto"], wire.is6(s["src"])
    ip = "ip -6" if six else "ip"
    port = f"{proto} dport {s['dport']}" if proto in ("tcp", "udp") else f"meta l4proto {proto}"
    none, pref = r.choice(["blackhole", "unreachable", "prohibit"]), r.choice([5, 9000])
    far, near = ("fd00:11::1", "fd00:10::1") if six else ("203.0.113.1", "192.0.2.1")
    marked = (f"\n{ip} rule add pref {pref} fwmark {r.choice(['1', '1/1', '0x1/0xff'])} lookup 100; {ip} route replace default via {far} dev wan1 table 100")
    mark = f"chain c {{ type filter hook prerouting priority -150; iifname \"lan0\" {port} meta mark set 1; }}"
    return [
        table("x3", "inet", mark) + marked, table("x3", "inet", mark) + marked,
        table("x3", "netdev", f"chain c {{ type filter hook ingress device lan0 priority 0; {port} meta mark set 1; }}") + marked,
        table("x3", "inet", f"chain c {{ type filter hook prerouting priority -150; iifname \"lan0\" meta mark set ct mark; }}") + marked,
        f"{ip} route replace default via {far} dev wan1 table 101; {ip} rule add pref {pref} from {src} lookup 101",
        f"{ip} route replace default via {far} dev wan1 table 101; {ip} rule add pref {pref} iif lan0 {r.choice(['', f'to {dst}'])} lookup 101",
        f"{ip} rule add pref {pref} from {src} {none}", f"{ip} rule add pref {pref} to {dst} {none}", f"{ip} route replace {none} {dst}",
        f"{ip} route replace {dst} via {far} dev wan1", f"{ip} route replace {dst} via {near} dev wan0 mtu lock {1280 if six else 700}",
        f"{ip} rule add pref {pref} from {src} ipproto tcp dport 80 {none}",
        *[f"{ip} route replace {dst} via {near} dev wan0 mtu {1280 if six else 700}", f"{ip} route replace {dst} via {far} dev wan1 mtu {1280 if six else 700}"] * 2,
        f"{ip} route replace default via {far} dev wan1 table 101; {ip} rule add pref {pref} {'tos' if not six else 'dsfield'} 0x10 lookup 101",
        f"{ip} route replace default via {far} dev wan1 table 101; {ip} rule add pref {pref} ipproto {proto if proto != 'icmp' or not six else 'ipv6-icmp'} lookup 101",
        f"{ip} nexthop replace id 71 via {far} dev wan1; {ip} route replace {dst} nhid 71", f"{ip} nexthop replace id 72 blackhole; {ip} route replace {dst} nhid 72",
        f"{ip} nexthop replace id 71 via {far} dev wan1; ip nexthop replace id 73 group 71; {ip} route replace {dst} nhid 73; {ip} nexthop replace id 71 via {near} dev wan0",
        f"ip -6 route replace {dst} from {src} via {far} dev wan1" if six else f"ip route replace {dst} tos 0x10 via {far} dev wan1",
        f"{ip} route replace throw {dst} table 101; {ip} rule add pref {pref} from {src} lookup 101",
        f"{ip} rule add pref {pref} not from {src} iif lan0 {none}", f"{ip} rule add pref {pref} oif wan1 {none}",
        f"{ip} rule add pref {pref} uidrange {r.choice(['0-0', '1-9'])} to {dst} {none}",
        f"{ip} rule add pref {pref} iif lan0 lookup main suppress_prefixlength 0; {ip} route replace default via {far} dev wan1 table 101; {ip} rule add pref 9001 lookup 101",
        f"{ip} rule add pref {pref} iif lan0 sport {s['sport']} ipproto {proto if proto in ('tcp', 'udp') else 'tcp'} {none}",
        f"{ip} rule add pref {pref} from {src} goto 9001; {ip} rule add pref 9001 to {dst} {none}",
        f"{ip} route replace {dst} nexthop via {near} dev wan0 nexthop via {far} dev wan1 weight {r.choice([1, 3])}",
        f"{ip} nexthop replace id 71 via {far} dev wan1; {ip} nexthop replace id 72 via {near} dev wan0; ip nexthop replace id 73 group 71/72; {ip} route replace {dst} nhid 73",
        f"{ip} route append {dst} via {near} dev wan0 metric 7; {ip} route append {dst} via {far} dev wan1 metric 5",
    ]


def more(r, s, wan):
    """IPsec, conntrack's table, addresses, settings."""
    src, dst, proto, six = s["src"], s["dst"], s["proto"], wire.is6(s["src"])
    return [
        *[f"conntrack -D -p {proto if proto != 'icmp' or not six else 'icmpv6'} -s {src} || true"] * 4,
        f"ip {'-6 ' if six else ''}xfrm policy add src {src} dst {dst} dir {r.choice(['fwd', 'out'])} action block",
        "sysctl -qw net.ipv4.conf.all.rp_filter=1", "conntrack -F", "conntrack -F", LEARNS, LEARNS, "sysctl -qw net.ipv4.ip_forward_use_pmtu=1",
        "sysctl -qw net.ipv4.fib_multipath_hash_policy=1 net.ipv6.fib_multipath_hash_policy=1",
        "ip addr add 192.0.2.9/24 dev wan0", "ip neigh flush dev wan0",
        *[f"ip neigh replace {a} dev {d} {r.choice([f'lladdr {mac} nud probe', f'lladdr {mac} nud stale', f'lladdr {mac} nud delay', 'nud failed'])}"
          for a, d, mac in [(src, "lan0", "02:00:00:00:00:02")] * (src in LAN4 + LAN6) + [("fd00:10::1" if six else "192.0.2.1", "wan0", "02:00:00:00:02:02")]],
    ]


def devices(r, s, wan):
    """Objects at single interfaces: chains, programs, filters, disciplines."""
    port = f"{s['proto']} dport {s['dport']}" if s["proto"] in ("tcp", "udp") else f"meta l4proto {s['proto']}"
    priority = r.choice([-310, 10])
    four, six = f"match ip dport {s['dport']} 0xffff", wire.is6(s["src"])
    gateways = {"wan0": ("192.0.2.1", "fd00:10::1"), "wan1": ("203.0.113.1", "fd00:11::1")}
    return [
        table("x2", "netdev", f"chain c {{ type filter hook ingress device lan0 priority {priority}; {port} drop; }}"),
        *[table("x2", "netdev", f"chain c {{ type filter hook egress device {wan} priority 0; {port} {refused}; }}") for refused in ("drop", "drop", "drop", "ip dscp set cs1", "quota over 300 bytes drop")],
        table("x2", "inet", f"chain c {{ type filter hook ingress device {r.choice(['lan0', wan])} priority {priority}; {port} drop; }}"),
        f"tc qdisc replace dev {wan} root tbf rate 10mbit burst 700 limit 9000", f"tc qdisc replace dev dmz0 root tbf rate 10mbit burst 700 limit 9000",
        f"tc qdisc replace dev {wan} root handle 1: htb default 10; tc class add dev {wan} parent 1: classid 1:10 htb rate 100mbit",
        f"tc qdisc replace dev {wan} root pfifo limit 100",
        f"tc qdisc replace dev {wan} clsact; tc filter replace dev {wan} egress protocol ip pref 7 u32 {four} {r.choice(['classid 1:1', 'action drop'])}",
        f"tc qdisc replace dev lan0 clsact; tc filter replace dev lan0 ingress protocol ip pref 7 u32 {four} action drop",
        *[f"tc qdisc replace dev {d} clsact; tc filter replace dev {d} {at} protocol ip pref 7 u32 {four} action mirred egress {how} dev dmz0"
          for d, at, how in (("lan0", "ingress", "redirect"), ("lan0", "ingress", "redirect"), (wan, "egress", "redirect"), ("lan0", "ingress", "mirror"))],
        *[f"program {where} {at} {s['dport']}" for where, at in (("in", "lan0"), ("in", "lan0"), ("in", "lan0"), ("out", wan), ("out", wan), ("netfilter", "all"), ("in", wan))],
        f"{'ip -6' if six else 'ip'} route replace {s['dst']} via {gateways[wan][six]} dev {wan} realm 5\nprogram realm {wan} 5",
        f"tc qdisc replace dev {wan} root handle 1: htb default 10; tc class add dev {wan} parent 1: classid 1:10 htb rate 100mbit; "
        f"tc filter add dev {wan} parent 1: protocol ip pref 7 u32 {four} action mirred egress redirect dev lan0",
    ]


def tunnels(r, s, wan):
    """Ways out that are no port: what is sent there is put into another packet, or into another frame."""
    six = wire.is6(s["src"])
    far = "fd00:99::1" if six else "10.99.0.1"
    # it neither reports groups of routers nor asks for routers
    quiet = "sysctl -qw net.ipv6.conf.{0}." + " net.ipv6.conf.{0}.".join(["forwarding=0", "router_solicitations=0", f"disable_ipv6={int(not six)}"]) + ";"
    vxlan = ("ip link add vx0 address 02:00:00:00:00:71 type vxlan id 5 local 203.0.113.2 remote 203.0.113.1 dstport 4789 dev wan1; "
             f"{quiet.format('vx0')} ip link set vx0 addrgenmode none up; ip neigh replace {far} lladdr 02:00:00:00:00:72 dev vx0 nud permanent; ")
    macvlan = ("ip link add mv0 link wan1 address 02:00:00:00:00:73 type macvlan mode bridge; "
               f"{quiet.format('mv0')} ip link set mv0 addrgenmode none up; "
               f"ip neigh replace {far} lladdr 02:00:00:00:03:02 dev mv0 nud permanent; ")
    route = ("ip -6" if six else "ip") + f" route replace {s['dst']}"
    return [
        vxlan + f"{route} via {far} dev vx0 onlink", macvlan + f"{route} via {far} dev mv0 onlink",
        f"{route} encap seg6 mode encap segs fd00:11::1 dev wan1", f"{route} encap seg6 mode encap segs fd00:11::1 dev wan1",
        *[f"ip tunnel add tn0 mode {kind} local 203.0.113.2 remote 203.0.113.1; ip link set tn0 up; {route} dev tn0"
          for kind in (["sit"] if six else ["ipip", "gre"])],
    ]


def foreigner(r, s, uplink):
    """About the conversation; what is about a way out is mostly about the one in use."""
    wan = r.choice([f"wan{uplink}"] * 3 + [f"wan{1 - uplink}"])
    return r.choice(r.choice([filters, filters, rules, rules, rules, devices, devices, devices, tunnels, more, more])(r, s, wan))


# Most of it is not there, which ends nothing.
TABLES = "".join(f"add table {f} {t}\ndelete table {f} {t}\n" for f in ("inet", "netdev", "ip", "ip6", "bridge") for t in ("x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8"))
FAR4, FAR6 = ("198.51.100.10", "198.51.100.11", "10.2.0.2", "10.2.0.3", "192.0.2.2"), ("2001:db8:100::10", "fd00:2::2")
IP4 = "".join(f"route del {k}{d} proto boot\n" for d in FAR4 for k in ("", "unreachable ", "blackhole ", "prohibit "))
IP4 += "".join(f"route del {d} tos 0x10\nroute del {d} proto boot\nroute del {d} proto boot\n" for d in FAR4)
IP6 = "".join(f"route del {k}{d}/128 proto boot\n" for d in FAR6 for k in ("", "unreachable ", "blackhole ", "prohibit "))
IP6 += "".join(f"route del {d}/128 proto boot\nroute del {d}/128 from {a} proto boot\n" for d in FAR6 for a in LAN6)
PREFS = "".join(f"rule del pref {p}\n" for p in (5, 9000, 9001) for _ in range(3))
TABLES_100 = "route flush table 100\nroute flush table 101\nnexthop del id 71\nnexthop del id 72\nnexthop del id 73\n"
TC = "".join(f"qdisc del dev {d} root\nfilter del dev {d} egress pref 7\n" for d in ("wan0", "wan1", "dmz0")) + "filter del dev lan0 ingress pref 7\n"
UNDO = (f"set +e; for d in vx0 mv0 tn0; do ip link del $d; done 2>/dev/null; nft -f - <<'X'\n{TABLES}X\ntc -force -batch - <<'X'\n{TC}X\n"
        f"ip -force -batch - <<'X'\n{IP4}{PREFS}{TABLES_100}addr del 192.0.2.9/24 dev wan0\nxfrm policy flush\nX\n"
        f"ip -6 -force -batch - <<'X'\n{IP6}{PREFS}{TABLES_100}X\n"
        "sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.all.accept_redirects=0 net.ipv4.ip_forward_use_pmtu=0 "
        "net.ipv4.fib_multipath_hash_policy=0 net.ipv6.fib_multipath_hash_policy=0; ip route flush cache; conntrack -F; true")
