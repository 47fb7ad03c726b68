#!/usr/bin/env python3
"""Faults of services, of the config service and of the host at each point of a commit (matrix.py);
cells.py describes the arguments."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cells  # noqa: E402
import matrix  # noqa: E402
from lab import Box, need_root  # noqa: E402

need_root("bpf", "bpffs")
build, wrapper = sys.argv[1:3]


def serve(session):
    """In one appliance, until there is no cell or one went wrong: then it is not to be trusted."""
    with Box(build, f"faults{session.number}", wrapper) as box:
        box.start()
        box.learn()

        def attempt(cell):
            try:
                return matrix.try_cell(box, cell)
            except Exception:
                cells.keep_log(box, cell.name)
                raise
        while session.try_next(attempt):
            pass


cells.main(matrix.cells(), matrix.selection(), serve)
