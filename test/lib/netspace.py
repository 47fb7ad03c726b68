"""Network namespaces of `ip netns`, entered by a thread: what it opens or starts meanwhile is in there, and no process of
`nsenter` or `ip` is needed for it, which is half of the cost of a short command."""
import contextlib
import os
import subprocess

import machine


@contextlib.contextmanager
def entered(name):
    """This thread is in the namespace, by its name or path, and comes back."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        there = os.open(os.path.join("/run/netns", name), os.O_RDONLY)
        try:
            machine.must(machine.libc.setns(there, machine.CLONE_NEWNET))
        finally:
            os.close(there)
        try:
            yield
        finally:
            machine.must(machine.libc.setns(own, machine.CLONE_NEWNET))
    finally:
        os.close(own)


def parted(command):
    """(namespace or None, the rest) of a command that begins with `nsenter --net=PATH [--]` or `ip netns exec NAME`."""
    if command[:1] == ["nsenter"] and command[1].startswith("--net=") and (command[2] == "--" or not command[2].startswith("-")):
        return command[1].removeprefix("--net="), command[3 if command[2] == "--" else 2:]
    if command[:3] == ["ip", "netns", "exec"]:
        return command[3], command[4:]
    return None, command


def run(command, **more):
    """subprocess.run() of a command that may begin with a namespace."""
    name, command = parted([str(word) for word in command])
    with entered(name) if name else contextlib.nullcontext():
        return subprocess.run(command, **more)
