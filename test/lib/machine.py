#!/usr/bin/env python3
"""What a machine must give before tests and demo can show anything; containers often do not.

    machine.py [NEED]...                  one sentence for each NEED that is not there; then status 1
    machine.py --for NEED,... PROGRAM...  runs a test program, or skips it (77) with the reason

Each need is tried in a child, by itself and without the product: a fault of the product is never
mistaken for a machine that lacks something. NEED is a key of NEEDS; without any, all of them."""
import ctypes
import errno
import os
import platform
import signal
import struct
import subprocess
import sys
import tempfile

SKIP = 77
LANDLOCK_CREATE_RULESET, LANDLOCK_VERSION = 444, 1
BPF_MAP_CREATE, BPF_MAP_TYPE_ARRAY = 0, 2
CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
libc = ctypes.CDLL(None, use_errno=True)


def must(result):
    """A result of libc; below 0 it is the errno's exception."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def patient(seconds):
    """A deadline is what a quiet machine needs with room to spare; a busy or small one takes several times as long. Only
    a run that is red waits for it."""
    return max(seconds, min(8 * seconds, 120))


def root():
    if os.geteuid():
        raise OSError(errno.EPERM, "you are not root")


def namespaces():
    must(libc.unshare(CLONE_NEWNS | CLONE_NEWNET))
    must(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))


def landlock():
    must(libc.syscall(LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), LANDLOCK_VERSION))


def settings():
    """The network's settings of an own namespace can be written."""
    must(libc.unshare(CLONE_NEWNET))
    with open("/proc/sys/net/ipv4/ip_forward", "r+") as f:
        f.write("1\n")


def bpf_call():
    number = {"x86_64": 321, "aarch64": 280, "riscv64": 280}.get(platform.machine())
    if number is None:
        raise OSError(errno.ENOSYS, f"bpf(2) of {platform.machine()} is not known here")
    attributes = ctypes.create_string_buffer(struct.pack("=IIII", BPF_MAP_TYPE_ARRAY, 4, 4, 1), 128)
    must(libc.syscall(number, BPF_MAP_CREATE, attributes, 128))


def bpffs():
    namespaces()
    with tempfile.TemporaryDirectory(prefix="orbt-machine-", dir="/run") as where:
        must(libc.mount(b"bpf", where.encode(), b"bpf", 0, None))
        must(libc.umount2(where.encode(), 2))


NEEDS = {
    "root": (root, "root: run it with sudo"),
    "namespaces": (namespaces, "mount and network namespaces of its own (CAP_SYS_ADMIN)"),
    "landlock": (landlock, "Landlock, which the sandbox of packages needs: the kernel has it since "
                 "5.13, containers often forbid it (seccomp)"),
    "settings": (settings, "a writable /proc/sys/net; containers often have it read-only"),
    "bpf": (bpf_call, "bpf(2), which the fast path is made with (CAP_BPF)"),
    "bpffs": (bpffs, "mounting a bpf file system"),
}


def given(try_it):
    """Runs try_it in a child. Returns "" or why it did not work."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            try_it()
        except OSError as e:
            os.write(writer, (e.strerror or str(e)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as f:
        why = f.read().decode()
    os.waitpid(pid, 0)
    return why


def lacks(*needs):
    """Sentences about what of needs (all, when none is named) this machine does not give."""
    found = []
    for name in needs or NEEDS:
        try_it, what = NEEDS[name]
        why = given(try_it)
        if why:
            found.append(f"this machine does not give {what} ({why})")
        if why and name == "root":
            break  # all else follows from it
    return found


# What a test made carries its process id: orbt-NAME-PID or orbt-PID, and more behind it.
CLEAR = """pid=$1
for ns in $(ip netns list | cut -d' ' -f1 | grep -E "^orbt-(.*-)?$pid(-|\\$)"); do
    for inside in $(ip netns pids "$ns"); do kill -9 "$inside"; done
    ip netns del "$ns"
done
for dir in $(ls -d /run/orbt-*-"$pid".* | grep -E "^/run/orbt-.*-$pid\\.[^/]*\\$"); do
    umount "$dir/bpf"
    rm -rf --one-file-system "$dir"
done
if [ -d /run/orbt-"$pid" ]; then
    umount /run/orbt-"$pid"/bpf
    rm -rf --one-file-system /run/orbt-"$pid"
fi
"""


def clear_away(number, frame):
    """Who ends a test that takes too long waits half a second, then kills it: another process clears away."""
    signal.signal(number, signal.SIG_IGN)
    subprocess.Popen(["sh", "-c", CLEAR, "sh", str(os.getpid())], start_new_session=True,
                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    sys.exit(128 + number)


def need(*needs):
    """Ends the test as skipped, with the reason, when something is not there. What the test makes is
    cleared away also when it is ended by a signal."""
    signal.signal(signal.SIGTERM, clear_away)
    found = lacks("root", *needs)
    if found:
        print("1..0 # SKIP " + "; ".join(found), flush=True)
        sys.exit(SKIP)


if __name__ == "__main__":
    run_it = sys.argv[1:2] == ["--for"]
    wanted = sys.argv[2].split(",") if run_it else sys.argv[1:]
    unknown = [n for n in wanted if n not in NEEDS]
    if unknown:
        print(f"machine: unknown need \"{unknown[0]}\"; expected one of {', '.join(NEEDS)}", file=sys.stderr)
        sys.exit(2)
    if run_it:
        need(*wanted)
        os.execv(sys.argv[3], sys.argv[3:])
    missing = lacks(*wanted)
    print("".join(f"{sentence}\n" for sentence in missing), end="")
    sys.exit(1 if missing else 0)
