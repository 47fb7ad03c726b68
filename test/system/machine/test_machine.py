#!/usr/bin/env python3
"""Where a container forbids Landlock and a writable /proc/sys, demo and tests report it at once."""
import os
import sys

lib = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib")
root = os.path.join(lib, "..", "..")
sys.path.insert(0, lib)
from appliance import Tap, expect, need_root, run  # noqa: E402


def contained(*command):
    return run(sys.executable, f"{lib}/container.py", *command, check=False)


def both_are_named(text):
    expect("Landlock" in text and "/proc/sys" in text, f"not named: {text}")


def the_demo_stops():
    done = contained("bash", f"{root}/tools/demo")
    expect(done.returncode == 77 and not done.stdout, f"status {done.returncode}: {done.stdout}")
    expect(done.stderr.count("\n") == 1, done.stderr)
    both_are_named(done.stderr)


def a_test_is_skipped():
    done = contained(sys.executable, f"{lib}/machine.py", "--for", "landlock,settings", "/bin/false")
    expect(done.returncode == 77 and done.stdout.startswith("1..0 # SKIP "), done.stdout)
    both_are_named(done.stdout)


def what_is_there_runs():
    done = contained(sys.executable, f"{lib}/machine.py", "--for", "namespaces", "/bin/echo", "ran")
    expect((done.returncode, done.stdout) == (0, "ran\n"), f"{done.returncode}: {done.stdout}{done.stderr}")


need_root()
tap = Tap()
tap.test("the demo stops with one sentence", the_demo_stops)
tap.test("a test is skipped with the reason", a_test_is_skipped)
tap.test("a test whose needs are met runs", what_is_there_runs)
tap.end()
