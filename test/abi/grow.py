#!/usr/bin/env python3
"""grow.py HEADER OUT - a copy of orbital.h in which each struct that may grow has one member more, at
its end: what a later version of the header looks like."""

import re
import sys

GROW = ("orb_peer", "orb_method", "orb_change", "orb_config", "orb_problem", "orb_plugin")

text = open(sys.argv[1], encoding="utf-8").read()
for name in GROW:
    text, found = re.subn(r"^struct %s \{\n(.*?)^\};$" % name, r"struct %s {\n\1    void *future;\n};" % name,
                          text, flags=re.M | re.S)
    if found != 1:
        sys.exit(f"grow.py: {sys.argv[1]}: struct {name} was found {found} times, expected once")
open(sys.argv[2], "w", encoding="utf-8").write(text)
