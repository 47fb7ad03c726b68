"""What the fast path enforces, read from its pinned maps: the zones of the interfaces and the
classifier of the policy in force (bpf/abi.h). Counts, seeds and generations are left out."""
import ctypes
import hashlib
import os
import platform
import struct

MAP_LOOKUP, MAP_NEXT_KEY, OBJ_GET, MAP_FD_BY_ID, INFO_BY_FD = 1, 4, 7, 14, 15
LINK_CREATE, LINK_DETACH = 28, 34
ATTACH_XDP = 37
NUMBER = {"x86_64": 321, "aarch64": 280, "riscv64": 280}.get(platform.machine())
HINTS = 40  # offset of struct classify_head
CONTROL, IFACE_KEY, IFACE = "=8I", "=II", "=B6sxHHI"
libc = ctypes.CDLL(None, use_errno=True)


def bpf(command, attributes):
    room = ctypes.create_string_buffer(attributes, 128)
    result = libc.syscall(NUMBER, command, room, 128)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def pinned(path):
    """A descriptor of a pinned map, program or link."""
    name = ctypes.create_string_buffer(path.encode())
    return bpf(OBJ_GET, struct.pack("=QII", ctypes.addressof(name), 0, 0))


class Map:
    def __init__(self, fd):
        self.fd = fd
        info = ctypes.create_string_buffer(256)
        bpf(INFO_BY_FD, struct.pack("=IIQ", fd, 256, ctypes.addressof(info)))
        self.key_size, self.value_size = struct.unpack_from("=II", info, 8)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)

    @classmethod
    def pinned(cls, path):
        return cls(pinned(path))

    def get(self, key):
        key = ctypes.create_string_buffer(key, self.key_size)
        value = ctypes.create_string_buffer(self.value_size)
        bpf(MAP_LOOKUP, struct.pack("=IIQQQ", self.fd, 0, ctypes.addressof(key), ctypes.addressof(value), 0))
        return value.raw

    def keys(self):
        key, following = None, ctypes.create_string_buffer(self.key_size)
        while True:
            try:
                bpf(MAP_NEXT_KEY, struct.pack("=IIQQ", self.fd, 0, ctypes.addressof(key) if key else 0,
                                              ctypes.addressof(following)))
            except FileNotFoundError:
                return
            yield following.raw
            key = ctypes.create_string_buffer(following.raw, self.key_size)


def enforced(where):
    """A text for the policy in force of the maps pinned below the directory where."""
    with Map.pinned(f"{where}/control") as control:
        _, _, enabled, _, slot = struct.unpack_from("=2I2HI", control.get(struct.pack("=I", 0)))
    zones = []
    with Map.pinned(f"{where}/ifaces") as ifaces:
        for key in ifaces.keys():
            index, policy = struct.unpack(IFACE_KEY, key)
            if policy == slot:
                zone, mac, port, redirect, _ = struct.unpack(IFACE, ifaces.get(key))
                zones.append(f"iface {index} zone {zone} mac {mac.hex()} port {port} redirect {redirect}")
    with Map.pinned(f"{where}/policies") as outer:
        number = struct.unpack("=I", outer.get(struct.pack("=I", slot)))[0]
    with Map(bpf(MAP_FD_BY_ID, struct.pack("=III", number, 0, 0))) as inner:
        blob = inner.get(struct.pack("=I", 0))
    size, hints = struct.unpack_from("=I", blob, 4)[0], struct.unpack_from("=I", blob, HINTS)[0]
    blob = blob[:HINTS] + bytes([hints != 0] * 4) + blob[HINTS + 4:size]  # which generation is left out
    return "\n".join([f"enabled {enabled}", *sorted(zones),
                      f"classifier {hashlib.sha256(blob).hexdigest()[:16]}"])


def detach(path):
    """Takes the program of a pinned link away; the pin stays."""
    name = ctypes.create_string_buffer(path.encode())
    fd = bpf(OBJ_GET, struct.pack("=QII", ctypes.addressof(name), 0, 0))
    try:
        bpf(LINK_DETACH, struct.pack("=I", fd))
    finally:
        os.close(fd)


def attach_xdp(program, ifindex):
    """A descriptor of a new link by which the program is attached to an interface, which ends with it. It is one of the network
    namespace this thread is in."""
    return bpf(LINK_CREATE, struct.pack("=IIII", program, ifindex, ATTACH_XDP, 0))
