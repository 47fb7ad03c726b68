#!/usr/bin/env python3
"""The small files of the daemon beside the configuration: each is damaged, is of another kind, belongs to another user, or
its disk fails, before a start and while the daemon runs. The daemon continues with the whole
configuration, health names the file, and no longer does once it was repaired."""
import errno
import os
import shutil
import signal
import stat
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib"))
from appliance import Appliance, Tap, expect, need_root, run  # noqa: E402

need_root()
build, shim = sys.argv[1:3]
ADDRESS, OTHER = "10.9.0.1/24", "10.9.0.2/24"


class Box(Appliance):
    def __init__(self, name, dataplane=False):
        super().__init__(build, name, links=[("lan0", "far0")], dataplane=dataplane)

    def fail(self, pattern, number=errno.EIO, how="rw"):
        with open(f"{self.dir}/fault.new", "w") as f:
            f.write(f"{pattern} {number} {how}")
        os.rename(f"{self.dir}/fault.new", f"{self.dir}/fault")

    def mend(self):
        if os.path.exists(f"{self.dir}/fault"):
            os.unlink(f"{self.dir}/fault")

    def begin(self):
        self.start(env={"LD_PRELOAD": shim, "ORBT_DISK_FAULT": f"{self.dir}/fault"})

    def commit(self, value, leaf="addresses"):
        if leaf == "addresses":
            self.ctl("config", "delete", "interfaces", "lan0", "addresses", ok=False)
        self.ctl("config", "set", "interfaces", "lan0", leaf, value)
        self.ctl("config", "commit")

    def works(self, address):
        self.until(20, lambda: address in run(*self.inside("ip", "-o", "addr", "show", "lan0")).stdout, f"{address} is there")
        expect(self.daemon.poll() is None, "the daemon ended")

    def health(self):
        return self.ctl("show", "health", ok=False).stdout

    def told(self, word):
        self.until(20, lambda: word in self.health(), f"health names {word}")

    def forgotten(self, word):
        self.until(20, lambda: word not in self.health(), f"health no longer names {word}")


def as_directory(path):
    os.mkdir(path)


def as_fifo(path):
    os.mkfifo(path)


def as_link(path):
    os.symlink("/nonexistent/anywhere", path)


def as_garbage(path):
    open(path, "wb").write(b"\xff\x00 no such thing \n\n")


def as_half(path):
    open(path, "w").write(open(f"{path}.whole").read()[:20])


def as_foreign(path):
    shutil.copy(f"{path}.whole", path)
    os.chown(path, 4711, 4711)


def as_open(path):
    shutil.copy(f"{path}.whole", path)
    os.chmod(path, 0o666)


def spoil(path, how):
    """What was there is kept beside it."""
    if os.path.isdir(path):
        os.rename(path, f"{path}.kept")
    else:
        if not os.path.exists(path):
            open(path, "w").write("12345678901234567890123456789012345678901234567890\n")
        os.rename(path, f"{path}.whole")
    how(path)


def unspoil(path):
    if os.path.isdir(path) and not os.path.islink(path):
        os.rmdir(path)
    elif os.path.lexists(path):
        os.unlink(path)
    if os.path.exists(f"{path}.kept"):
        os.rename(f"{path}.kept", path)
    elif os.path.exists(f"{path}.whole"):
        os.unlink(f"{path}.whole")


FILES = (as_directory, as_fifo, as_link, as_garbage, as_half, as_foreign, as_open)
NOTES = [
    ("state/good-revision", FILES),
    ("state/found-settings", (as_directory, as_fifo, as_link, as_foreign, as_open)),
    ("state/table-digest", (as_directory, as_fifo, as_link, as_foreign)),
    ("state/uids", (as_directory, as_fifo, as_link, as_foreign)),
    ("state/crashes", (as_fifo, as_link, as_open)),
    ("run/enforced", FILES),
    ("run/starts", (as_directory, as_fifo, as_foreign)),
    ("state/log.jsonl", (as_directory, as_fifo)),
]
BY_CONTENT = (as_garbage, as_half)


def was_replaced(path):
    """The daemon has written it anew: nothing is wrong any more."""
    st = os.lstat(path) if os.path.lexists(path) else None
    return not st or stat.S_ISREG(st.st_mode) and st.st_uid == 0 and not st.st_mode & 0o022


def at_start(where, how):
    with Box("notes") as box:
        box.begin()
        box.commit(ADDRESS)
        box.kill()
        path, name = f"{box.dir}/{where}", os.path.basename(where)
        spoil(path, how)
        box.begin()
        box.works(ADDRESS)
        if name == "good-revision" or how not in BY_CONTENT and not was_replaced(path):
            box.told(name)
        box.commit(OTHER)
        box.works(OTHER)
        unspoil(path)
        box.kill()
        box.begin()
        box.works(OTHER)
        box.forgotten(name)


def while_it_runs(where, how):
    with Box("notes") as box:
        box.begin()
        box.commit(ADDRESS)
        path, name = f"{box.dir}/{where}", os.path.basename(where)
        spoil(path, how)
        if how not in BY_CONTENT:
            box.told(name)
        box.commit(OTHER)
        box.works(OTHER)
        unspoil(path)
        box.commit("1400", "mtu")
        box.forgotten(name)


def disk_fails(name, number):
    """The file cannot be read nor written, at start and then under the running daemon."""
    with Box("notesio") as box:
        box.begin()
        box.commit(ADDRESS)
        box.kill()
        box.fail(name, number)
        box.begin()
        box.works(ADDRESS)
        box.told(name)
        box.commit(OTHER)
        box.works(OTHER)
        box.mend()
        if name == "starts":
            box.kill(signal.SIGTERM)
            box.begin()
        box.commit(ADDRESS)
        box.works(ADDRESS)
        box.forgotten(name)


def each(what, rows):
    wrong = []
    for row in rows:
        try:
            what(*row)
        except Exception as e:  # all rows are reported
            wrong.append(f"{row[0]} {getattr(row[1], '__name__', row[1])}: {e}")
    expect(not wrong, "\n".join(wrong))


def rows():
    return [(where, how) for where, hows in NOTES for how in hows]


tap = Tap()
picked = rows() if "--all" in sys.argv else rows()[::6]
tap.test("at start", each, at_start, picked)
tap.test("while the daemon runs", each, while_it_runs, rows() if "--all" in sys.argv else rows()[3::8] + rows()[-1:])
tap.test("a disk that fails", each, disk_fails, [("enforced", errno.EIO), ("starts", errno.EACCES)])
tap.end()
