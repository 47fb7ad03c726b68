#!/usr/bin/env python3
"""test_fieldcheck.py ROOT - tools/fieldcheck passes tables that agree with their schema and fails each that does not."""

import copy
import json
import pathlib
import subprocess
import sys
import tempfile

root = pathlib.Path(sys.argv[1])
SCHEMA = {"$defs": {"peer": {"type": "object", "properties": {"port": {"type": "integer", "default": 53}}}},
          "config": {"type": "object", "properties": {
              "word": {"type": "string", "default": "a\"b"}, "mtu": {"type": "integer"},
              "up": {"type": "boolean", "default": True}, "rate": {"type": "number", "default": 0.5},
              "mode": {"enum": ["x", "y"], "default": "x"}, "list": {"type": "array", "items": {"type": "string"}},
              "peers": {"type": "object", "additionalProperties": {"$ref": "#/$defs/peer"}}}}}
SOURCE = """#include <orbital/orbital.h>
#define PORT (50 + 3)
struct s { char *word; int64_t mtu; bool up; double rate; char *mode; int64_t port; };
ORB_FIELDS(fields, "") = {
    ORB_FIELD_TEXT("word", struct s, word, "a" "\\"b"), ORB_FIELD_INT("mtu", struct s, mtu, 0),
    ORB_FIELD_BOOL("up", struct s, up, true), ORB_FIELD_REAL("rate", struct s, rate, 0.5),
    ORB_FIELD_OTHER("mode"), ORB_FIELDS_END,
};
ORB_FIELDS(peers, "/peers/*") = {ORB_FIELD_INT("port", struct s, port, PORT), ORB_FIELDS_END};
const struct orb_field *use(int n) { return n ? fields : peers; }
"""
WRONG = [  # from, to in the source; what is reported
    ('"a" "\\"b"', '"other"', '"word" is "other" when it is absent; the schema\'s default is "a\\"b"'),
    ("mtu, 0", "mtu, 1500", "default is none, so 0 is expected here"),
    ("up, true", "up, false", '"up" is false when it is absent'),
    ("rate, 0.5", "rate, 0.25", '"rate" is 0.25 when it is absent'),
    ("PORT (50 + 3)", "PORT 54", '"port" is 54 when it is absent; the schema\'s default is 53'),
    ('ORB_FIELD_INT("mtu", struct s, mtu, 0),', "", '"mtu" of the schema is not read'),
    ('ORB_FIELD_OTHER("mode"),', "", '"mode" of the schema is not read'),
    ('ORB_FIELD_INT("mtu", struct s, mtu, 0)', 'ORB_FIELD_TEXT("mtu", struct s, word, NULL)', '"mtu" is read as string'),
    ('"mtu"', '"mtv"', '"mtv" is not in the schema'),
    ('"/peers/*"', '"/peer/*"', 'no object at "/peer/*"'),
]


def check(work, source, schema):
    (work / "s.c").write_text(source)
    (work / "schema.json").write_text(json.dumps(schema))
    (work / "stamp").unlink(missing_ok=True)
    run = subprocess.run([sys.executable, root / "tools/fieldcheck", work / "schema.json", work / "stamp", work / "s.c",
                          "--", "cc", f"-I{root}/include"], capture_output=True, text=True)
    assert (run.returncode == 0) == (work / "stamp").exists(), "the stamp is written when all is well, and only then"
    return run


with tempfile.TemporaryDirectory() as name:
    work = pathlib.Path(name)
    done = check(work, SOURCE, SCHEMA)
    assert done.returncode == 0, done.stderr
    compiled = subprocess.run(["cc", "-std=c11", "-Wall", "-Wpedantic", "-Werror", f"-I{root}/include", "-c", work / "s.c",
                               "-o", work / "s.o"], capture_output=True, text=True)
    assert compiled.returncode == 0, compiled.stderr
    for before, after, shown in WRONG:
        assert before in SOURCE, before
        done = check(work, SOURCE.replace(before, after), SCHEMA)
        assert done.returncode != 0 and shown in done.stderr, f"{after}: expected {shown!r}, got {done.stderr!r}"
        assert "s.c:" in done.stderr, f"no place in {done.stderr!r}"
    more = copy.deepcopy(SCHEMA)
    more["config"]["properties"]["new"] = {"type": "string"}
    done = check(work, SOURCE, more)
    assert '"new" of the schema is not read' in done.stderr, done.stderr
    # a member of another C type does not compile
    (work / "s.c").write_text(SOURCE.replace("struct s, mtu, 0", "struct s, up, 0"))
    compiled = subprocess.run(["cc", "-Werror", f"-I{root}/include", "-c", work / "s.c", "-o", work / "s.o"],
                              capture_output=True, text=True)
    assert compiled.returncode != 0, "a bool read as an integer compiled"
print("ok")
