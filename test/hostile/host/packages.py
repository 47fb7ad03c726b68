"""The hostile packages: one directory an attack, malformed objects and manifests."""
import json
import os
import re
import resource
import struct
import subprocess

from appliance import Failed, expect, run  # noqa: E402
from lab import build, stop  # noqa: E402

modules = f"{build}/test/hostile/host"

NUMBER = {"type": "object", "properties": {"n": {"type": "integer"}}}


def bomb(depth):
    """2^depth ways through one small value."""
    defs = {f"d{i}": {"anyOf": [{"type": "array", "items": {"$ref": f"#/$defs/d{i + 1}"}, "minItems": 1},
                                {"type": "array", "items": {"$ref": f"#/$defs/d{i + 1}"}, "maxItems": 5}]}
            for i in range(depth)}
    defs[f"d{depth}"] = {"type": "string"}
    return defs


def schema(name, **more):
    strings = {"type": "array", "items": {"type": "string", "pattern": "^(a+)+$|^(a|aa)+b$"}}
    return {"interface": name, "version": "1.0",
            "config": {"type": "object", "properties": {"x": {"type": "integer"}}},
            "methods": {"echo": {"input": {"type": "object", "properties": {"text": {"type": "string"}}},
                                 "output": {"type": "object", "properties": {"text": {"type": "string"}}},
                                 "requires": "observe"}},
            "events": {"noise": {"payload": NUMBER, "requires": "observe"},
                       "regex": {"payload": {"type": "object", "properties": {"a": strings}}, "requires": "observe"},
                       "any": {"payload": {"type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}}}, "requires": "observe"},
                       "unique": {"payload": {"type": "object", "properties": {"a": {"type": "array", "uniqueItems": True}}}, "requires": "observe"}},
            "$defs": bomb(22) if name == "v-any" else {"d0": {"type": "string"}}, **more}


def manifest(name, **more):
    m = {"name": name, "version": "1.0.0", "library": f"lib/{name}.so", "requires": ["config"], "capabilities": [],
         "restart": {"backoff-ms": 50, "backoff-max-ms": 200, "breaker": {"failures": 4, "window-s": 60, "cooldown-s": 60}},
         "limits": {"memory": "64M", "files": 32, "threads": 4},
         "deadlines": {"ready-ms": 2000, "ping-every-ms": 250, "ping-ms": 1000, "stop-ms": 700}}
    m.update(more)
    return m


def write(path, data):
    with open(path, "wb") as f:
        f.write(data if isinstance(data, bytes) else data.encode() if isinstance(data, str) else json.dumps(data).encode())


def package(root, name, attack=None, module="attacker", mani=None, sch=None):
    """Lays out a package whose module contains the name of its attack."""
    where = f"{root}/{name}"
    os.makedirs(f"{where}/lib")
    write(f"{where}/manifest.json", manifest(name) if mani is None else mani)
    write(f"{where}/schema.json", schema(name) if sch is None else sch)
    code = open(f"{modules}/{module}.so", "rb").read()
    expect(code.count(b"@@ATTACK@@") == 1, "the module has no marker")
    mark = (attack or "none").encode()
    write(f"{where}/lib/{name}.so", code.replace(b"@@ATTACK@@".ljust(40, b"\0"), mark.ljust(40, b"\0")))
    return where


FRAMES = {
    "hello_twice": "second HELLO", "ready_twice": "second READY", "huge": "4294967295 is over", "zero": "type 0 is not known",
    "type_99": "type 99 is not known", "flags": "flags", "envelope_long": "over the frame's length", "envelope_huge": "envelope length",
    "host_frames": "does not send STOP", "fake_event": "does not send EVENT", "fake_peer": "does not send PEER",
    "src_log": "names a sender", "src_host": "src 1 is no session", "src_other": "is no session", "random": "frame (type|flags|length)|envelope|before",
}
ENDS = {
    "never_ready": "not ready in time", "exit_0": "status 0", "exit_7": "status 7", "ready_exit": "status 0",
    "close": "closed its connection and lived on", "shutdown": "closed its connection|ping", "hang": "ping", "partial": "ping",
    "late_pong": "ping", "fail_flood": ".", "memory": "abort|134|Killed|SIGKILL", "fork": "status (3|31)|Bad system call",
    "slow_reader": "does not read|ping",  # its queue is full, or a ping waits in it: whichever comes first
    "c_crash": "Segmentation|SIGSEGV|segmentation|status 11", "c_hang": "not ready in time", "c_spin": "not ready in time", "c_exit": "status 0",
    "c_close": "closed|broken|status|Bad file", "c_ready": "READY before HELLO", "c_greet": "seccomp|filter|confine|differ|expected|Seccomp",
    "c_abi": "abi 99|abi", "c_garbage": "frame|envelope|HELLO", "c_fork": "status (3|31)|Bad system call",
}
LIVES = {"calls": "service.config@1", "subscribe": '"*"', "publish": '"topic":"*"', "routes": "4294967295", "json": "to with a zero", "pending": "pending:"}
FLOODS = ("log", "metric", "stderr", "events", "events_big", "call", "metrics_call", "logs_call", "bad_call", "denied",
          "bad_json", "pong_flood", "tables")
GRANTED = {"pending": ["ipc.call:acme-probe/*"], "call": ["ipc.call:acme-probe/*"], "slow_reader": ["ipc.call:acme-probe/*"],
           "tables": ["ipc.call:acme-probe/*", "ipc.subscribe:service.*/*"], "metrics_call": ["ipc.call:host/*"],
           "logs_call": ["ipc.call:host/*"], "json": ["ipc.call:host/logs", "ipc.call:acme-probe/slow"], "state_files": ["fs.state"]}
CONFIG = ("prepare_hang", "prepare_exit", "prepare_shape", "apply_hang", "apply_exit", "apply_shape")
BROKEN = {}


def name_of(attack):
    return "v-" + attack.replace("_", "-")


def lay_out(root):
    asked = {}
    for attack in [*FRAMES, *ENDS, *LIVES, *FLOODS, *CONFIG, "fds", "replies", "twice", "outputs", "log_words", "metric_words", "log_big",
                   "regex", "any", "unique", "state_files", "prepare_never"]:
        name = name_of(attack)
        caps = list(GRANTED.get(attack, []))
        if attack in CONFIG or attack == "prepare_never":
            caps.append(f"config.read:/{name}")
        wanted = caps if caps else ["ipc.call:config/*", "ipc.call:host/*", "ipc.call:auth/*", "ipc.call:dataplane/*", "ipc.call:service.*/*",
                                    "ipc.subscribe:config/*", "ipc.subscribe:host/*", "session.delegate", "net.configure", "fs.state"]
        asked[name] = caps
        package(root, name, attack, mani=manifest(name, capabilities=wanted))
    return asked


def loaded(elf):
    """How much of an ELF file is mapped: behind it are section tables and what debuggers read."""
    at, size, count = struct.unpack_from("<Q14xHH", elf, 32)
    heads = (struct.unpack_from("<IIQQQQ", elf, at + n * size) for n in range(count))
    return max(offset + length for kind, _, offset, _, _, length in heads if kind == 1)  # PT_LOAD


def broken_objects(root):
    """Packages whose shared object is none; name -> the text of the report."""
    good = open(f"{modules}/attacker.so", "rb").read()
    wrong_machine = bytearray(good)
    wrong_machine[18:20] = b"\xb7\x00"  # AArch64
    broken_headers = bytearray(good)
    broken_headers[32:40] = b"\xff" * 8
    kinds = {"o-empty": b"", "o-text": b"#!/bin/sh\nreboot\n", "o-half": good[:loaded(good) // 2], "o-short": good[:100], "o-arch": bytes(wrong_machine),
             "o-headers": bytes(broken_headers), "o-zeros": good[:64] + bytes(len(good) - 64)}
    for name, data in kinds.items():
        write(f"{package(root, name)}/lib/{name}.so", data)
    for name, how in {"o-fifo": "fifo", "o-directory": "directory", "o-passwd": "/etc/passwd", "o-libc": "/lib/x86_64-linux-gnu/libc.so.6",
                      "o-loop": "o-loop.so", "o-missing": "missing", "o-up": "../../../../../../usr/lib/x86_64-linux-gnu/libm.so.6"}.items():
        path = f"{package(root, name)}/lib/{name}.so"
        os.unlink(path)
        if how == "fifo":
            os.mkfifo(path)
        elif how == "directory":
            os.mkdir(path)
        elif how != "missing":
            os.symlink(how, path)
        kinds[name] = how
    package(root, "o-nameless", module="attacker_nameless")
    package(root, "o-abi", module="attacker_abi")
    return [*kinds, "o-nameless", "o-abi"]


# ---- manifests and schemas, read by the host itself ----

def malformed(root):
    """(name, what, expected words): packages `orbitald --check-package` must refuse, at once and in words."""
    out = []

    def bad(name, what, words, mani=None, sch=None):
        package(root, name, mani=mani, sch=sch)
        out.append((f"{root}/{name}", what, words))
    deep = "{" + '"a":{' * 500 + "}" * 501
    bad("b-deep", "a manifest 500 deep", "depth|deep", mani=deep)
    bad("b-huge", "a manifest of 10 MB", "larger", mani=b" " * (10 << 20) + b"{}")
    bad("b-twice", "a manifest with a key twice", "twice|duplicate|again", mani='{"name":"b-twice","name":"b-twice","version":"1.0.0","library":"lib/b-twice.so"}')
    bad("b-zero", "a name with \\u0000", "zero|NUL|u0000", mani='{"name":"b-zero\\u0000","version":"1.0.0","library":"lib/b-zero.so"}')
    bad("b-utf", "a description of broken UTF-8", "UTF-8", mani=b'{"name":"b-utf","version":"1.0.0","library":"lib/b-utf.so","description":"\xff\xfe"}')
    bad("b-other", "the name of another package", "expected \"b-other\"", mani=manifest("config"))
    bad("b-up", "a library outside the package", "library", mani=manifest("b-up", library="lib/../../x.so"))
    bad("b-abs", "an absolute library", "library", mani=manifest("b-abs", library="/lib/x86_64-linux-gnu/libc.so.6"))
    bad("b-types", "numbers for words", "expected", mani=manifest("b-types", capabilities=[1, 2]))
    bad("b-list", "a list for an object", "expected|object", mani="[]")
    bad("b-number", "a number too large", "integer between", mani=manifest("b-number", deadlines={"ready-ms": 2 ** 64}))
    bad("b-minus", "a negative limit", "integer between", mani=manifest("b-minus", limits={"files": -1}))
    bad("b-unknown", "an unknown member", "unknown", mani=manifest("b-unknown", privileged=True))
    bad("b-many", "1000 capabilities", "at most", mani=manifest("b-many", capabilities=[f"ipc.call:a{i}/b" for i in range(1000)]))
    bad("b-cap", "an invented capability", "unknown capability", mani=manifest("b-cap", capabilities=["kernel.all"]))
    bad("b-empty", "an empty manifest", "empty|expected|end", mani=b"")
    bad("b-line", "a version with a line break", "version|pattern", mani=manifest("b-line", version="1.0.0\n"))
    bad("b-elf", "a manifest that is a program", ".", mani=open(f"{modules}/attacker.so", "rb").read()[:60000])
    bad("s-deep", "a schema 3000 deep", "depth|deep", sch='{"interface":"s-deep","version":"1.0","config":' + '{"properties":{"a":' * 1500 + "{}" + "}}" * 1500 + "}")
    bad("s-huge", "a schema of 1 MB", "larger", sch=json.dumps(schema("s-huge", description="x" * (1 << 20))))
    bad("s-twice", "a schema with a key twice", "twice|duplicate|again", sch='{"interface":"s-twice","interface":"s-twice","version":"1.0"}')

    bad("s-gone", "a reference to nothing", "\\$defs|reference|no such|points", sch=schema("s-gone", config={"$ref": "#/$defs/none"}))
    bad("s-name", "an interface of another kind", "interface", sch=schema("service.config"))
    bad("s-slash", "an interface with a path", "interface", sch=schema("../config"))
    bad("s-regex", "a pattern that is none", "pattern", sch=schema("s-regex", config={"type": "object", "properties": {"a": {"type": "string", "pattern": "(("}}}))
    bad("s-member", "an unknown member", "unknown", sch=schema("s-member", trusted=True))
    bad("s-list", "a list", "object", sch="[]")
    bad("s-version", "a version that is none", "MAJOR", sch=schema("s-version", version="one"))
    for count, limit in (1500, "at most|keys|members"), (5000, "larger than 65536 bytes"):
        bad(f"s-methods-{count}", f"{count} methods", limit, sch=schema(f"s-methods-{count}", methods={f"m{i}": {"requires": "observe"} for i in range(count)}))
    for file in ("manifest", "schema"):
        for kind in ("fifo", "directory", "endless", "gone"):
            name = f"k-{file}-{kind}"
            path = f"{package(root, name)}/{file}.json"
            os.unlink(path)
            if kind == "fifo":
                os.mkfifo(path)
            elif kind == "directory":
                os.mkdir(path)
            elif kind == "endless":
                os.symlink("/dev/zero", path)
            out.append((f"{root}/{name}", f"a {file} that is {kind}", "cannot|regular|larger|file"))
    return out


def check_malformed(where, words):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        done = run(f"{build}/orbitald", "--check-package", where, check=False, timeout=60)
    except subprocess.TimeoutExpired:
        raise Failed("the host waits for it for ever") from None
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    took = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    expect(done.returncode not in (0, 134, 139) and done.returncode > 0, f"status {done.returncode}: {done.stdout}{done.stderr}")
    expect(re.search(words, done.stderr), f"refused with: {done.stderr.strip()}")
    expect("\x1b" not in done.stderr, "its words reach the terminal unescaped")
    expect(took < 2, f"took {took:.1f} s of processor time")


TAKEN = ("host", "auth", "dataplane", "services", "config", "interfaces", "firewall", "acme-probe")


def lay_out_names(root):
    """Packages that claim what belongs to others; aaa sorts before, zzz behind."""
    for taken in TAKEN:
        for side in ("aaa", "zzz"):
            name = f"{side}-{taken}"
            stolen = schema(taken, methods={m: {"input": {"type": "object", "additionalProperties": True}, "output": {"type": "object", "additionalProperties": True},
                                                "requires": "observe"} for m in ("get", "commit", "attach", "boot", "echo", "login", "begin")})
            package(root, name, "never_ready", mani=manifest(name, requires=[]), sch=stolen)
    for name, requires in {"r-self": ["r-self"], "r-one": ["r-two"], "r-two": ["r-three"], "r-three": ["r-one"], "r-none": ["no-such-package"]}.items():
        package(root, name, mani=manifest(name, requires=requires))
    package(root, "u-none", mani=manifest("u-none", uses={"no-such-interface": "1.0"}))
    package(root, "u-later", mani=manifest("u-later", uses={"config": "9.9"}))
    for i in range(6):
        big = {"type": "object", "properties": {f"p{k}": {"type": "string", "description": 'q"' * 40} for k in range(900)}}
        package(root, f"big-{i}", sch=schema(f"big-{i}", config=big))
