"""What the benchmarks share: an appliance that logs little, figures, medians.

Everything made is named orbb-NAME-PID and removed again, also when the run fails or is interrupted."""
import json
import os
import signal
import statistics
import subprocess  # noqa: F401  (for the benchmarks)
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "test", "lib"))
import appliance  # noqa: E402  (test/lib is no package)

run, Failed = appliance.run, appliance.Failed


class Bed(appliance.Appliance):
    """An orbitald in a namespace of its own."""

    def __init__(self, build, name, **kw):
        super().__init__(os.path.abspath(build), name, **kw)
        self.ns = f"orbb-{name}-{os.getpid()}"
        self.packages = [f"{self.build}/packages"]

    def command(self, *more):
        args = super().command(*more)
        args[args.index("--log-level") + 1] = "warning"
        args[args.index("--instance") + 1] = self.ns[5:].replace("-", "")[:16]
        return args

    def load(self, config, comment):
        """Puts config in place of everything there is and commits it."""
        path = f"{self.dir}/load.json"
        with open(path, "w") as f:
            json.dump(config, f)
        for left in (4, 3, 2, 1, 0):  # beside compilers, the check of many rules may take more than its 10 s
            self.ctl("config", "load", path, "--replace")
            if self.ctl("config", "commit", "--comment", comment, ok=not left).returncode == 0:
                return
            self.until(60, lambda: all(s["state"] == "Running" for s in self.json("show", "services")["services"]),
                       "every service runs again")


class Around:
    """The surroundings of an appliance: build_up() makes them, spaces are their namespaces."""

    spaces = ()

    def __enter__(self):
        try:
            self.build_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for ns in self.spaces:
            run("ip", "netns", "del", ns, check=False)


def need_root(name):
    if os.geteuid() != 0:
        sys.exit(f"bench {name}: needs root, for network namespaces")


def stop_cleanly():
    """SIGTERM and SIGHUP end a run as Ctrl-C does: with everything removed."""
    def interrupt(*_):
        raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, interrupt)


def median(values):
    return statistics.median(values)


P99_MIN = 100  # values; of fewer the 99th of a hundred would be the worst, and is called so


def percentile(values, percent):
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


def figure(name, value, unit, versus, ratio=None, least=None, most=None, values=None):
    """One entry of --json. least, most: the ratio's target; the one that is given decides whether more or less is better.
    values: what value is the median of; p99 is null where there are less than P99_MIN."""
    target = f">= {least:g}" if least else f"<= {most:g}" if most else None
    holds = None
    if ratio is not None and target:
        holds = ratio >= least if least else ratio <= most
    entry = {"name": name, "value": round(value, 3), "unit": unit, "versus": versus,
             "ratio": None if ratio is None else round(ratio, 3), "target": target, "holds": holds}
    if values:
        p99 = round(percentile(values, 99), 3) if len(values) >= P99_MIN else None
        entry.update({"values": len(values), "p50": round(median(values), 3), "p99": p99, "worst": round(max(values), 3)})
    return entry


def show(figures, notes, as_json):
    if as_json:
        print(json.dumps({"figures": figures}))
        return
    for f in figures:
        ratio = "" if f["ratio"] is None else f"{f['ratio']:8.3f}"
        word = "" if f["holds"] is None else "holds" if f["holds"] else "MISSED"
        print(f"{f['name']:58} {f['value']:10.4g} {f['unit']:8} {ratio:>8}  {f['target'] or '-':8} "
              f"{word:7} {f['versus'] or ''}".rstrip())
    for note in notes:
        print(note)
