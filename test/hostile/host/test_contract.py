#!/usr/bin/env python3
"""The contents of packages, manifests and requests of clients: contracts that are expensive to check, floods of
records, answers that violate the contract, configuration calls about parts of others. Each attempt has its control:
the same done correctly succeeds. All the time another client sends requests, and its
answers are compared in every attempt with those of a second appliance that is not attacked.

    test_contract.py BUILD [--figures] [NAME]..."""
import json
import os
import shutil
import sys
import tempfile
import time

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(here, "..", "..", "lib")]
figures = "--figures" in sys.argv and bool(sys.argv.remove("--figures") or True)
if figures:
    real, sys.stdout = sys.stdout, sys.stderr
import other as others  # noqa: E402
from appliance import Appliance, Failed, expect, run  # noqa: E402
from contracts import CONTRACTS, FILL  # noqa: E402
from lab import attempt, attempts, build, only, successes, tap, words_of  # noqa: E402
from packages import manifest, package  # noqa: E402
from wire import Client, ERR, EVENT, frame, LOG, METRIC, PUB, Refused, REP, REQ, SUB  # noqa: E402

PONG, FAIL, PROBLEMS, PROGRESS, APPLIED = 15, 20, 23, 24, 25
AGENT = "p-words"
OPEN = {"type": "object", "additionalProperties": True}
SECRET = "SECRET-OF-ANOTHER"


FITS = {"type": "object", "properties": {"ok": True}, "required": ["ok"]}
GOOD = '{"ok":1}'


def contract(name, defs, schema):
    return {"interface": name, "version": "1.0", "$defs": {**defs, "it": {"anyOf": [FITS, schema]}},
            "methods": {"do": {"input": OPEN, "output": {}, "requires": "observe"},
                        "take": {"input": {"$ref": "#/$defs/it"}, "output": {}, "requires": "observe"},
                        "give": {"input": OPEN, "output": {"$ref": "#/$defs/it"}, "requires": "observe"}},
            "events": {"e": {"payload": {"$ref": "#/$defs/it"}, "requires": "observe"}}}


def commit(box, *edits):
    """(path, value) by the local root; None deletes."""
    c = Client(f"{box.dir}/run/control.sock", timeout=60)
    try:
        c.call("config@1", "edit", {"ops": [{"op": "delete", "path": p} if v is None else {"op": "set", "path": p, "value": v} for p, v in edits]})
        try:
            return c.call("config@1", "commit")
        except Refused:
            c.call("config@1", "discard")
            raise
    finally:
        c.close()


def enabled(box, name, on=True):
    commit(box, (f"/services/{name}/enabled", on))
    if on:
        box.until(20, lambda: box.service(name)["state"] == "Running", f"{name} runs")


class Agent:
    """Orders for a running package that the test controls (attacker_agent.c)."""

    def __init__(self, box, name):
        self.name, self.client = name, Client(f"{box.dir}/run/control.sock", timeout=30)

    def do(self, *frames, method="do", **more):
        """The host's answers to the package while it sent these frames."""
        given = {**({"frames": frames} if frames else {}), **more}
        return self.client.call(f"{self.name}@1", method, given)

    def sends(self, type, payload, envelope=None, times=1, **more):
        """The code of the host's refusal, None: none."""
        text = payload if isinstance(payload, str) else json.dumps(payload)
        received = self.do({"type": type, "payload": text, "envelope": json.dumps(envelope) if envelope else None,
                         "times": times, "fill": FILL, "corr": 7, **more})
        errors = [json.loads(h["envelope"])["err"]["code"] for h in received if h["type"] == ERR and h["corr"] == 7]
        return errors[0] if errors else None

    def asks(self, to, method, given):
        """(code, text) of a request of the package's own; ("ok", "") when it was granted."""
        received = self.do({"type": REQ, "corr": 7, "envelope": json.dumps({"to": to, "method": method}), "payload": json.dumps(given)}, **{"await": 7})
        mine = [h for h in received if h["corr"] == 7]
        if not mine:
            return "silence", ""
        if mine[0]["type"] == REP:
            return "ok", ""
        err = json.loads(mine[0]["envelope"])["err"]
        return err["code"], err["text"]


def measured(other, what, work):
    complaint = other.compare(what, work)
    expect(not complaint, complaint)


# ---- contracts that are costly to check ----

def sub(client, name):
    client.send(frame(SUB, {"to": name, "topic": "e"}, corr=5))
    while client.next()[1] != 5:
        pass


def event(client):
    while True:
        type, _, _, payload = client.next()
        if type == EVENT:
            return json.loads(payload)


def by_event(box, other, name, bad):
    """The host checks what a package publishes."""
    agent, subscriber = Agent(box, name), Client(f"{box.dir}/run/control.sock", timeout=30)
    sub(subscriber, name)
    codes = set()
    measured(other, f"{name}: event", lambda: codes.add(agent.sends(PUB, bad, {"topic": "e"})))
    expect(codes <= {None, "limit", "schema"}, f"refused with {codes}")
    subscriber.s.settimeout(5)
    for _ in range(6):
        code = agent.sends(PUB, GOOD, {"topic": "e"})
        expect(code is None, f"control: what fits is refused with {code}")
        try:
            while event(subscriber) != json.loads(GOOD):
                pass
            break
        except TimeoutError:
            pass  # it was dropped: what it had not read of the bad ones, where those fit, filled its queue
    else:
        raise Failed("control: what fits is not delivered")
    subscriber.close()


def by_input(box, other, name, bad):
    """The host checks the requests of a client to a package."""
    client = Client(f"{box.dir}/run/control.sock", timeout=30)
    text = bad.replace("@", "x" * FILL).encode()

    def ask():
        client.send(frame(REQ, {"to": f"{name}@1", "method": "take"}, text, corr=9))
        while (got := client.next())[1] != 9:
            pass
        expect(got[0] == REP or got[2]["err"]["code"] in ("limit", "schema"), f"answered with {got[2]}")
    measured(other, f"{name}: input", ask)
    client.call(f"{name}@1", "take", json.loads(GOOD))
    client.close()


def by_output(box, other, name, bad):
    """The host checks what a package answers."""
    agent = Agent(box, name)

    def answer():
        try:
            agent.do(method="give", answer=bad, fill=FILL)
        except Refused as e:
            expect(e.code == "internal", f"{e}")
    measured(other, f"{name}: output", answer)
    got = agent.do(method="give", answer=GOOD)
    expect(got == json.loads(GOOD), f"control: what fits comes as {got}")


def contracts(box, other, refused):
    for word, (_, _, bad) in CONTRACTS.items():
        name = f"c-{word}"
        if only and not any(o in f"{way} {name}" for o in only for way in ("event", "input", "output")):
            continue
        if name in refused:
            attempt(f"contract {name}: refused when it is read", expect, "limit" in refused[name] or "more than" in refused[name], refused[name])
            continue
        measured_start(box, other, name)
        attempt(f"event {name}", by_event, box, other, name, bad)
        attempt(f"input {name}", by_input, box, other, name, bad)
        attempt(f"output {name}", by_output, box, other, name, bad)
        enabled(box, name, False)


def measured_start(box, other, name):
    enabled(box, name)


# ---- words ----

def words(box, other, agent):
    big = '{"event":"big","level":"error","kv":{"a":"@"}}'
    many = {f"k{i}": "v" * 200 for i in range(900)}
    problems = {"problems": [{"level": "failed", "key": f"k{i}", "what": "w" * 5000, "path": "/p" * 500, "todo": "t" * 500} for i in range(32)], "more": 10 ** 12}
    floods = {
        "a record of 180 KB": (LOG, big, 1),
        "a record of 900 members": (LOG, {"event": "many", "level": "error", "kv": many}, 1),
        "records in floods": (LOG, {"event": "flood", "level": "error", "kv": {"a": 1}}, 2000),
        "records of nothing": (LOG, {}, 2000),
        "records that are none": (LOG, "[" * 31 + "]" * 31, 2000),
        "metrics of one name": (METRIC, {"name": "m", "add": 1}, 2000),
        "a metric of a long name": (METRIC, '{"name":"@","add":1}', 1),
        "metrics that are none": (METRIC, {"name": "m", "set": "x" * 100}, 2000),
        "problems in floods": (PROBLEMS, {"problems": [{"level": "degraded", "key": "k", "what": "w", "path": "", "todo": ""}], "more": 0}, 500),
        "problems of 200 KB": (PROBLEMS, problems, 1),
        "problems that are none": (PROBLEMS, {"problems": [[]] * 32}, 500),
        "progress in floods": (PROGRESS, "", 2000),
        "a revision in floods": (APPLIED, {"revision": 1}, 500),
        "a revision that is none": (APPLIED, {"revision": 2 ** 62}, 500),
        "answers to pings that were not sent": (PONG, {"degraded": "d" * 200}, 500),
        "undeclared events": (PUB, {}, 1000),
        "events in floods": (PUB, {"a": 1}, 2000),
    }
    for what, (type, payload, times) in floods.items():
        attempt(f"words: {what}", flood, box, other, agent, what, type, payload, times)
    attempt("words: metrics of ever new names", new_metrics, box, other, agent)


def flood(box, other, agent, what, type, payload, times):
    envelope = {"topic": "none" if "undeclared" in what else "e"} if type == PUB else None
    measured(other, what, lambda: agent.sends(type, payload, envelope, times=times))
    still_received(box, agent, what)


def still_received(box, agent, what):
    """The control: once it has stopped, its valid records arrive."""
    mark = f"after-{abs(hash(what))}"
    agent.sends(PROBLEMS, {"problems": [{"level": "degraded", "key": "k", "what": mark, "path": "", "todo": "wait"}], "more": 0})
    box.until(5, lambda: mark in json.dumps(box.call("host@1", "health")), "control: its problem is not shown")
    agent.sends(PROBLEMS, {"problems": [], "more": 0})
    box.until(5, lambda: mark not in json.dumps(box.call("host@1", "health")), "control: its problem stays")


def new_metrics(box, other, agent):
    n = [0]

    def work():
        n[0] += 200
        agent.do(*({"type": METRIC, "payload": json.dumps({"name": f"m{n[0] + i}", "add": 1})} for i in range(200)))
    measured(other, "ever new names", work)
    text = box.call("host@1", "metrics")["text"]
    expect(len(text) < 200000 and text.count("\n") < 4000, f"{len(text)} bytes of metrics")
    still_received(box, agent, "new metrics")


# ---- answers that break the contract ----

ANSWERS = {"a list": "[]", "a number": "7", "half of it": '{"n":1', "more behind it": '{"n":1} x', "a key twice": '{"n":1,"n":2}',
           "another member": '{"n":1,"m":1}', "a text": '{"n":"1"}', "a fraction": '{"n":1.5}', "a large number": '{"n":9223372036854775808}',
           "a zero in it": '{"n":1,"\\u0000":1}', "half a character": '{"n":1,"\\ud800":1}', "brackets": "[" * 200000, "180 KB of text": '{"n":"@"}'}
ERRORS = {"an error without envelope": "", "an error that is a number": '{"err":7}', "an unknown code": '{"err":{"code":"no-such","text":"\\u001b[2J"}}',
          "an error with a long text": '{"err":{"code":"denied","text":"' + "t" * 3900 + '"}}'}


def answers(box, other, agent):
    for what, text in ANSWERS.items():
        attempt(f"answer: {what}", broken, other, agent, what, {"answer": text, "fill": FILL})
    for what, text in ERRORS.items():
        attempt(f"answer: {what}", broken, other, agent, what, {"error": text})


def broken(other, agent, what, order):
    def work():
        try:
            got = agent.do(method="number", **order)
        except Refused as e:
            expect(e.code in ("internal", "denied") and len(str(e)) < 4096, f"refused with {str(e)[:200]}")
            return
        raise Failed(f"the caller was told {str(got)[:200]}")
    measured(other, what, work)
    expect(agent.do(method="number", answer='{"n":7}') == {"n": 7}, "control: a right answer does not arrive")


# ---- configuration calls about what belongs to others ----

def calls(box, other, agent):
    mine, whole = f"/{AGENT}", {"ops": [{"op": "delete", "path": "/acme-probe"}]}
    refusals = {
        "attaches to the whole tree": ("attach", {"paths": ["/"]}), "attaches to another's part": ("attach", {"paths": [mine, "/acme-probe"]}),
        "attaches to what grants it": ("attach", {"paths": ["/services"]}), "attaches to 32 odd paths": ("attach", {"paths": ["/~1" * 300] * 32}),
        "reads the whole tree": ("get", {"path": ""}), "reads another's part": ("get", {"path": "/acme-probe/greeting"}),
        "reads another's candidate": ("get", {"path": "/acme-probe", "source": "candidate"}), "reads an old revision": ("get", {"path": "/acme-probe", "revision": 1}),
        "reads it in slices": ("get-part", {"path": "/", "offset": 0}), "reads beside its part": ("get", {"path": mine + "x"}),
        "reads by way of its part": ("get", {"path": mine + "/../acme-probe"}), "edits another's part": ("edit", whole),
        "edits its grants": ("edit", {"ops": [{"op": "set", "path": f"/services/{AGENT}/grants", "value": ["config.read:/"]}]}),
        "edits all by a merge at the top": ("edit", {"ops": [{"op": "merge", "path": "", "value": {"acme-probe": None}}]}),
        "replaces the whole": ("edit", {"replace": True, "ops": [{"op": "set", "path": mine, "value": {"a": 1}}]}),
        "loads a configuration": ("load-part", {"offset": 0, "data": "{}", "last": True, "mode": "replace"}), "rolls back": ("rollback", {"n": 1}),
        "confirms": ("confirm", {}), "locks": ("lock", {}), "takes the lock of others": ("unlock", {"force": True}),
        "accepts losses": ("salvage-accept", {}), "looks into the files": ("salvage", {}),
    }
    for what, (method, given) in refusals.items():
        attempt(f"config: {what}", is_denied, box, other, agent, what, method, given)
    for place, target in REFERENCES.items():
        attempt(f"config: a reference into {target}", refers, box, other, agent, place, target)
    attempt("config: its references refuse deletions", no_hold, box)
    attempt("config: paths of others in events", events_are_cut, box, agent)
    attempt("config: the lock and the candidate of one with its name", own_name, box, agent)
    attempt("config: the history of others", history_is_cut, box, agent)


def is_denied(box, other, agent, what, method, given):
    seen = set()
    measured(other, what, lambda: seen.add(agent.asks("config@1", method, given)))
    for code, text in seen:
        expect(code in ("denied", "schema", "invalid", "not-found"), f"{method} {given}: {code} {text}")
        expect(SECRET not in text, f"the refusal has it: {text}")
    expect(agent.asks("config@1", "get", {"path": f"/{AGENT}"})[0] == "ok", "control: it may not read its own")


# Where its own schema declares a value to be a name in a part that it was not granted to read.
REFERENCES = {"r-probe": "/acme-probe", "r-targets": "/acme-probe/targets", "r-services": "/services", "r-interfaces": "/interfaces"}


def validated(agent, place, value):
    agent.asks("config@1", "discard", {})
    expect(agent.asks("config@1", "edit", {"ops": [{"op": "set", "path": f"/{AGENT}/{place}", "value": value}]})[0] == "ok", "it may not edit its own")
    return agent.asks("config@1", "validate", {})


def refers(box, other, agent, place, target):
    """Whether a name is there makes no difference; control: of its own map it does."""
    for value in ("zzzz", "greeting", "acme-probe", "bank"):
        expect(validated(agent, place, value) == ("ok", ""), f"{target} {value}: {validated(agent, place, value)}")
    expect(validated(agent, "r-own", "zzzz")[0] == "schema" and validated(agent, "r-own", "one")[0] == "ok", "control: its own map")
    agent.asks("config@1", "discard", {})


def no_hold(box):
    commit(box, ("/acme-probe/targets", {"bank": {"address": "10.0.0.1"}}), (f"/{AGENT}/r-targets", "bank"))
    commit(box, ("/acme-probe/targets", None))
    commit(box, (f"/{AGENT}/names/one", 1), (f"/{AGENT}/r-own", "one"))
    try:
        commit(box, (f"/{AGENT}/names/one", None))
        raise Failed("control: an own reference holds nothing")
    except Refused as e:
        expect(e.code == "schema" and "used by" in str(e), f"refused with {e}")
    commit(box, (f"/{AGENT}/r-own", None), (f"/{AGENT}/r-targets", None))


def events_are_cut(box, agent):
    received = []

    def listens():
        received.extend(agent.do({"type": SUB, "corr": 8, "envelope": json.dumps({"to": "config", "topic": "committed"})}))
    listens()
    expect(any(h["type"] == REP and h["corr"] == 8 for h in received), f"control: it cannot subscribe: {received}")
    commit(box, ("/acme-probe/greeting", f"{SECRET} cut"), (f"/{AGENT}/a", 5))
    told = box.until(5, lambda: [h for h in agent.do({"type": PROGRESS}) if h["type"] == EVENT], "control: the event does not come")
    text = json.dumps(told)
    expect("acme" not in text and f"/{AGENT}/a" in text, f"it is told {text}")


def own_name(box, agent):
    """A local user may have the package's name: they share nothing."""
    before = box.json("config", "diff")["count"]
    code, text = agent.asks("config@1", "edit", {"ops": [{"op": "set", "path": f"/{AGENT}/a", "value": 77}]})
    expect(code == "ok", f"control: it cannot edit its own: {code} {text}")
    expect(box.json("config", "diff")["count"] == before, "root's candidate changed")
    expect(agent.asks("config@1", "discard", {})[0] == "ok", "control: discard")


def history_is_cut(box, agent):
    commit(box, ("/acme-probe/greeting", f"{SECRET} of history"))
    answer = agent.client.call(f"{AGENT}@1", "do", {"frames": [{"type": REQ, "corr": 7, "envelope": '{"to":"config@1","method":"diff"}', "payload": '{"from":1}'}], "await": 7})
    expect(any(h["type"] == REP for h in answer), f"control: {answer}")
    expect(SECRET not in json.dumps(answer), "it sees others' changes")


# ---- schemas of packages that never ran, searched for a name ----

def searched(box, other, length):
    """Thirty patterns behind 800 alternatives: the config service computes for a moment and answers `limit`."""
    c = Client(f"{box.dir}/run/control.sock", timeout=60)
    pid, name = box.service("config")["pid"], "a" * length
    edit = {"ops": [{"op": "merge", "path": "/f-names", "value": {f"{name[:900]}{n}": 1 for n in range(100)}}]}

    def computed():
        return sum(int(n) for n in open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[11:13])

    def ask(method, given):
        before = computed()
        try:
            c.call("config@1", method, given)
        except Refused as e:
            expect(e.code in ("limit", "schema", "config.schema"), f"refused with {e}")
        expect(computed() - before < os.sysconf("SC_CLK_TCK") // 2, f"{method}: {computed() - before} ticks")
    measured(other, f"a name of {length}", lambda: [ask("schema", {"path": f"/f-names/{name}"}), ask("get", {"path": f"/f-names/{name}"}), ask("edit", edit)])
    c.call("config@1", "discard")
    expect(c.call("config@1", "schema", {"path": "/f-names/zc"})["path"] == "/f-names/zc", "control: a short name is found")
    c.close()


# ---- what a package may hold up ----

SPOIL = {"prepare_hang": "hangs", "prepare_error": "refuses", "prepare_never": "never answers", "apply_hang": "hangs in apply"}


def refuses(box, name):
    """The control: it answers when it is called."""
    enabled(box, name)
    try:
        commit(box, (f"/{name}/x", 3))
        raise Failed("control: it takes part in no commit")
    except Refused as e:
        expect("never" in str(e), f"refused with {e}")
    box.until(10, lambda: any("is asked to prepare" in w for w in words_of(box, name)), "control: it reports that it is asked")
    enabled(box, name, False)
    box.until(10, lambda: box.service(name)["pid"] == 0, "it ends")


def held_up(box, other, name, how):
    """It continues so while its own grants are taken away, and while it is disabled."""
    enabled(box, name)
    commit(box, (f"/services/{name}/grants", []), (f"/{name}/x", 1))
    asked = [w for w in words_of(box, name) if "is asked" in w]
    expect(not asked, f"the commit that takes its grants asked it: {asked}")
    commit(box, (f"/services/{name}/grants", [f"config.read:/{name}"]))
    box.until(20, lambda: box.service(name)["state"] == "Running", "it runs again")
    commit(box, (f"/{name}/x", 2), (f"/services/{name}/enabled", False))
    expect(not any("is asked" in w for w in words_of(box, name)), "the commit that disables it asked it")
    if name == "v-prepare-error":
        refuses(box, name)
    box.until(10, lambda: box.service(name)["pid"] == 0, "it ends")
    measured(other, f"{name} {how}", lambda: commit(box, ("/acme-probe/greeting", f"{SECRET} {time.monotonic()}")))


# ---- the run ----

def lay_out(root):
    for word, (defs, schema, _) in CONTRACTS.items():
        name = f"c-{word}"
        sch = contract(name, defs, schema)
        if word == "within":
            sch["events"]["e"]["within"] = {"paths": "config.read"}
        package(root, name, "agent", mani=manifest(name, requires=[]), sch=sch)
    names = {f"^(a{{1,900}}|{i}b|z)*c$": {"type": "integer"} for i in range(30)}
    package(root, "f-names", sch={"interface": "f-names", "version": "1.0", "$defs": {"p": {"type": "object", "patternProperties": names}},
                                  "config": {"anyOf": [{"$ref": "#/$defs/p"}] * 800}})
    sch = contract(AGENT, {}, {"type": "object", "properties": {"a": {"type": "integer"}}})
    refs = {place: {"type": "string", "x-orb-ref": target} for place, target in {**REFERENCES, "r-own": f"/{AGENT}/names"}.items()}
    sch["config"] = {"type": "object", "properties": {
        "a": {"type": "integer"}, "names": {"type": "object", "additionalProperties": {"type": "integer"}}, **refs}}
    sch["methods"]["number"] = {"input": OPEN, "requires": "observe",
                                "output": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}}
    package(root, AGENT, "agent", mani=manifest(AGENT, capabilities=GRANTS), sch=sch)
    for attack in SPOIL:
        name = "v-" + attack.replace("_", "-")
        package(root, name, attack, mani=manifest(name, capabilities=[f"config.read:/{name}"]))
    # Installed and never enabled: what they ask for and describe is not charged to others.
    for n in range(6):
        package(root, f"ugly-{n}", mani=manifest(f"ugly-{n}", capabilities=[f"config.read:/{k:02}" + "\x01" * 105 for k in range(64)]))
    for n in range(4):
        package(root, f"wide-{n}", sch={"interface": f"wide-{n}", "version": "1.0", "config": {"type": "object", "properties": {
            f"leaf-{k}": {"type": "string", "description": "y" * 1000} for k in range(55)}}})
    package(root, "claims-host", sch={"interface": "host", "version": "1.0"})
    package(root, "claims-config", sch={"interface": "config", "version": "1.0"})


GRANTS = [f"config.read:/{AGENT}", f"config.write:/{AGENT}", "ipc.call:config/*", "ipc.subscribe:config/committed"]


def manifests(box, refused):
    for n in range(6):
        attempt(f"manifest: ugly-{n}", expect, f"ugly-{n}" in refused, "it is installed")
    attempt("manifest: the interface of the host", expect, "claims-host" in refused, "it is taken")
    attempt("manifest: the interface of another package", expect, "claims-config" in refused, "it is taken")
    attempt("manifest: four wide schemas", lambda: commit(box, ("/acme-probe/greeting", f"{SECRET} wide")))


def no_long_turns(box):
    """In processor time: other work of the machine does not count."""
    text = box.ctl("logs", "-o", "json", "--grep", "loop.stalled", ok=False).stdout
    long = [json.loads(line)["kv"] for line in text.splitlines()]
    for kv in long:
        print(f"# a turn of {kv['ms']} ms, {kv['processor-ms']} of the processor, for {kv['longest-for']}")
    expect(all(int(kv["processor-ms"]) <= 50 for kv in long), f"{len(long)} turns")


def main(root):
    lay_out(root)
    with Appliance(build, "contract", packages=[root]) as box, Appliance(build, "beside") as beside:
        box.start()
        beside.start()
        probe = {"enabled": True, "grants": ["config.read:/acme-probe"]}
        commit(beside, ("/services/firewall", {"enabled": False}), ("/services/acme-probe", probe))
        beside.until(20, lambda: beside.service("acme-probe")["state"] == "Running", "acme-probe runs beside")
        refused = {r["name"].rsplit("/", 1)[-1]: r["error"] for r in box.json("show", "services").get("refused", [])}
        print("# refused when read:", ", ".join(sorted(refused)))
        services = {"firewall": {"enabled": False}, AGENT: {"enabled": True, "grants": GRANTS},
                    "acme-probe": probe,
                    **{"v-" + a.replace("_", "-"): {"enabled": False, "grants": [f"config.read:/v-{a.replace('_', '-')}"]} for a in SPOIL}}
        commit(box, *((f"/services/{name}", value) for name, value in services.items()), ("/acme-probe/greeting", f"{SECRET} 1"), (f"/{AGENT}", {"a": 1, "names": {"one": 1}}))
        for name in ("acme-probe", AGENT):
            box.until(20, lambda n=name: box.service(n)["state"] == "Running", f"{name} runs")
        other = others.Other(box, beside, strict=figures)
        try:
            agent = Agent(box, AGENT)
            manifests(box, refused)
            words(box, other, agent)
            answers(box, other, agent)
            for length in (200, 4000):
                attempt(f"schema: a name of {length} bytes", searched, box, other, length)
            calls(box, other, agent)
            for attack, how in SPOIL.items():
                attempt(f"holds up: {how}", held_up, box, other, "v-" + attack.replace("_", "-"), how)
            contracts(box, other, refused)
            tap.test("no turn of the daemon took 50 ms of the processor", no_long_turns, box)
            tap.test("the daemon lives", expect, box.daemon.poll() is None, "it died")
        finally:
            other.end()
        return other.figures


base = tempfile.mkdtemp(prefix=f"orbt-contract-{os.getpid()}.", dir="/run")
os.chmod(base, 0o755)
measures = []
try:
    measures = main(base)
finally:
    shutil.rmtree(base, ignore_errors=True)
print(f"# {len(attempts)} attempts, {len(successes)} successes{': ' + ', '.join(successes) if successes else ''}")
for what, ratio, longest, *_ in sorted(measures, key=lambda f: -f[1])[:25 if figures else 5]:
    print(f"# {what}: others' p99 {ratio:.1f} times quiet, longest {longest * 1e3:.0f} ms")
if len(attempts) < 130 and not only:
    tap.test("enough attempts", expect, False, f"only {len(attempts)}")
if figures:
    sys.stdout = real
    others.bench(measures, len(attempts), len(successes), least=100)
    sys.exit(0)
tap.end()
