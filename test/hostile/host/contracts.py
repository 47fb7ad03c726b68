"""Contracts that are expensive on purpose: name -> (definitions, schema, the value that hurts). A value's "@" is replaced by FILL times "x", so that large values pass as a short order."""

FILL = 180000


def names(n, suffix=""):
    return [f"a{i:05d}b{i:05d}{suffix}" for i in range(n)]


def ref(name):
    return {"$ref": f"#/$defs/{name}"}


def fan(word, depth, width, leaf, first=0):
    defs = {f"d{i}": {word: [ref(f"d{i + 1}")] * width} for i in range(first, depth)}
    return {**defs, f"d{depth}": leaf}


def lists(depth):
    """2^depth ways through one small value."""
    defs = {f"l{i}": {"anyOf": [{"type": "array", "items": ref(f"l{i + 1}"), "minItems": 1},
                                {"type": "array", "items": ref(f"l{i + 1}"), "maxItems": 5}]} for i in range(depth)}
    return {**defs, f"l{depth}": {"type": "string"}}


def nested(depth, leaf):
    return "[" * depth + leaf + "]" * depth


def obj(pairs):
    return "{" + ",".join(f'"{k}":{v}' for k, v in pairs) + "}"


OPEN = {"type": "object", "additionalProperties": True}
FILLED = '{"a":1,"fill":"@","z":1}'
NUMBERS = '{"a":[' + ",".join(map(str, range(30000))) + "]}"
ONES = '{"a":[' + ",".join(["1"] * 60000) + "]}"


def member(schema, **more):
    return {"type": "object", "properties": {"a": schema}, "additionalProperties": True, **more}


CONTRACTS = {
    "needs": ({"d": {**OPEN, "dependentRequired": {"a": ["z"]}}}, {"allOf": [ref("d")] * 1500}, FILLED),
    "needs-many": ({"d": {**OPEN, "dependentRequired": {n: names(40, "q") for n in names(20)}}}, {"allOf": [ref("d")] * 800},
                   obj([(n, 1) for n in names(900)])),
    "required": ({"d": {"anyOf": [{"required": names(1500)}, OPEN]}}, {"allOf": [OPEN] + [ref("d")] * 600}, FILLED),
    "alike": ({"d": {**OPEN, "properties": {f"k{i:04d}mmmm{9999 - i:04d}x": {"type": "integer"} for i in range(700)}}},
              {"allOf": [ref("d")] * 100}, obj([(f"k{i:04d}mmmm{9999 - i:04d}x", 1) for i in range(900)])),
    "all": (fan("allOf", 8, 40, OPEN), ref("d0"), FILLED),
    "any": (fan("anyOf", 8, 40, {"type": "integer"}), {**OPEN, "properties": {"a": ref("d0")}}, '{"a":"@"}'),
    "one": (fan("oneOf", 8, 40, {"type": "integer"}), {"anyOf": [{"required": ["b"], **OPEN}, member(ref("d0"))]}, '{"a":"@"}'),
    "lists": (lists(24), {"anyOf": [{"required": ["b"], **OPEN}, member(ref("l0"))]}, '{"a":' + nested(24, "1") + "}"),
    "not": ({**{f"n{i}": {"not": {"not": ref(f"n{i + 1}")}} for i in range(60)}, "n60": OPEN}, {"allOf": [ref("n0")] * 400}, FILLED),
    "unique": ({}, member({"anyOf": [{"type": "integer"}, {"type": "array", "uniqueItems": True}]}), NUMBERS),
    "unique-often": ({"u": {"uniqueItems": True}}, member({"allOf": [ref("u")] * 1000}), NUMBERS),
    "unique-objects": ({}, member({"uniqueItems": True}),
                       '{"a":[' + ",".join(f'{{"b":[{i}]}}' for i in range(900)) + ',{"c":"@"}]}'),
    "enum": ({}, member({"items": {"enum": names(2500)}}), '{"a":[' + ",".join(['"a01111b01112"'] * 10000) + "]}"),
    "enum-objects": ({}, member({"enum": [1, *({"a": [i, {"b": i}]} for i in range(1800))]}), '{"a":{"a":[1,"@"]}}'),
    "const": ({"c": {"not": {"const": {"a": [1, 2]}}}}, {"allOf": [OPEN] + [ref("c")] * 1500}, ONES),
    "plus-plus": ({}, member({"anyOf": [{"type": "integer"}, {"pattern": "^(a+)+$"}]}), '{"a":"' + "a" * 100000 + 'b"}'),
    "or-or": ({}, member({"items": {"pattern": "^(a|aa)+b$|^(([a-z])+.)+[A-Z]([a-z])+$"}}),
              '{"a":[' + ",".join(['"' + "a" * 40 + 'B"'] * 4000) + "]}"),
    "counted": ({}, member({"anyOf": [{"type": "integer"}, {"pattern": "(x{1,200}y?){1,5}z"}]}), '{"a":"@"}'),
    "patterns": ({}, {"type": "object", "patternProperties": {f"(x{{1,{i + 100}}}y)+": True for i in range(100)}, "additionalProperties": True},
                 obj([("x" * 60 + str(i), 1) for i in range(900)])),
    "names": ({}, {**OPEN, "propertyNames": {"anyOf": [{"pattern": "^(x+x+)+y$"}, {"pattern": "^([a-z]+[0-9]*)+$"}]}},
              obj([("x" * 90 + str(i), 1) for i in range(900)])),
    "formats": ({"f": {"anyOf": [{"format": "hostname"}, {"format": "cidr"}, {"format": "ip"}, {"minLength": 3, "maxLength": 199999}, {"type": "integer"}]}},
                member({"allOf": [ref("f")] * 1000}), '{"a":"@"}'),
    "lengths": ({"f": {"minLength": 199998}}, member({"anyOf": [{"type": "integer"}, *[ref("f")] * 1500]}), '{"a":"@"}'),
    "multiples": ({}, member({"items": {"allOf": [{"multipleOf": 1 / (i + 3)} for i in range(900)]}}), ONES),
    "digits": ({}, member({"items": {"minimum": 1, "maximum": 2}}), '{"a":[' + "1" * 120000 + "]}"),
    "again": ({}, {"allOf": [True] * 8000 + [OPEN]}, ONES),
    "circles": ({"x": {"anyOf": [ref("y"), ref("y"), {"type": "integer"}]}, "y": {"type": "array", "items": {"anyOf": [ref("x"), ref("x"), ref("x")]}}},
                member(ref("x")), '{"a":' + nested(26, '"s"') + "}"),
    "secrets": ({"s": {**OPEN, "properties": {"k": {"x-orb-secret": True, "type": "integer"}}}}, {"allOf": [ref("s")] * 1500}, '{"k":"@"}'),
    "counts": ({"m": {**OPEN, "maxProperties": 1000, "minProperties": 1}}, {"allOf": [ref("m")] * 1500}, obj([(n, 1) for n in names(1000)])),
    "within": ({}, {**OPEN, "properties": {"paths": True, "a": True}}, '{"paths":["/x"],' + ONES[1:]),
    "deep": ({**{f"p{i}": member(ref(f"p{i + 1}")) for i in range(28)}, "p28": True}, {"anyOf": [ref("p0")] * 500},
             '{"a":' * 27 + '"@"' + "}" * 27),
}
