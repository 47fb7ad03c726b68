"""BPF programs of others: what they refuse is IPv4 to one port. By bpf(2) itself, since tools that know tcx are rare."""
import ctypes
import os
import struct

import wire

libc = ctypes.CDLL(None, use_errno=True)
SYS_BPF = {"x86_64": 321, "aarch64": 280}.get(os.uname().machine)
PROG_LOAD, LINK_CREATE = 5, 28
SCHED_CLS, NETFILTER = 3, 32  # types of programs
TCX_INGRESS, TCX_EGRESS, AT_NETFILTER = 46, 47, 45
NEXT, DROP = -1, 2  # of tcx
FORWARD = 2  # NF_INET_FORWARD
GET_ROUTE_REALM = 24  # a helper
MOV_R6_R1, EXIT = (0xbf, 0x16, 0, 0), (0x95, 0, 0, 0)


def insn(code, registers, offset, value):
    return struct.pack("<BBhi", code, registers, offset, value)


def r0(value):
    return (0xb7, 0, 0, value)


def refuses(port):
    """At tcx: Ethernet, IPv4 without options, TCP or UDP to the port."""
    return [MOV_R6_R1, (0x28, 0, 0, 12), (0x55, 0, 6, 0x0800),  # the frame's type
            (0x30, 0, 0, 23), (0x15, 0, 1, wire.TCP), (0x55, 0, 3, wire.UDP),
            (0x28, 0, 0, 36), (0x55, 0, 1, port), (0x05, 0, 2, 0),
            r0(NEXT), EXIT, r0(DROP), EXIT]


def refuses_realm(realm):
    """At tcx egress: what a route of that realm leads here."""
    return [(0x85, 0, 0, GET_ROUTE_REALM), (0x15, 0, 2, realm), r0(NEXT), EXIT, r0(DROP), EXIT]


def bpf(command, attributes):
    data = ctypes.create_string_buffer(attributes, len(attributes))
    fd = libc.syscall(SYS_BPF, command, data, len(attributes))
    if fd < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return fd


def load(kind, code, attach):
    code = b"".join(insn(*i) for i in code)
    instructions, license_, log = (ctypes.create_string_buffer(x, len(x)) for x in (code, b"GPL\0", bytes(65536)))
    return bpf(PROG_LOAD, struct.pack("<IIQQIIQIIQ16sII", kind, len(code) // 8, *(ctypes.addressof(x) for x in (instructions, license_)),
                                      0, 0, 0, 0, 0, 0, b"others", 0, attach))


def attach(where, interface, port):
    """A descriptor that holds it; called in the router's namespace. where: in, out (port: what it refuses), realm (out,
    port: which it refuses), netfilter (all of IPv4)."""
    if where == "netfilter":
        program = load(NETFILTER, [r0(0), EXIT], AT_NETFILTER)
        link = struct.pack("<IIIIIIiI32s", program, 0, AT_NETFILTER, 0, 2, FORWARD, -10, 0, bytes(32))
    else:
        program = load(SCHED_CLS, refuses_realm(port) if where == "realm" else refuses(port), 0)
        link = struct.pack("<IIII48s", program, interface, TCX_INGRESS if where == "in" else TCX_EGRESS, 0, bytes(48))
    try:
        return bpf(LINK_CREATE, link)
    finally:
        os.close(program)
