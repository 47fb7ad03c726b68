"""The firewall service on the real SDK; the test implements dataplane@1 and stores the policy it receives."""
import copy
import sys

from host import Refused, Worker, main, refused

RUNNER, MODULE = sys.argv[1:3]
INTERFACES = {"lan0": {"fast-path": "xdp"}, "wan0": {}}
FIREWALL = {
    "zones": {"lan": {"interfaces": ["lan0"]}, "wan": {"interfaces": ["wan0"]}},
    "groups": {"web": {"ports": ["80", "443"]}},
    "rules": {"10": {"from": "lan", "to": "wan", "protocol": "tcp", "destination-ports": "@web",
                     "action": "accept", "description": "web"},
              "20": {"from": "wan", "source": "198.51.100.0/24", "action": "drop"}},
    "nat": {"source": {"10": {"to": "wan", "action": "masquerade"}}}}
MAPS = ("groups", "ports", "zones", "rules", "source-nat", "destination-nat")


class Dataplane:
    """begin/put/check/apply/abort as in docs/dataplane.md, without a kernel."""

    def __init__(self):
        self.running, self.before, self.drafts = self.empty(), None, {}
        self.tx = self.generation = self.applied = 0
        self.refuse = {}  # method: Refused

    @staticmethod
    def empty():
        return {"default": {}, **{m: {} for m in MAPS}}

    def __call__(self, method, given):
        if method in self.refuse:
            raise self.refuse[method]
        return getattr(self, method)(given) or {}

    def begin(self, given):
        self.tx += 1
        self.drafts[self.tx] = self.empty() if given["reset"] else copy.deepcopy(self.running)
        return {"tx": self.tx}

    def put(self, given):
        draft = self.drafts[given.pop("tx")]
        for member, entries in given.items():
            assert len(entries) <= 1000, "more keys than a frame may have"
            for key, value in entries.items():
                if value is None:
                    draft[member].pop(key, None)
                else:
                    draft[member][key] = value

    def check(self, given):
        return {"rules": len(self.drafts[given["tx"]]["rules"]), "nft-bytes": 1, "classes": 1}

    def apply(self, given):
        self.before, self.running = self.running, self.drafts.pop(given["tx"])
        self.applied, self.generation = given["tx"], self.generation + 1
        return {"generation": self.generation}

    def abort(self, given):
        if given["tx"] == self.applied:
            self.running, self.applied = self.before, 0
        else:
            del self.drafts[given["tx"]]

    def counters(self, given):
        after, limit = given.get("after", 0), given.get("limit", 500)
        assert limit <= 500
        above = sorted(int(key) for key in self.running["rules"] if int(key) > after)
        page = {"generation": self.generation, "default": {"forward": {"packets": 3, "bytes": 300}},
                "rules": {str(n): {"packets": n, "bytes": 100 * n, "fast-packets": 1,
                                   "fast-bytes": 100} for n in above[:limit]}}
        if len(above) > limit:
            page["next"] = above[limit - 1]
        return page

    def status(self, _):
        return {"generation": self.generation, "enabled": True, "ports": {"lan0": {"mode": "xdp"}}}


class Box:
    def __init__(self, firewall=FIREWALL, refuse=None):
        self.refuse = refuse or {}
        self.tree = {"interfaces": copy.deepcopy(INTERFACES)}
        if firewall is not None:
            self.tree["firewall"] = copy.deepcopy(firewall)

    def __enter__(self):
        self.plane = Dataplane()
        self.plane.refuse = dict(self.refuse)
        self.worker = Worker(RUNNER, MODULE, ["firewall", "interfaces"], self.tree,
                             methods=["counters", "status"])
        self.worker.provider = self.plane
        try:
            self.worker.start()
        except BaseException:
            self.worker.kill()
            raise
        return self.plane, self.worker

    def __exit__(self, *_):
        self.worker.kill()


def set_at(path, value):
    return {"op": "set", "path": path, "value": value}


def methods(w):
    called = [method for method, _ in w.calls]
    w.calls.clear()
    return called


def the_first_configuration_is_sent_whole():
    with Box() as (plane, w):
        assert methods(w) == ["begin", "put", "check", "apply"]
        assert plane.running["rules"]["10"] == {
            "from": "lan", "to": "wan", "protocol": "tcp", "destination-ports": ["80", "443"],
            "action": "accept"}, plane.running
        assert plane.running["ports"] == {"lan0": {"fast-path": "xdp"}, "wan0": {"fast-path": "auto"}}
        assert plane.running["default"] == {"forward": "drop", "input": "accept", "output": "accept"}
        assert plane.running["source-nat"] == {"10": {"to": "wan", "action": "masquerade"}}
        w.stop()


def without_firewall_nothing_is_forwarded():
    with Box(None) as (plane, w):
        assert plane.running["default"]["forward"] == "drop" and plane.running["rules"] == {}
        w.stop()


def one_changed_rule_is_sent_alone():
    with Box() as (plane, w):
        w.calls.clear()
        plan = w.patch([set_at("/firewall/rules/20/action", "reject")])
        assert w.calls == [("begin", {"reset": False}),
                           ("put", {"rules": {"20": {"from": "wan", "source": ["198.51.100.0/24"],
                                                     "action": "reject"}}}),
                           ("check", {"tx": 2}), ("apply", {"tx": 2})], w.calls
        assert plan == ["rule 20 changes"], plan
        w.calls.clear()
        assert w.patch([{"op": "delete", "path": "/firewall/rules/20"}]) == ["rule 20 is removed"]
        assert list(plane.running["rules"]) == ["10"]
        plan = w.patch([set_at("/firewall/rules/10/destination-ports", ["https", "!domain", 99])])
        assert plan == ["rule 10 changes (https is 443, domain is 53)"], plan
        assert plane.running["rules"]["10"]["destination-ports"] == ["443", "!53", "99"]
        methods(w)
        w.patch([set_at("/interfaces/wan0/fast-path", "tcx")])
        assert plane.running["ports"]["wan0"] == {"fast-path": "tcx"}
        methods(w)
        w.patch([set_at("/interfaces/wan0/mtu", 1400), set_at("/firewall/rules/10/description", "www")])
        assert methods(w) == [], "nothing for the data plane"
        assert w.call("counters", {}, src=9)["rules"][0]["description"] == "www"
        w.stop()


def a_changed_group_sends_what_names_it():
    with Box() as (plane, w):
        methods(w)
        w.patch([set_at("/firewall/groups/web/ports", ["8080"])])
        assert w.calls[0] == ("begin", {"reset": False})
        assert [sorted(given["rules"]) for name, given in w.calls if name == "put"] == [["10"]], w.calls
        assert plane.running["rules"]["10"]["destination-ports"] == ["8080"]
        assert "20" in plane.running["rules"] and "lan" in plane.running["zones"]
        w.stop()


def own_refusals_never_reach_the_data_plane():
    with Box() as (plane, w):
        methods(w)
        firewall = copy.deepcopy(FIREWALL)
        firewall["rules"]["10"]["destination-ports"] = "@wbe"
        refused(w, "/firewall/rules/10/destination-ports", "did you mean @web?", firewall=firewall)
        assert methods(w) == []
        w.stop()


def a_refusal_of_the_data_plane_carries_the_configurations_path():
    with Box() as (plane, w):
        methods(w)
        plane.refuse["check"] = Refused({"code": "schema", "path": "/source-nat/10/to",
                                         "text": "there is no zone \"wan\""})
        running = copy.deepcopy(plane.running)
        firewall = copy.deepcopy(FIREWALL)
        firewall["rules"]["20"]["action"] = "accept"
        refused(w, "/firewall/nat/source/10/to", "there is no zone \"wan\"", firewall=firewall)
        assert methods(w) == ["begin", "put", "check", "abort"]
        assert plane.drafts == {} and plane.running == running and w.ping() is None
        plane.refuse.clear()
        w.commit(firewall=firewall)
        assert plane.running["rules"]["20"]["action"] == "accept"
        w.stop()


def abort_drops_a_draft_and_takes_an_applied_policy_back():
    with Box() as (plane, w):
        patch = [set_at("/firewall/rules/30", {"action": "drop"})]
        w.tx += 1
        w.call("prepare", {"tx": w.tx, "revision": 9, "patch": patch})
        assert len(plane.drafts) == 1
        w.call("abort", {"tx": w.tx, "applied": False})
        assert plane.drafts == {} and "30" not in plane.running["rules"]
        before = copy.deepcopy(w.tree)
        w.patch(patch)
        assert "30" in plane.running["rules"]
        w.undo()
        w.tree.update(before)
        assert "30" not in plane.running["rules"]
        assert [r["rule"] for r in w.call("counters", {}, src=9)["rules"]] == [10, 20]
        w.stop()


def a_failed_apply_is_told_and_its_draft_dropped():
    with Box() as (plane, w):
        plane.refuse["apply"] = Refused({"code": "kernel", "text": "nft refused it"})
        w.tx += 1
        w.call("prepare", {"tx": w.tx, "revision": 9,
                           "patch": [set_at("/firewall/rules/30", {"action": "drop"})]})
        try:
            w.call("apply", {"tx": w.tx})
            raise AssertionError("apply succeeded")
        except Refused as e:
            assert "nft refused it" in e.text and e.path == "", e
        assert "nft refused it" in w.ping()
        w.call("abort", {"tx": w.tx, "applied": True})
        assert plane.drafts == {} and "30" not in plane.running["rules"]
        plane.refuse.clear()
        w.patch([set_at("/firewall/rules/30", {"action": "drop"})])
        assert "30" in plane.running["rules"] and w.ping() is None
        w.stop()


def an_absent_data_plane_refuses_and_degrades():
    with Box() as (plane, w):
        plane.refuse["begin"] = Refused({"code": "unavailable", "text": "no service provides dataplane@1"})
        firewall = dict(FIREWALL, default={"forward": "accept"})
        refused(w, "", "the data plane did not begin the policy", "no service", firewall=firewall)
        assert "no service provides" in w.ping() and "data-plane" in w.problems
        plane.refuse.clear()
        w.until_problems(lambda p: not p)
        w.commit(firewall=firewall)
        assert plane.running["default"]["forward"] == "accept" and w.ping() is None
        w.stop()


NO_MEMORY = Refused({"code": "kernel", "text": "nft has no memory"})


def what_fails_at_the_start_is_tried_again_until_it_is_in_force():
    for method in ("begin", "put", "check", "apply"):
        with Box(refuse={method: NO_MEMORY}) as (plane, w):
            w.until_problems(lambda p: "not-in-force" in p)
            problem = w.problems["not-in-force"]
            assert problem["level"] == "failed" and "nft has no memory" in problem["what"], problem
            plane.refuse.clear()
            w.until_problems(lambda p: not p)
            assert set(plane.running["rules"]) == {"10", "20"}, plane.running
            assert w.ping() is None
            methods(w)
            w.patch([set_at("/firewall/rules/20/action", "reject")])
            assert w.calls[0] == ("begin", {"reset": False}), "from now on as ever"
            w.stop()


def a_commit_in_between_sends_everything_and_mends_it():
    with Box(refuse={"apply": NO_MEMORY}) as (plane, w):
        w.until_problems(lambda p: "not-in-force" in p)
        plane.refuse.clear()
        methods(w)
        w.patch([set_at("/firewall/rules/20/action", "reject")])
        assert w.calls[0] == ("begin", {"reset": True}), w.calls
        assert plane.running["rules"]["20"]["action"] == "reject" and "10" in plane.running["rules"]
        w.until_problems(lambda p: not p)
        generation = plane.generation
        w.until_quiet(1.3)
        assert plane.generation == generation, "nothing is tried any more"
        w.stop()


def a_commit_that_comes_to_nothing_leaves_it_to_be_tried_again():
    with Box(refuse={"apply": NO_MEMORY}) as (plane, w):
        w.until_problems(lambda p: "not-in-force" in p)
        firewall = copy.deepcopy(FIREWALL)
        firewall["rules"]["10"]["destination-ports"] = "@wbe"
        refused(w, "/firewall/rules/10/destination-ports", "did you mean @web?", firewall=firewall)
        plane.refuse.clear()
        before = copy.deepcopy(w.tree)
        w.patch([set_at("/firewall/rules/30", {"action": "drop"})])
        w.undo()
        w.tree.update(before)
        assert plane.running["rules"] == {}, "the data plane went back to what was before: nothing"
        w.until_problems(lambda p: not p and set(plane.running["rules"]) == {"10", "20"})
        w.stop()


def a_stored_mistake_is_reported_and_a_commit_mends_it():
    firewall = copy.deepcopy(FIREWALL)
    firewall["rules"]["10"]["destination-ports"] = "@wbe"
    with Box(firewall) as (plane, w):
        w.until_problems(lambda p: "not-in-force" in p)
        assert w.problems["not-in-force"]["path"] == "/firewall/rules/10/destination-ports"
        assert plane.generation == 0
        w.patch([set_at("/firewall/rules/10/destination-ports", "@web")])
        assert set(plane.running["rules"]) == {"10", "20"}
        w.until_problems(lambda p: not p)
        w.stop()


def counters_join_configuration_and_numbers_in_pages():
    with Box() as (plane, w):
        out = w.call("counters", {}, src=9)
        assert out["rules"][0] == {
            "rule": 10, "description": "web", "action": "accept", "from": "lan", "to": "wan",
            "packets": 10, "bytes": 1000, "fast-packets": 1, "fast-bytes": 100}, out
        assert out["rules"][1]["to"] == "any" and out["default"]["forward"]["packets"] == 3
        assert out["generation"] == 1 and "next" not in out
        page = w.call("counters", {"limit": 1}, src=9)
        assert len(page["rules"]) == 1 and page["next"] == 10
        page = w.call("counters", {"after": page["next"], "limit": 1}, src=9)
        assert page["rules"][0]["rule"] == 20 and "next" not in page
        assert w.call("status", {}, src=9)["ports"]["lan0"]["mode"] == "xdp"
        plane.refuse["counters"] = Refused({"code": "deadline", "text": "too slow"})
        try:
            w.call("counters", {}, src=9)
            raise AssertionError("counters succeeded")
        except Refused as e:
            assert e.code == "deadline"
        w.stop()


def thousands_of_rules_come_in_messages_that_fit():
    firewall = copy.deepcopy(FIREWALL)
    firewall["rules"] = {str(n): {"from": "lan", "to": "wan", "source": f"10.{n // 250}.{n % 250}.0/24",
                                  "action": "accept"} for n in range(1, 3001)}
    with Box() as (plane, w):
        methods(w)
        w.patch([{"op": "delete", "path": "/firewall/rules"}] +
                [set_at(f"/firewall/rules/{n}", rule) for n, rule in firewall["rules"].items()
                 if int(n) <= 1000])
        assert len(plane.running["rules"]) == 1000
        assert methods(w).count("put") >= 2
        w.stop()
    box = Box(None)
    box.tree["firewall"] = {"zones": firewall["zones"], "rules": dict(list(firewall["rules"].items())[:1500])}
    with box as (plane, w):
        assert len(plane.running["rules"]) == 1500
        seen, page = [], {"next": 0}
        while "next" in page:
            page = w.call("counters", {"after": page["next"]}, src=9)
            assert len(page["rules"]) <= 500 and all(r["packets"] == r["rule"] for r in page["rules"])
            seen += [r["rule"] for r in page["rules"]]
        assert seen == list(range(1, 1501)), seen
        w.stop()


main([the_first_configuration_is_sent_whole, without_firewall_nothing_is_forwarded,
      one_changed_rule_is_sent_alone, a_changed_group_sends_what_names_it,
      own_refusals_never_reach_the_data_plane,
      a_refusal_of_the_data_plane_carries_the_configurations_path,
      abort_drops_a_draft_and_takes_an_applied_policy_back,
      a_failed_apply_is_told_and_its_draft_dropped, an_absent_data_plane_refuses_and_degrades,
      what_fails_at_the_start_is_tried_again_until_it_is_in_force,
      a_commit_in_between_sends_everything_and_mends_it,
      a_commit_that_comes_to_nothing_leaves_it_to_be_tried_again,
      a_stored_mistake_is_reported_and_a_commit_mends_it,
      counters_join_configuration_and_numbers_in_pages, thousands_of_rules_come_in_messages_that_fit])
