"""Runs the cells of a matrix, several at once, and shows what came out.

    PROGRAM BUILD WRAPPER [--all] [--jobs N] [--json] [PATTERN]...

Without --all a selection. PATTERN: only cells in whose name it is found. --json: a summary as JSON
instead of TAP. FAULTS_LOG names a directory for the daemon's logs of cells that went wrong."""
import json
import os
import queue
import re
import shutil
import sys
import threading
import time


class Result:
    def __init__(self, name, seconds, shown="", wrong=""):
        self.name, self.seconds, self.shown, self.wrong = name, seconds, shown, wrong


class Session:
    """The data of one thread of the run: its number, its cells, and the results."""

    def __init__(self, number, todo, results):
        self.number, self.todo, self.results = number, todo, results

    def try_next(self, attempt):
        """attempt(cell) returns a remark or raises. False: there is no cell. The exception is passed on."""
        try:
            cell = self.todo.get_nowait()
        except queue.Empty:
            return False
        begin = time.monotonic()
        try:
            shown = attempt(cell)
        except Exception as e:
            self.results.put(Result(cell.name, time.monotonic() - begin, wrong=f"{type(e).__name__}: {e}"))
            raise
        self.results.put(Result(cell.name, time.monotonic() - begin, shown))
        return True


def keep_log(box, name):
    where = os.environ.get("FAULTS_LOG")
    if where:
        os.makedirs(where, exist_ok=True)
        shutil.copy(f"{box.dir}/log", f"{where}/{name.replace(' ', '-')}.log")


def work(session, serve):
    """serve(session) tries cells until there are none, or one went wrong; then it is called again."""
    while not session.todo.empty():
        left = session.todo.qsize()
        try:
            serve(session)
        except Exception as e:
            if session.todo.qsize() == left:  # no cell was taken: the laboratory itself does not work
                session.results.put(Result("laboratory", 0, wrong=f"{type(e).__name__}: {e}"))
                break
    session.results.put(None)


def all_results(chosen, jobs, serve):
    todo, results = queue.Queue(), queue.Queue()
    for cell in chosen:
        todo.put(cell)
    for number in range(jobs):
        threading.Thread(target=work, args=(Session(number, todo, results), serve), daemon=True).start()
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
        for line in (r.wrong or f"{r.seconds:.1f} s; {r.shown}").splitlines():
            print("#", line, flush=True)
    print(f"1..{count}")
    return count and not bad


def summary(results):
    every = [{"name": r.name, "ok": not r.wrong, "seconds": round(r.seconds, 1), "shown": r.wrong or r.shown}
             for r in results]
    bad = [r for r in every if not r["ok"]]
    print(json.dumps({"tried": len(every), "wrong": len(bad), "cells": every}, indent=1))
    return every and not bad


def main(every, some, serve):
    """Ends the program. The arguments behind BUILD and WRAPPER are read here."""
    options = sys.argv[3:]
    jobs = int(options.pop(options.index("--jobs") + 1)) if "--jobs" in options else 1
    patterns = [o for o in options if not o.startswith("--")]
    chosen = [c for c in (every if "--all" in options else some)
              if not patterns or any(re.search(p, c.name) for p in patterns)]
    if not chosen:
        print("1..0 # SKIP no cell of this part has a name in which that is found")
        sys.exit(77)
    show = summary if "--json" in options else tap
    sys.exit(0 if show(all_results(chosen, max(1, min(jobs, len(chosen))), serve)) else 1)
