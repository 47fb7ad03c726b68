"""Wrong manifests and schema files: what changed, exit code, and what the sentence must hold."""
import copy
import json
import os
import shutil
import subprocess

MANIFEST = {"name": "demo", "version": "0.1.0", "library": "lib/demo.so"}
NOTHING = {"type": "object", "properties": {}}
SCHEMA = {
    "interface": "demo", "version": "1.0",
    "config": {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}},
    "methods": {"go": {"description": "x", "input": NOTHING, "output": NOTHING,
                       "requires": "observe"}},
    "events": {"went": {"payload": NOTHING, "requires": "observe", "class": "state"}},
}
GONE = object()

# file, path, value (or the whole text), exit code, words
WRONG = [
    ("manifest", "name", "other", 2, ["/name", '"other"', '"demo"']),
    ("manifest", "name", "Demo", 3, ["/name", "small letters", '"Demo"']),
    ("manifest", "name", GONE, 3, ["name", "missing"]),
    ("manifest", "version", "1", 3, ["/version", '"1"']),
    ("manifest", "versio", "1", 3, ["/versio", "did you mean version?"]),
    ("manifest", "library", "../x.so", 3, ["/library", '"../x.so"']),
    ("manifest", "library", "lib/other.so", 10, ["/library", "lib/other.so"]),
    ("manifest", "libraries", ["libssl.so.3"], 5, ["/libraries/0", "libssl.so.3", "lib/"]),
    ("manifest", "phase", "late", 3, ["/phase", "early, core, control, features", '"late"']),
    ("manifest", "requires", "config", 3, ["/requires", "array", '"config"']),
    ("manifest", "uses", {"config": "x"}, 3, ["/uses/config", '"x"']),
    ("manifest", "capabilities", ["config.raed:/x"], 2, ["/capabilities/0", "config.read?"]),
    ("manifest", "capabilities", ["config.read:x"], 2, ["/capabilities/0", "config.read:/firewall"]),
    ("manifest", "capabilities", ["net.bind:tcp/1.2.3:80#a"], 2, ["/capabilities/0", "127.0.0.1"]),
    ("manifest", "capabilities", ["ipc.call:host"], 2, ["/capabilities/0", "ipc.call:config/get"]),
    ("manifest", "capabilities", ["fs.state", "fs.state"], 3, ["/capabilities/1", "again"]),
    ("manifest", "restart", {"policy": "sometimes"}, 3, ["/restart/policy", "on-failure"]),
    ("manifest", "restart", {"polcy": "always"}, 3, ["/restart/polcy", "did you mean policy?"]),
    ("manifest", "limits", {"memory": 128}, 3, ["/limits/memory", "string", "128"]),
    ("manifest", "limits", {"files": 1}, 3, ["/limits/files", "between 32 and 4096", "got 1"]),
    ("manifest", "deadlines", {"ready-ms": 0}, 3, ["/deadlines/ready-ms", "100", "got 0"]),
    ("manifest", "min-tier", 9, 3, ["/min-tier", "between 1 and 3", "9"]),
    ("manifest", "min_tier", 2, 3, ["/min_tier", "did you mean min-tier?"]),
    ("manifest", "enabled", "yes", 3, ["/enabled", "true or false", '"yes"']),
    ("manifest", None, '{"name":"demo",}', 2, ["manifest.json", "1:16", "'}'"]),
    ("manifest", None, '{"name":"demo","name":"demo"}', 2, ["1:16", '"name" again']),
    ("manifest", None, "[]", 3, ["object", "array"]),
    ("manifest", None, "", 2, ["a value", "the end"]),
    ("schema", "interface", GONE, 3, ["/interface", "name"]),
    ("schema", "interface", "De mo", 3, ["/interface", '"De mo"', "a-z"]),
    ("schema", "version", "1", 3, ["/version", "MAJOR.MINOR", '"1"']),
    ("schema", "confg", {}, 3, ["/confg", "did you mean config?"]),
    ("schema", "config/type", "objct", 3, ["/config/type", "object, array", '"objct"']),
    ("schema", "config/properties/n/minimum", "1", 3, ["/properties/n/minimum", "number", '"1"']),
    ("schema", "config/properties/n/minimun", 1, 3, ["/properties/n/minimun", "minimum?"]),
    ("schema", "config/properties/n/pattern", "[", 3, ["/pattern", "regular expression"]),
    ("schema", "config/properties/n/$ref", "#/$defs/x", 3, ["/$ref", 'no "#/$defs/x"']),
    ("schema", "methods/go/requires", "admin", 3, ["/methods/go/requires", "configure", '"admin"']),
    ("schema", "methods/go/requires", GONE, 3, ["/methods/go/requires", "missing"]),
    ("schema", "methods/go/timeout-ms", 0, 3, ["/methods/go/timeout-ms", "600000"]),
    ("schema", "methods/go/idempotent", "yes", 3, ["/methods/go/idempotent", "true or false"]),
    ("schema", "methods/Go!", {}, 3, ["/methods/Go!", '"Go!"']),
    ("schema", "events/went/class", "fast", 3, ["/events/went/class", "state", '"fast"']),
    ("schema", "events/went/payload", 5, 3, ["/events/went/payload", "schema", "got 5"]),
    ("schema", None, '{"interface":', 2, ["schema.json", "1:14", "a value"]),
    ("schema", None, "[1]", 3, ["schema.json", "object"]),
]


def changed(base, path, value):
    if path is None:
        return value
    tree = copy.deepcopy(base)
    node, keys = tree, path.split("/")
    for key in keys[:-1]:
        node = node[key]
    if value is GONE:
        del node[keys[-1]]
    else:
        node[keys[-1]] = value
    return json.dumps(tree)


def write(folder, manifest, schema):
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder + "/lib")
    for name, text in ("manifest.json", manifest), ("schema.json", schema), ("lib/demo.so", "x"):
        with open(f"{folder}/{name}", "w") as f:
            f.write(text)


def check_all(tap, build, folder):
    def look():
        return subprocess.run([build + "/orbitald", "--check-package", folder + "/demo"],
                              capture_output=True, text=True, timeout=60)

    write(folder + "/demo", json.dumps(MANIFEST), json.dumps(SCHEMA))
    good = look()
    tap.check(good.returncode == 0 and "demo 0.1.0: interface demo 1.0" in good.stdout,
              "a right package passes", good)
    for file, path, value, code, words in WRONG:
        write(folder + "/demo",
              changed(MANIFEST, path, value) if file == "manifest" else json.dumps(MANIFEST),
              changed(SCHEMA, path, value) if file == "schema" else json.dumps(SCHEMA))
        done = look()
        shown = "missing" if value is GONE else value
        tap.check(done.returncode == code and done.stdout == "" and
                  all(w in done.stderr for w in words),
                  f"{file} {path or 'text'} {shown!r}: exit {code}, {words[0]}", done)
