#!/usr/bin/env python3
"""What `meson install` lays out works by itself: the daemon, the CLI, every package, the SDK."""
import json
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from appliance import Appliance, Tap, expect, need_root, run  # noqa: E402

need_root("bpf", "bpffs")
build, source = sys.argv[1], sys.argv[2]
tap = Tap()
shipped = sorted(os.listdir(f"{build}/packages"))


def staged(tree):
    files = [f"usr/lib/orbital/packages/{name}/{part}" for name in shipped
             for part in ("manifest.json", "schema.json", "README.md", f"lib/{name}.so")]
    files += ["usr/sbin/orbitald", "usr/bin/orbctl", "usr/include/orbital/orbital.h", "usr/include/orbital/error.h",
              "usr/share/pkgconfig/orbital.pc", "usr/lib/systemd/system/orbitald.service",
              "usr/share/man/man8/orbitald.8", "usr/share/man/man1/orbctl.1",
              "usr/share/doc/orbital/configuration-reference.md"]
    missing = [f for f in files if not os.path.isfile(f"{tree}/{f}")]
    expect(not missing, f"not installed: {missing}")
    for d, _, names in os.walk(tree):
        for path in (d, *(f"{d}/{n}" for n in names)):
            mode = os.stat(path).st_mode
            expect(mode & 0o444 == 0o444 and not mode & 0o022, f"{path} has mode {mode:o}")


def nothing_of_the_build_tree(tree):
    for path in (f"{tree}/usr/sbin/orbitald", f"{tree}/usr/bin/orbctl",
                 *(f"{tree}/usr/lib/orbital/packages/{n}/lib/{n}.so" for n in shipped)):
        dynamic = run("readelf", "-d", path).stdout
        expect("RPATH" not in dynamic and "RUNPATH" not in dynamic, f"{path} looks for libraries in places of its own")


def out_of_tree(tree, work):
    """acme-probe as a third party builds it: with pkg-config alone."""
    env = {**os.environ, "PKG_CONFIG_PATH": f"{tree}/usr/share/pkgconfig"}
    flags = run("pkg-config", "--cflags", "orbital", env=env).stdout
    expect(tree in os.path.realpath(flags.split()[0].removeprefix("-I")), f"flags {flags}")
    run("meson", "setup", f"{work}/probe", f"{source}/subprojects/acme-probe", env=env)
    run("ninja", "-C", f"{work}/probe")
    os.makedirs(f"{work}/third-party/acme-probe/lib")
    shutil.copy(f"{work}/probe/acme-probe.so", f"{work}/third-party/acme-probe/lib/")
    for part in ("manifest.json", "schema.json", "README.md"):
        shutil.copy(f"{source}/subprojects/acme-probe/{part}", f"{work}/third-party/acme-probe/")
    checked = run(f"{tree}/usr/sbin/orbitald", "--check-package", f"{work}/third-party/acme-probe").stdout
    expect("fine" in checked, checked)


def starts(box):
    box.start()
    services = {s["name"]: s for s in box.json("show", "services")["services"]}
    for name in shipped:
        expect(name in services, f"{name} is not known")
        manifest = json.load(open(f"{build}/packages/{name}/manifest.json"))
        expected = "Running" if manifest.get("enabled", True) else "Disabled"
        expect(services[name]["state"] == expected, f"{services[name]}")


def runs_the_probe(box):
    box.ctl("config", "set", "services", "acme-probe", "enabled", "true")
    box.ctl("config", "set", "services", "acme-probe", "grants", '["config.read:/acme-probe"]')
    box.ctl("config", "commit")
    box.until(10, lambda: box.service("acme-probe")["state"] == "Running", "acme-probe runs")
    box.ctl("config", "set", "acme-probe", "greeting", "installed")
    box.ctl("config", "commit")
    expect(box.call("acme-probe", "status")["greeting"] == "installed", "the commit did not reach it")


with tempfile.TemporaryDirectory(prefix=f"orbt-install-{os.getpid()}.") as work:
    os.chmod(work, 0o755)
    tree = f"{work}/tree"
    run("meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", tree)
    tap.test("every file is installed, readable by all, writable by root", staged, tree)
    tap.test("nothing looks for libraries in the build tree", nothing_of_the_build_tree, tree)
    tap.test("a third party builds its package with pkg-config alone", out_of_tree, tree, work)
    # a directory that looks like a build tree, of what was installed
    os.mkdir(f"{work}/view")
    for name, target in (("orbitald", f"{tree}/usr/sbin/orbitald"), ("orbctl", f"{tree}/usr/bin/orbctl"),
                         ("packages", f"{tree}/usr/lib/orbital/packages"), ("third-party", f"{work}/third-party")):
        os.symlink(target, f"{work}/view/{name}")
    with Appliance(f"{work}/view", "install", dataplane=True) as box:
        tap.test("the installed daemon becomes operational with every package", starts, box)
        tap.test("the package of the third party runs in it", runs_the_probe, box)
tap.end()
