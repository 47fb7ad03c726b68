"""iptables' old tables, whose program may not be here: the policy of FORWARD, by the kernel's own interface."""

LEGACY = """
import ctypes
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
libc = ctypes.CDLL(None, use_errno=True)
def get(option, data):
    b = ctypes.create_string_buffer(data, len(data)); n = ctypes.c_uint(len(data))
    if libc.getsockopt(s.fileno(), 0, option, b, ctypes.byref(n)): raise OSError(ctypes.get_errno(), "getsockopt")
    return bytearray(b.raw)
info = get(64, b"filter".ljust(84, b"\\0"))
hooks, *rest = struct.unpack("I5I5III", info[32:84])
entry, under, count, size = rest[:5], rest[5:10], rest[10], rest[11]
table = get(65, b"filter".ljust(32, b"\\0") + struct.pack("Q", size) + bytes(size))[40:]
at = under[2] + struct.unpack_from("H", table, under[2] + 88)[0] + 32
struct.pack_into("i", table, at, -1 if sys.argv[1] == "DROP" else -2)
counters = ctypes.create_string_buffer(16 * count)
replace = b"filter".ljust(32, b"\\0") + struct.pack("III5I5II", hooks, count, size, *entry, *under, count)
replace = replace.ljust(88, b"\\0") + struct.pack("Q", ctypes.addressof(counters)) + bytes(table)
if libc.setsockopt(s.fileno(), 0, 64, replace, len(replace)): raise OSError(ctypes.get_errno(), "setsockopt")
"""


def forward(lab, policy):
    lab.python(lab.router, LEGACY, policy)


def missing(lab):
    """Reports it where the kernel has none."""
    try:
        forward(lab, "ACCEPT")
        return False
    except RuntimeError:
        print("# skipped: this kernel has no old iptables")
        return True
