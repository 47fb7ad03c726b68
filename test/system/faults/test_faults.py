#!/usr/bin/env python3
"""Faults of services, of the config service and of the host at each point of a commit.

    test_faults.py BUILD WRAPPER [--all] [--jobs N] [--json] [PATTERN]...

Without --all a selection (matrix.py). PATTERN: only cells whose name it is found in. --json: a
summary as JSON instead of TAP. FAULTS_LOG names a directory for the daemon's logs of cells that
went wrong."""
import json
import os
import queue
import re
import shutil
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import Box, need_root  # noqa: E402
from matrix import cells, selection, try_cell  # noqa: E402


class Result:
    def __init__(self, name, seconds, said="", wrong=""):
        self.name, self.seconds, self.said, self.wrong = name, seconds, said, wrong


def keep_log(box, name):
    where = os.environ.get("FAULTS_LOG")
    if where:
        os.makedirs(where, exist_ok=True)
        shutil.copy(f"{box.dir}/log", f"{where}/{name.replace(' ', '-')}.log")


def in_one_box(number, todo, results):
    """Tries cells until there are none, or one went wrong: then the appliance is not to be trusted."""
    begin, name = time.monotonic(), "the appliance starts"
    with Box(build, f"faults{number}", wrapper) as box:
        try:
            box.start()
            box.learn()
            while True:
                cell = todo.get_nowait()
                begin, name = time.monotonic(), cell.name
                said = try_cell(box, cell)
                results.put(Result(name, time.monotonic() - begin, said))
        except queue.Empty:
            return
        except Exception as e:  # whatever went wrong is the result, and the next cell gets a new appliance
            keep_log(box, name)
            results.put(Result(name, time.monotonic() - begin, wrong=f"{type(e).__name__}: {e}"))


def work(number, todo, results):
    try:
        while not todo.empty():
            in_one_box(number, todo, results)
    except Exception as e:  # the laboratory itself
        results.put(Result("laboratory", 0, wrong=f"{type(e).__name__}: {e}"))
    results.put(None)


def all_results(chosen, jobs):
    todo, results = queue.Queue(), queue.Queue()
    for cell in chosen:
        todo.put(cell)
    for number in range(jobs):
        threading.Thread(target=work, args=(number, todo, results), daemon=True).start()
    while jobs:
        result = results.get()
        if result:
            yield result
        else:
            jobs -= 1


def tap(results):
    count = bad = 0
    for count, r in enumerate(results, 1):
        bad += bool(r.wrong)
        print(f"{'not ok' if r.wrong else 'ok'} {count} - {r.name}", flush=True)
        for line in (r.wrong or f"{r.seconds:.1f} s; {r.said}").splitlines():
            print("#", line, flush=True)
    print(f"1..{count}")
    return count and not bad


def summary(results):
    every = [{"name": r.name, "ok": not r.wrong, "seconds": round(r.seconds, 1), "said": r.wrong or r.said}
             for r in results]
    bad = [r for r in every if not r["ok"]]
    print(json.dumps({"tried": len(every), "wrong": len(bad), "cells": every}, indent=1))
    return every and not bad


need_root("bpf", "bpffs")
build, wrapper = sys.argv[1:3]
options = sys.argv[3:]
width = int(options.pop(options.index("--jobs") + 1)) if "--jobs" in options else 1
patterns = [o for o in options if not o.startswith("--")]
wanted = [c for c in (cells() if "--all" in options else selection())
          if not patterns or any(re.search(p, c.name) for p in patterns)]
sys.exit(0 if (summary if "--json" in options else tap)(all_results(wanted, min(width, len(wanted) or 1))) else 1)
