"""test_orbctl.py BUILD - orbctl and --check-package as users see them: errors have the place, the value and what was
expected; every command, as text and as JSON."""
import json
import re
import select
import shlex
import signal
import subprocess
import sys

import packages
from lab import Appliance, Tap

tap = Tap()
check = tap.check

# command line, exit code, words its sentence must hold
WRONG = [
    ("", 2, []),
    ("shw services", 2, ['"shw services"', "did you mean show services?"]),
    ("show", 2, ["followed by one of", "interfaces", "boot"]),
    ("show servces", 2, ["did you mean show services?"]),
    ("show services extra", 2, ['unexpected argument "extra"', "show services"]),
    ("show services --verbose", 2, ['"--verbose"', "show services"]),
    ("--socket", 2, ['"--socket"', "lacks its value"]),
    ("--bla whoami", 2, ['"--bla"', "--json"]),
    ("--socket /nonexistent/x whoami", 8, ["/nonexistent/x", "is it running?"]),
    ("service restart", 2, ["service restart SERVICE"]),
    ("service restart a b", 2, ['unexpected argument "b"']),
    ("service restart confgi", 4, ['"confgi"', "did you mean config?"]),
    ("service start nope", 4, ['"nope"', "there are: api, config"]),
    ("service stop nope", 4, ['"nope"']),
    ("service enable nope", 4, ['"nope"', "there are"]),
    ("service show config sandbx", 2, ['"sandbx"', "[sandbox|crashes]"]),
    ("service show nope crashes", 4, ['"nope"', "api, config"]),
    ("config sho", 2, ["did you mean config show?"]),
    ("config show --format yaml", 2, ["--format", "tree, set or json", '"yaml"']),
    ("config show --format", 2, ['"--format"', "lacks its value"]),
    ("config show --revision x", 2, ["--revision", "number", '"x"']),
    ("config show --revision 99", 4, ["revision 99", "newest is 0"]),
    ("config show interfacs", 3, ["/interfacs", "did you mean interfaces?"]),
    ("config set", 2, ["config set PATH... VALUE"]),
    ("config set interfaces lo mtu abc", 3, ["/interfaces/lo/mtu", "integer", '"abc"']),
    ("config set interfaces lo mtu 10", 3, ["/interfaces/lo/mtu", "68 and 65535", "got 10"]),
    ("config set interfaces lo mttu 1", 3, ["/interfaces/lo/mttu", "did you mean mtu?"]),
    ("config set interfaces lo addresses 10.0.0.300/24", 3,
     ["/interfaces/lo/addresses/0", "192.0.2.0/24", '"10.0.0.300/24"']),
    ("config set interfaces lo enabled maybe", 3, ["/enabled", "true or false", '"maybe"']),
    ("config set routing static 10.0.0.0/33 next-hops 10.0.0.1 weight 1", 3,
     ["/routing/static/10.0.0.0~133", '"10.0.0.0/33"']),
    ("config set firewall default forward dropp", 3,
     ["/firewall/default/forward", "accept, drop, reject", '"dropp"', "did you mean drop?"]),
    ("config set firewall rules abc action accept", 3, ["/firewall/rules/abc", '"abc"']),
    ("config set firewal rules 10 action accept", 3, ["/firewal", "did you mean firewall?"]),
    ("config set firewall rules 10 protocol tpc", 3, ["/protocol", "did you mean tcp?"]),
    ("config set /firewall/rules/10/action rejct", 3, ["/firewall/rules/10/action", "reject?"]),
    ("config delete", 2, ["config delete PATH..."]),
    ("config delete interfaces nope", 4, ["/interfaces/nope", "nothing to delete"]),
    ("config load", 2, ["config load FILE"]),
    ("config load /nonexistent.json", 10, ["/nonexistent.json", "No such file"]),
    ("config load a b", 2, ['unexpected argument "b"']),
    ("config load x --merge --replace", 2, ["--merge and --replace exclude each other"]),
    ("config load broken.json", 2, ["broken.json", "2:3", "key in quotes"]),
    ("config load twice.json", 2, ["twice.json", '"routing" again']),
    ("config load wrong.json", 3, ["/interfaces/lo/mtu", "integer"]),
    ("config load wrong.json --replace", 3, ["/interfaces/lo/mtu", "integer"]),
    ("config diff x", 2, ["revision", '"x"']),
    ("config diff 99", 4, ["revision 99"]),
    ("config diff 0 1 2", 2, ['unexpected argument "2"']),
    ("config commit --confirm 0", 2, ["--confirm", "1 to 86400", '"0"']),
    ("config commit --confirm abc", 2, ["--confirm", '"abc"']),
    ("config commit extra", 2, ['unexpected argument "extra"', "--dry-run"]),
    ("config confirm", 6, ["no commit waits"]),
    ("config rollback", 2, ["config rollback COMMITS"]),
    ("config rollback x", 2, ['"x"']),
    ("config rollback 99", 4, ["99", "0 revisions"]),
    ("token create", 2, ["token create NAME metrics|viewer|operator|admin"]),
    ("token create a boss", 3, ["/role", "viewer, operator, admin", '"boss"']),
    ("token create ../a admin", 3, ["/name", '"../a"']),
    ("token revoke nope", 4, ['"nope"']),
    ("ipc describe nope", 4, ['"nope"', "there are", "host"]),
    ("ipc call host", 2, ["ipc call INTERFACE"]),
    ("ipc call host nope", 4, ['"nope"', "it has", "services"]),
    ("ipc call hsot services", 4, ['"hsot"', "did you mean host?"]),
    ("ipc call host service {", 2, ["the input", "1:2"]),
    ("ipc call host service {}", 3, ["name", "missing"]),
    ('ipc call host service {"name":5}', 3, ["/name", "string", "got 5"]),
    ('ipc call host service {"nam":"x"}', 3, ["nam"]),
    ("ipc call host@2 services", 9, ["version 1.0", "major 2"]),
    ("ipc call host@1.9 services", 9, ["version 1.0", "minor"]),
    ('ipc call auth login {"token":"x"}', 5, ["root may not call auth/login"]),
    ("ipc call config attach {\"paths\":[]}", 5, ["may not call config/attach"]),
    ("ipc watch nope", 4, ['"nope"']),
    ("logs --level loud", 3, ["/level", "debug, info", '"loud"']),
    ("logs --since 5", 2, ["--since", "30s", '"5"']),
    ("logs --limit 0", 2, ["--limit", "1 to 1000", '"0"']),
    ("logs --service", 2, ['"--service"', "lacks its value"]),
    ("whoami now", 2, ['unexpected argument "now"']),
    ("metrics all", 2, ['unexpected argument "all"']),
]


def wrong_words(box):
    for name, text in {"broken.json": '{"interfaces":\n {x}}', "twice.json":
                       '{"routing":{},"routing":{}}', "wrong.json":
                       '{"interfaces":{"lo":{"mtu":"x"}}}'}.items():
        with open(f"{box.dir}/{name}", "w") as f:
            f.write(text)
    for line, code, words in WRONG:
        done = box.orbctl(*line.split())
        check(done.returncode == code and all(w in done.stderr for w in words) and
              (not words or done.stderr.startswith("orbctl: ")),
              f"orbctl {line}: exit {code}", done)
        if not words or line.startswith("--socket") or line.startswith("--bla"):
            continue
        done = box.orbctl("--json", *line.split())
        try:
            error = json.loads(done.stdout)["error"]
        except (ValueError, KeyError):
            error = {}
        check(done.returncode == code and set(error) == {"code", "path", "text"} and
              all(w in done.stderr for w in words), f"orbctl --json {line}: the error as JSON", done)
    check(box.ask("config", "diff")["count"] == 0, "none of it left anything in the candidate")


def several_values(box):
    """As in VyOS, each set adds one where several are allowed, and delete takes one away."""
    rule = ("firewall", "rules", "77")

    def now(leaf):
        return box.ask("config", "show", "--candidate")["firewall"]["rules"]["77"].get(leaf)

    for leaf, words, values in (("source", ["10.0.0.1", "10.0.0.2", "10.0.0.1"], ["10.0.0.1", "10.0.0.2"]),
                                ("destination-ports", ["80", "https", "443"], [80, "https", 443]),
                                ("state", ["new", "related"], ["new", "related"])):
        box.must("config", "set", *rule, leaf, words[0])
        check(now(leaf) == values[0], f"{leaf}: the first one is single", now(leaf))
        box.must("config", "set", *rule, leaf, words[0])
        check(now(leaf) == values[0], f"{leaf}: the same again is no change", now(leaf))
        for word in words[1:]:
            box.must("config", "set", *rule, leaf, word)
        check(now(leaf) == values, f"{leaf}: each further one is added", now(leaf))
        box.must("config", "delete", *rule, leaf, words[0])
        check(now(leaf) == values[1:], f"{leaf}: one is taken away", now(leaf))
    box.must("config", "delete", "/firewall/rules/77/source", "10.0.0.2")
    check(now("source") is None, "and the list with its last one", now("source"))
    box.must("config", "set", *rule, "state", '["invalid"]')
    check(now("state") == ["invalid"], "JSON replaces all", now("state"))
    box.must("config", "set", *rule, "action", "drop")
    box.must("config", "set", *rule, "action", "accept")
    check(now("action") == "accept", "where one value is allowed it is replaced", now("action"))
    done = box.orbctl("config", "delete", *rule, "destination-ports", "22")
    check(done.returncode != 0, "what is not in the list is not deleted", done)
    box.must("config", "discard")


def set_commands(box):
    """What is printed as set commands gives the same back, also where a text looks like JSON."""
    texts = ["plain", "it's \"quoted\"", "\"all of it\"", "[1]", "{}", "12", "true", "null", "-x --json", "two\nlines",
             "\\u0041 $HOME `id`", "B\u00fcro \U0001f6a7", "1e5", "'", " "]
    want = {"routing": {"static": {f"10.{n}.0.0/16": {"blackhole": True, "description": text}
                                   for n, text in enumerate(texts)}},
            "firewall": {"groups": {"g": {"ports": ["80", 443, "1-9"]}},
                         "rules": {"10": {"action": "accept", "protocol": "tcp", "destination-ports": "80",
                                          "source-ports": 53}}}}
    box.must("config", "load", "-", "--replace", stdin=json.dumps(want))
    lines = box.must("config", "show", "--candidate", "--format", "set")
    box.must("config", "load", "-", "--replace", stdin="{}")
    for words in lines.split("\nset "):
        box.must("config", "set", "--", *shlex.split(words.removeprefix("set ")))
    got = box.ask("config", "show", "--candidate")
    check(got == want, "set commands give back what they were printed from", got)
    box.must("config", "discard")


def configuration(box):
    box.ip("link", "add", "d0", "type", "veth", "peer", "name", "d1")
    check(box.must("config", "show") == "", "nothing is configured at first", box.orbctl("config", "show"))
    check(box.ask("config", "show") == {}, "as JSON: an empty object")
    box.must("config", "set", "interfaces", "d0", "mtu", "1400")
    box.must("config", "set", "/interfaces/d0/description", "to the lab")
    box.must("config", "set", "interfaces", "d0", "addresses", "10.9.0.1/24")
    box.must("config", "set", "interfaces", "d0", "addresses", "10.9.1.1/24")
    changes = box.ask("config", "set", "interfaces", "d0", "enabled", "yes")["changes"]
    check(changes >= 1, "set reports how many changes wait", changes)
    want = {"mtu": 1400, "description": "to the lab", "enabled": True,
            "addresses": ["10.9.0.1/24", "10.9.1.1/24"]}
    check(box.ask("config", "show", "interfaces", "d0", "--candidate") == want,
          "the candidate holds what was set")
    text = box.must("config", "show", "interfaces", "d0", "--candidate")
    check("mtu" in text and "1400" in text and "{\"" not in text, "as a tree", text)
    text = box.must("config", "show", "--candidate", "--format", "set")
    check("config set interfaces d0 mtu 1400" in text or "set interfaces d0 mtu 1400" in text,
          "as commands", text)
    text = box.must("config", "diff")
    check(re.search(r"^\+ /interfaces", text, re.M), "diff as text", text)
    check(box.ask("config", "diff")["changes"][0]["op"] == "set", "diff as JSON")
    check("valid" in box.must("config", "validate"), "validate")
    check(box.ask("config", "validate")["ok"] is True, "validate as JSON")
    text = box.must("config", "commit", "--dry-run")
    check("nothing was changed" in text and "interfaces" in text, "dry run as text", text)
    check(box.ask("config", "commit", "--dry-run")["plan"], "dry run as JSON")
    check(box.ask("config", "show") == {}, "and nothing runs")
    text = box.must("config", "commit", "--comment", "first one")
    check("revision 1" in text and "interfaces" in text, "commit as text", text)
    check(box.ask("config", "show", "interfaces", "d0") == want, "it runs")
    link = json.loads(box.ip("-j", "addr", "show", "dev", "d0"))[0]
    check(link["mtu"] == 1400 and sorted(a["local"] for a in link["addr_info"]
          if a["family"] == "inet") == ["10.9.0.1", "10.9.1.1"], "the kernel has it", link)
    box.must("config", "load", "-", stdin='{"interfaces":{"d0":{"mtu":1410}}}')
    reply = box.ask("config", "commit")
    check(reply["revision"] == 2 and reply["changes"] == 1, "load from stdin, commit as JSON", reply)
    text = box.must("config", "history")
    check("first one" in text and "root" in text and "committed" in text, "history", text)
    entries = box.ask("config", "history")["entries"]
    check([e["revision"] for e in entries][:2] == [2, 1], "history as JSON", entries)
    check(box.ask("config", "show", "interfaces", "d0", "mtu", "--revision", "1") == 1400,
          "an older revision")
    text = box.must("config", "diff", "1", "2")
    check("/interfaces/d0/mtu" in text and "1400" in text and "1410" in text, "two revisions", text)
    check("1 change in" in box.must("config", "rollback", "1"), "rollback")
    text = box.must("config", "commit", "--confirm", "60")
    check("undone in 60 s" in text, "a commit to be confirmed reports it", text)
    check("confirmed" in box.must("config", "confirm"), "confirm")
    check(box.ask("config", "history")["entries"][0]["state"] == "confirmed", "history has it")
    box.must("config", "delete", "interfaces", "d0", "description")
    check("- /interfaces/d0/description" in box.must("config", "diff"), "delete shows in diff")
    check("empty" in box.must("config", "discard"), "discard")
    check(box.ask("config", "diff")["count"] == 0, "drops it")
    check("locked" in box.must("config", "lock"), "lock")
    done = box.orbctl("config", "set", "interfaces", "d0", "mtu", "1420")
    check(done.returncode == 0, "the holder may edit", done)
    check("unlocked" in box.must("config", "unlock"), "unlock")
    box.must("config", "discard")


def services(box):
    text = box.must("show", "services")
    check(re.search(r"^SERVICE +STATE +VERSION", text) and re.search(r"^config +Running", text, re.M),
          "show services", text)
    text = box.must("service", "show", "config")
    check("state" in text and "Running" in text and "fs.state" in text, "service show", text)
    check(box.ask("service", "show", "config")["pid"] > 0, "as JSON")
    text = box.must("service", "show", "config", "sandbox")
    check("plan" in text and "attested" in text, "its sandbox", text)
    check(box.ask("service", "show", "config", "sandbox")["attested"], "as JSON")
    check("no crashes" in box.must("service", "show", "routing", "crashes"), "no crashes yet")
    pid = box.service("routing")["pid"]
    mark = box.log_end()
    box.must("service", "restart", "routing")
    box.wait_log(r'service\.ready .*"routing"', 20, mark)
    check(box.service("routing")["pid"] != pid, "restart makes another process")
    mark = box.log_end()
    box.must("service", "stop", "routing")
    box.wait_log(r'service\.state .*"routing".*"to":"Disabled"', 20, mark)
    check(box.service("routing")["pid"] == 0, "stop")
    check(box.service("routing")["reason"] == "stopped by root", "who stopped it")
    mark = box.log_end()
    box.must("service", "start", "routing")
    box.wait_log(r'service\.ready .*"routing"', 20, mark)
    check(box.service("routing")["state"] == "Running", "start")
    mark = box.log_end()
    subprocess.run(["kill", "-KILL", str(box.service("routing")["pid"])], check=True)
    box.wait_log(r'service\.ready .*"routing"', 20, mark)
    text = box.must("service", "show", "routing", "crashes")
    check(f"signal {int(signal.SIGKILL)}" in text, "a crash is reported", text)
    check(len(box.ask("service", "show", "routing", "crashes")["crashes"]) == 1, "as JSON")
    mark = box.log_end()
    box.must("service", "disable", "routing")
    box.wait_log(r'service\.state .*"routing".*"to":"Disabled"', 20, mark)
    check(box.ask("config", "show", "services", "routing", "enabled") is False, "disable is a commit")
    mark = box.log_end()
    box.must("service", "enable", "routing")
    box.wait_log(r'service\.ready .*"routing"', 20, mark)
    check(box.service("routing")["state"] == "Running", "enable")


def looking(box):
    text = box.must("show", "interfaces")
    check(re.search(r"^INTERFACE", text) and re.search(r"^lo .*127\.0\.0\.1/8", text, re.M),
          "show interfaces", text)
    check(any(e["name"] == "lo" for e in box.ask("show", "interfaces")["links"]), "as JSON")
    box.ip("link", "set", "d0", "up")
    box.ip("link", "set", "d1", "up")
    text = box.must("show", "routes")
    check(text.startswith("DESTINATION") and "10.9.0.0/24" in text, "show routes", text)
    check(any(r["destination"] == "10.9.0.0/24" for r in box.ask("show", "routes")["routes"]),
          "as JSON")
    text = box.must("show", "system")
    check(re.match(r"orbitald 0\.\d+\.\d+, instance users-\d+, pid \d+, up \d+ s$", text.strip()),
          "show system", text)
    check(box.ask("show", "system")["pid"] > 0, "as JSON")
    text = box.must("show", "boot")
    check(text.startswith("operational\n") and "core" in text, "show boot", text)
    check(box.ask("show", "boot")["phase"] == "operational", "as JSON")
    # without a data plane these two are refused with a reason
    for words in (["show", "dataplane"], ["dataplane", "disable"], ["dataplane", "enable"]):
        done = box.orbctl(*words)
        check(done.returncode in (6, 8) and "--no-dataplane" in done.stderr,
              f"{' '.join(words)} reports why not", done)
    done = box.orbctl("show", "firewall")
    check(done.returncode == 8 and "firewall" in done.stderr, "show firewall reports why not", done)
    done = box.orbctl("show", "firewall", "counters")
    check(done.returncode == 8, "and so does its longer name", done)
    text = box.must("metrics")
    check('orbital_service_up{service="config"} 1' in text and text.endswith("# EOF\n"), "metrics")
    text = box.must("logs", "--service", "host", "--limit", "5")
    check(0 < len(text.splitlines()) <= 5 and " host " in text, "logs", text)
    records = [json.loads(x) for x in box.must("--json", "logs", "--level", "warning",
                                              "--since", "10m").splitlines()]
    check(records and all(r["level"] in ("warning", "error") for r in records), "as JSON lines")


def following(box):
    for words, trigger, pattern in (
            (["logs", "-f", "--service", "host"], ["service", "restart", "routing"], "service.ready"),
            (["ipc", "watch", "config", "committed"], ["service", "disable", "routing"],
             '"topic":"committed"')):
        p = subprocess.Popen([box.build + "/orbctl", *words], stdout=subprocess.PIPE, text=True,
                             env={"ORBITAL_SOCKET": box.socket})
        try:
            if words[0] == "logs":
                p.stdout.readline()  # it is connected and has shown what there was
            # a watcher prints nothing when it starts: events are caused until it has printed one
            for _ in range(20):
                box.must(*trigger)
                if words[0] == "ipc":
                    trigger = ["service", "enable" if trigger[1] == "disable" else "disable",
                               "routing"]
                if select.select([p.stdout], [], [], 1)[0]:
                    break
            line = p.stdout.readline()
            while line and pattern not in line:
                line = p.stdout.readline()
            check(pattern in line, f"{' '.join(words)} shows what happens", line)
        finally:
            p.terminate()
            p.wait(60)
    if box.service("routing")["state"] == "Disabled":
        box.must("service", "enable", "routing")


def identity(box):
    check(box.must("whoami").strip() == "root (admin)", "whoami")
    check(box.ask("whoami") == {"kind": "user", "name": "root", "role": "admin"}, "as JSON")
    token = box.must("token", "create", "ci", "viewer").strip()
    check(re.fullmatch(r"orb_[A-Za-z0-9_-]{43}", token), "token create prints the token alone", token)
    check(box.ask("token", "create", "ci2", "operator")["token"].startswith("orb_"), "as JSON")
    done = box.orbctl("token", "create", "ci", "admin")
    check(done.returncode == 6 and '"ci"' in done.stderr, "a name twice is a conflict", done)
    text = box.must("token", "list")
    check(re.search(r"^ci +viewer", text, re.M) and "orb_" not in text, "token list", text)
    check({t["name"] for t in box.ask("token", "list")["tokens"]} == {"ci", "ci2"}, "as JSON")
    box.must("token", "revoke", "ci")
    check({t["name"] for t in box.ask("token", "list")["tokens"]} == {"ci2"}, "token revoke")


def broker(box):
    text = box.must("ipc", "list")
    check(re.search(r"^config +1\.\d+ +config", text, re.M) and re.search(r"^host ", text, re.M),
          "ipc list", text)
    check({"host", "auth", "config", "api"} <= {i["interface"] for i in
          box.ask("ipc", "list")["interfaces"]}, "as JSON")
    text = box.must("ipc", "describe", "config")
    check(text.startswith("config 1.") and "commit (configure)" in text and
          "event committed" in text, "ipc describe", text)
    check(any(m["name"] == "get" for m in box.ask("ipc", "describe", "config")["methods"]), "as JSON")
    text = box.must("ipc", "call", "host", "version")
    check('"version"' in text and text.count("\n") > 2, "ipc call prints text", text)
    check(box.ask("ipc", "call", "host@1", "service", '{"name":"api"}')["name"] == "api", "as JSON")


def words(box):
    text = box.must("--help")
    check("Exit status" in text and "config commit" in text, "--help")
    check(box.must("help") == text, "help is the same")
    check(re.fullmatch(r"orbctl 0\.\d+\.\d+\n", box.must("--version")), "--version")
    check(box.orbctl().returncode == 2, "no command: usage, exit 2")
    listed = re.findall(r"^  ([a-z]+(?: [a-z]+)*)", text, re.M)
    check(len(listed) >= 35, "help lists the commands", listed)
    done = subprocess.run(f"{box.build}/orbctl show services >/dev/full", shell=True, text=True,
                          capture_output=True, env={"ORBITAL_SOCKET": box.socket})
    check(done.returncode == 10 and "output" in done.stderr, "a full disk is noticed", done)


def main():
    with Appliance(sys.argv[1], "orbctl") as box:
        words(box)
        wrong_words(box)
        packages.check_all(tap, box.build, box.dir)
        several_values(box)
        set_commands(box)
        configuration(box)
        services(box)
        looking(box)
        identity(box)
        broker(box)
        following(box)
    tap.end()


main()
