#!/usr/bin/env python3
"""container.py COMMAND... - runs COMMAND where Landlock is forbidden and /proc/sys is read-only, as in
plain systemd-nspawn and Docker: shows on any machine (as root) what tests and demo print there."""
import ctypes
import os
import struct
import sys

import machine
from machine import libc, must

MS_RDONLY, MS_REMOUNT, MS_BIND = 1, 32, 4096
PR_SET_SECCOMP, MODE_FILTER = 22, 2
LOAD_NUMBER, IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERRNO_EPERM = 0x7FFF0000, 0x00050001


def forbid(number):
    """From here on the system call fails with EPERM, in children as well."""
    lines = [(LOAD_NUMBER, 0, 0, 0), (IF_EQUAL, 0, 1, number), (RETURN, 0, 0, ERRNO_EPERM),
             (RETURN, 0, 0, ALLOW)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in lines))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(lines), ctypes.addressof(code)))
    must(libc.prctl(PR_SET_SECCOMP, MODE_FILTER, program, 0, 0))


must(libc.unshare(machine.CLONE_NEWNS))
must(libc.mount(b"none", b"/", None, machine.MS_REC | machine.MS_PRIVATE, None))
must(libc.mount(b"/proc/sys", b"/proc/sys", None, MS_BIND, None))
must(libc.mount(b"none", b"/proc/sys", None, MS_REMOUNT | MS_BIND | MS_RDONLY, None))
forbid(machine.LANDLOCK_CREATE_RULESET)
os.execvp(sys.argv[1], sys.argv[1:])
