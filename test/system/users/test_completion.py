"""test_completion.py BUILD - Tab in real shells: bash in a terminal, zsh and fish where they are installed, with a real appliance behind:
commands, options, places segment by segment, names and values that there are, bounded, and silent when there is no answer."""
import json
import os
import pty
import re
import select
import shutil
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "lib"), os.path.join(HERE, "..", "net")]
import machine  # noqa: E402
from appliance import Appliance, Failed, Tap, expect, need_root, run  # noqa: E402
from expressions import TABLE, TREE  # noqa: E402

BUILD = os.path.abspath(sys.argv[1])
MORE = "… more; type the beginning of the name"
PATIENT = str(int(machine.patient(10)))  # seconds for an answer, where a user's shell waits one
FILES = os.path.join(HERE, "..", "..", "..", "cli", "completions")


def environment(box):
    return {**os.environ, "ORBITAL_SOCKET": f"{box.dir}/run/control.sock", "PATH": f"{box.dir}/patient:{os.environ['PATH']}", "TERM": "dumb", "LC_ALL": "C.UTF-8"}


def patient(box):
    """orbctl as the shells find it: on a busy machine a second is not enough for an answer."""
    os.mkdir(f"{box.dir}/patient")
    with open(f"{box.dir}/patient/orbctl", "w", encoding="ascii") as f:
        f.write(f'#!/bin/sh\nexec {BUILD}/orbctl --wait {PATIENT} "$@"\n')
    os.chmod(f"{box.dir}/patient/orbctl", 0o755)


def lines(box, *words, user=None):
    """What orbctl offers: {candidate: description}, and the hint. It never fails and complains about nothing."""
    args = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
    done = run(*args, f"{BUILD}/orbctl", "--wait", PATIENT, "complete", "--", *words, env=environment(box))
    expect(done.returncode == 0 and not done.stderr, f"{words}: {done}")
    found = [line.split("\t", 1) for line in done.stdout.splitlines()]
    return {w: h for w, h in found if w}, "\n".join(h for w, h in found if not w)


def offered(box, line, *wanted, hint=""):
    found, reply = lines(box, *line.split(" "))
    expect(set(wanted) <= set(found), f"{line}: {list(found)} lacks {set(wanted) - set(found)}")
    expect(hint in reply, f"{line}: the hint is {reply}")
    return found


# ---- what is offered ----

def grammar(box):
    found = offered(box, "", "show", "config", "service", "token", "logs")
    expect("complete" not in found and found["logs"], f"{found}")
    offered(box, "config ", "set", "delete", "commit", "history")
    expect(set(offered(box, "config se")) == {"set"}, "only what begins so")
    expect(set(offered(box, "config commit --c")) == {"--confirm", "--comment"}, "options")
    expect(set(offered(box, "config commit --comment x --c")) == {"--confirm"}, "an option is not offered twice")
    offered(box, "config show --format ", "tree", "set", "json")
    offered(box, "config show --format=s", "--format=set")
    offered(box, "logs --level ", "debug", "warning")
    offered(box, "token create x ", "viewer", "admin")
    offered(box, "help conf", "config")
    expect(not lines(box, "config", "show", "--", "--f")[0], "behind -- there are no options")
    offered(box, "config load /etc/hostna", "/etc/hostname")


def live(box):
    expect(offered(box, "service restart ", "firewall", "config")["firewall"] == "Running", "with its state")
    offered(box, "config rollback ", "0")
    offered(box, "config show --revision ", "1")
    offered(box, "ipc call host ", "services", "version")
    offered(box, "ipc watch config ", "committed")
    offered(box, "--wait 3 --json ipc describe fire", "firewall")
    box.ctl("token", "create", "grafana", "metrics")
    expect(offered(box, "token revoke ", "grafana")["grafana"] == "metrics", "with its role")


def places(box):
    offered(box, "config set /fire", "/firewall/")
    offered(box, "config set /firewall/ru", "/firewall/rules/")
    offered(box, "config set /firewall/rules/1", "/firewall/rules/10/", "/firewall/rules/18/")
    offered(box, "config set /firewall/rules/10/", "/firewall/rules/10/action", "/firewall/rules/10/limit/")
    offered(box, "config set /routing/static/10.2", "/routing/static/10.20.0.0~116/")
    offered(box, "config set /firewall/rules/10/action ", "accept", "drop", "reject")
    offered(box, "config set fire", "firewall")
    offered(box, "config set firewall rules ", "10", "24")
    offered(box, "config set firewall rules 10 ", "action", "from", "limit")
    offered(box, "config set firewall rules 10 action re", "reject")
    offered(box, "config set routing static 10.20", "10.20.0.0/16")
    expect(set(offered(box, "config delete /firewall/rules/21/")) == {f"/firewall/rules/21/{w}" for w in ("from", "action", "reject-with")},
           "only what is there is deleted")
    expect(json.loads(box.ctl("config", "show", "/firewall/zones/", "--format", "json").stdout).keys() == {"lan", "wan", "far"}, "a path ends in a slash")


def references(box):
    found = offered(box, "config set firewall rules 10 from ", "local", "lan", "wan", "far", "!", hint="zone")
    expect("!lan" not in found, "others once ! is typed")
    offered(box, "config set firewall rules 10 from !", "!lan", "!local")
    offered(box, "config set firewall zones lan interfaces ", "lan0", "wan0")
    offered(box, "config set firewall rules 10 source @", "@friends")
    expect("@web" not in offered(box, "config set firewall rules 10 source @"), "a group of ports")
    found = offered(box, "config set firewall rules 10 destination-ports ", "https", "ssh", "@web")
    expect("@friends" not in found, "a group of addresses")
    offered(box, "config set firewall rules 10 destination-ports !ht", "!http", "!https")
    offered(box, "config set routing policy 20 table ", "guests")
    expect(offered(box, "config set firewall rules 10 log ", "true", "false")["false"] == "default", "the default")


def expression(box, what, pointer, wanted):
    """Every expression of the firewall: among the candidates, or in the hint where there are too many."""
    found, hint = lines(box, "config", "set", pointer, "")
    more, _ = lines(box, "config", "set", pointer, "!")
    last, parent = pointer.rsplit("/", 1)[1], pointer.rsplit("/", 1)[0]
    under, _ = lines(box, "config", "set", pointer)
    expect({pointer, f"{pointer}/"} & set(under) or last.isdigit(), f"{parent} does not offer {last}: {list(under)}")
    if not hint and not found:
        found, hint = lines(box, "config", "set", f"{pointer}/")
    words = {"boolean": "true", "integer": "number", "cidr": "prefix length"}
    text = " ".join([*found, *more, hint])
    for word in wanted:
        expect(words.get(word, word) in text, f"{what}: {pointer} does not offer {word}: {text}")


def maps(box):
    """A new name is possible wherever one is written: the hint reports which, beside the names that there are."""
    offered(box, "config set firewall notrack ", "10", hint="a number from 1")
    offered(box, "config set /firewall/notrack/", "/firewall/notrack/10/", hint="a number from 1")
    offered(box, "config set routing policy ", "20", hint="a number from 1")
    offered(box, "config set routing static 0.0.0.0/0 next-hops ", "192.0.2.1", hint="an address, or ADDRESS%INTERFACE")
    offered(box, "config set routing static 10.99.0.0/16 next-hops ", hint="an address, or ADDRESS%INTERFACE")
    for verb in ("show", "delete"):
        expect(not lines(box, "config", verb, "firewall", "notrack", "")[1], f"{verb} takes no new name")


def elements(box):
    """delete takes one value out of a list."""
    for path in ("firewall groups friends addresses", "/firewall/groups/friends/addresses"):
        found = offered(box, f"config delete {path} ", "10.1.0.0/24", "2001:db8:1::/64")
        expect(len(found) == 2, f"{list(found)}")
        expect(set(offered(box, f"config delete {path} 10")) == {"10.1.0.0/24"}, "those that begin so")
        expect(not lines(box, "config", "delete", *path.split(), "10.1.0.0/24", "")[0], "nothing behind it")
    expect(set(offered(box, "config delete firewall rules 10 destination-ports ")) == {"domain", "@web", "8080"}, "numbers, too")
    expect(set(offered(box, "config delete firewall rules 11 destination-ports ")) == {"!ssh"}, "a single one")
    expect("10.1.0.0/24" not in lines(box, "config", "show", "firewall", "groups", "friends", "addresses", "")[0], "show takes none")
    expect(not lines(box, "config", "set", "//")[0], "no member has an empty name")


# ---- who, and how much ----

def roles(box):
    os.chmod(f"{box.dir}/run/control.sock", 0o666)
    expect(not lines(box, "token", "revoke", "", user=65534)[0], "a viewer reads no tokens")
    expect("firewall" in lines(box, "service", "restart", "", user=65534)[0], "but the services")


def with_secrets(box):
    """The example package with two secrets more."""
    shutil.copytree(f"{BUILD}/third-party", f"{box.dir}/third-party", symlinks=False)
    box.packages = [f"{BUILD}/packages", f"{box.dir}/third-party"]
    path = f"{box.dir}/third-party/acme-probe/schema.json"
    with open(path) as f:
        schema = json.load(f)
    schema["config"]["properties"].update({
        "key": {"type": "string", "x-orb-secret": True, "default": "hunter1", "description": "how it is known"},
        "vault": {"type": "object", "x-orb-secret": True, "description": "keys by name", "additionalProperties": {"type": "string"}}})
    with open(path, "w") as f:
        json.dump(schema, f)


def secrets(box):
    box.ctl("config", "set", "acme-probe", "key", "hunter2")
    box.ctl("config", "set", "acme-probe", "vault", "hunter3", "hunter4")
    box.ctl("config", "set", "acme-probe", "greeting", "hello")
    offered(box, "config set acme-probe ", "key", "vault", "greeting")
    everything = [lines(box, "config", verb, *words, "") for verb in ("set", "delete", "show")
                  for words in (["acme-probe"], ["acme-probe", "key"], ["acme-probe", "vault"], ["acme-probe", "vault", "hunter3"])]
    everything += [lines(box, "config", "set", f"/acme-probe/{rest}") for rest in ("", "vault/", "vault/h", "key/")]
    everything += [lines(box, "config", "set", f"/acme-probe/{rest}", "") for rest in ("vault", "key", "vault/hunter3")]
    expect("hunter" not in str(everything), f"{everything}")
    expect("how it is known" in str(everything), "the hint")
    box.ctl("config", "discard")


def many(box):
    rules = {str(n): {"action": "accept", "from": "lan"} for n in range(1, 3001)}
    with open(f"{box.dir}/many.json", "w") as f:
        json.dump({**TREE, "firewall": {**TREE["firewall"], "rules": rules}}, f)
    box.ctl("config", "load", f"{box.dir}/many.json", "--replace")
    found, reply = lines(box, "config", "set", "firewall", "rules", "")
    expect(len(found) == 500 and reply.endswith(MORE), f"at most 500, and that there are more: {reply}")
    found = lines(box, "config", "set", "/firewall/rules/299")[0]
    expect(set(found) == {f"/firewall/rules/{n}/" for n in (299, *range(2990, 3000))}, f"those that begin so: {list(found)}")
    expect(MORE not in lines(box, "config", "set", "/firewall/rules/299")[1], "these are all")
    box.ctl("config", "discard")


def cut(box):
    """A part that only those have in common which were not cut is not inserted; what represents others comes before them."""
    groups = {f"g{n:04d}": {"addresses": ["10.0.0.1"]} for n in range(900)}
    rules = {str(n): {"action": "accept", "from": "lan"} for n in range(1000, 4000)}
    with open(f"{box.dir}/cut.json", "w") as f:
        json.dump({**TREE, "firewall": {**TREE["firewall"], "groups": groups, "rules": rules}}, f)
    box.ctl("config", "load", f"{box.dir}/cut.json", "--replace")
    source = "config set firewall rules 1000 source "
    expect(list(offered(box, source, hint=MORE))[:2] == ["!", "@"], f"{list(offered(box, source))[:9]}")
    expect(list(offered(box, source + "!", hint=MORE))[0] == "!@", f"{list(offered(box, source + '!'))[:9]}")
    os.mkdir(f"{box.dir}/files")
    for n in range(600):
        open(f"{box.dir}/files/f{n:03d}", "w").close()
    offered(box, f"config load {box.dir}/files/", hint=MORE)
    for shell in (in_bash, in_zsh):
        shell(box, [(line + "\t", line) for line in (
            "orbctl config set firewall rules ", "orbctl config set /firewall/rules/", f"orbctl {source}", f"orbctl {source}'@", f"orbctl {source}@",
            "orbctl config load files/")] + [(f"orbctl {source}@g089\t", f"orbctl {source}@g089"), (f"orbctl {source}@g0899\t", f"orbctl {source}@g0899 ")])
    box.ctl("config", "discard")


def hostile(box):
    folder = f"{box.dir}/odd"
    os.mkdir(folder)
    for name in ("plain", "a\x1b]0;title\x07b", "new\nline", "tab\tbed", "with blank", "quote'd", "$(id)"):
        open(os.path.join(folder, name), "w").close()
    found = lines(box, "config", "load", f"{folder}/")[0]
    expect(set(found) == {f"{folder}/{n}" for n in ("plain", "with blank", "quote'd", "$(id)")}, f"{list(found)}")


def away(box):
    box.kill()
    begin = time.monotonic()
    expect(lines(box, "service", "restart", "") == ({}, ""), "nothing")
    expect(lines(box, "config", "set", "/fire") == ({}, ""), "nothing")
    offered(box, "conf", "config")
    expect(time.monotonic() - begin < machine.patient(3), "at once")


def silent(box):
    """A daemon that takes connections and reports nothing."""
    import socket
    path = f"{box.dir}/dumb.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen(8)
        begin = time.monotonic()
        done = run(f"{BUILD}/orbctl", "complete", "--", "--socket", path, "service", "stop", "", check=False)
        expect(time.monotonic() - begin < machine.patient(3), "a second at most")
        expect((done.returncode, done.stdout, done.stderr) == (0, "", ""), f"{done}")


# ---- shells ----

class Terminal:
    """An interactive shell in a terminal; Ctrl-X at the end of a line prints the line."""

    def __init__(self, box, args, begin):
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.chdir(box.dir)
            os.execvpe(args[0], args, {**environment(box), "PS1": "ready> ", "HOME": box.dir, "ZDOTDIR": box.dir})
        self.text = ""
        for line in begin:
            self.send(line + "\n")
        self.send("echo be''gun\n")
        self.wait("begun\r?\n")

    def send(self, text):
        os.write(self.fd, text.encode())

    def wait(self, pattern):
        end = time.monotonic() + machine.patient(20)
        while not (found := re.search(pattern, self.text, re.S)):
            if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
                raise Failed(f"{pattern} did not come: {self.text[-600:]!r}")
            self.text += os.read(self.fd, 65536).decode(errors="replace")
        self.text = self.text[found.end():]
        return found

    def line(self, typed):
        """What the line is after these keys; it is taken away."""
        self.send(typed + "\x18")
        line = self.wait("<<(.*?)>>").group(1)
        self.send("\x15")
        return line

    def close(self):
        os.close(self.fd)
        os.waitpid(self.pid, 0)


BASH = ["bind 'set enable-bracketed-paste off'; bind 'set bell-style none'; set +H; bind -x '\"\\C-x\": printf \"<<%s>>\\n\" \"$READLINE_LINE\"'",
        f"source '{FILES}/orbctl.bash'"]
TYPED = [("orbctl confi\t", "orbctl config "), ("orbctl config del\t", "orbctl config delete "), ("orbctl config show --form\t", "orbctl config show --format "),
         ("orbctl config show --format=j\t", "orbctl config show --format=json "), ("orbctl config set /fire\t", "orbctl config set /firewall/"),
         ("orbctl config set /fire\tru\t", "orbctl config set /firewall/rules/"), ("orbctl config set /firewall/rules/24/ac\t", "orbctl config set /firewall/rules/24/action "),
         ("orbctl config set firewall rules 10 source @fr\t", "orbctl config set firewall rules 10 source @friends "),
         ("orbctl config set routing static 2001:db8:44\t", "orbctl config set routing static 2001:db8:44::/48 "),
         ("orbctl service restart fire\t", "orbctl service restart firewall ")]


# Something else than the candidates is possible: nothing is inserted before a letter is typed.
OPEN = [("orbctl config set firewall zones wan mss-clamp \t", "orbctl config set firewall zones wan mss-clamp "),
        ("orbctl config set firewall zones wan mss-clamp p\t", "orbctl config set firewall zones wan mss-clamp pmtu "),
        ("orbctl config set firewall rules 10 source \t", "orbctl config set firewall rules 10 source "),
        ("orbctl config set routing tables \t", "orbctl config set routing tables "), ("orbctl config set /routing/tables/\t", "orbctl config set /routing/tables/"),
        ("orbctl config set routing tables g\t", "orbctl config set routing tables guests "),
        ("orbctl config delete routing tables \t", "orbctl config delete routing tables guests "),
        ("orbctl config delete firewall groups friends addresses 10\t", "orbctl config delete firewall groups friends addresses 10.1.0.0/24 "),
        ("orbctl config set //\t", "orbctl config set //")]


def in_bash(box, typed):
    bash = Terminal(box, ["bash", "--norc", "--noprofile", "-i"], BASH)
    try:
        keys(bash, typed)
    finally:
        bash.close()


def keys(shell, pairs):
    for typed, wanted in pairs:
        got = shell.line(typed)
        expect(got.rstrip() == wanted.rstrip(), f"{typed!r} became {got!r}, not {wanted!r}")


def bash_alone(box):
    bash = Terminal(box, ["bash", "--norc", "--noprofile", "-i"], BASH)
    try:
        for typed, wanted in [*TYPED, *OPEN, ("orbctl config set firewall rules 10 from '!la\t", "orbctl config set firewall rules 10 from '!lan' "),
                              ("orbctl config set firewall rules 10 from !la\t", "orbctl config set firewall rules 10 from \\!lan "),
                              ("orbctl config load odd/wit\t", "orbctl config load odd/with\\ blank ")]:
            got = bash.line(typed)
            expect(got == wanted, f"{typed!r} became {got!r}, not {wanted!r}")
        bash.send("orbctl config set firewall rules 10 action \t\t")
        bash.wait("accept.*drop.*reject")
        bash.send("\x15orbctl config set firewall rules 16 limit rate \t\t")
        bash.wait("a number from 1 to 1000000")
        expect(bash.line("") == "orbctl config set firewall rules 16 limit rate ", "a hint is not inserted")
        bash.send("orbctl config set firewall rules 10 source \t\t")
        bash.wait("@friends.*an address, prefix, range or @GROUP")
        expect(bash.line("") == "orbctl config set firewall rules 10 source ", "nothing is inserted")
        bash.send("orbctl config set firewall zones wan mss-clamp \t\t")
        bash.wait("pmtu.*a number from 536")
        expect(bash.line("") == "orbctl config set firewall zones wan mss-clamp ", "nothing is inserted")
    finally:
        bash.close()


def in_zsh(box, pairs):
    if not shutil.which("zsh"):
        return
    run("zsh", "-n", f"{FILES}/_orbctl")
    zsh = Terminal(box, ["zsh", "-f", "-i"], [
        "unsetopt zle_bracketed_paste beep; PS1='ready> '", f"fpath=('{FILES}' $fpath); autoload -Uz compinit; compinit -u -D",
        "tell() { print -r -- \"<<$BUFFER>>\"; }; zle -N tell; bindkey -e; bindkey '^X' tell"])
    try:
        keys(zsh, pairs)
    finally:
        zsh.close()


def in_fish(box):
    run("fish", "-n", f"{FILES}/orbctl.fish")
    script = f"source {FILES}/orbctl.fish; complete -C "
    for typed, wanted in TYPED:
        if "\t" in typed.rstrip("\t"):
            continue
        done = run("fish", "-c", script + f"'{typed.rstrip()}'", env={**environment(box), "HOME": box.dir})
        words = [line.split("\t")[0] for line in done.stdout.splitlines()]
        expect(words == [wanted.split()[-1]], f"{typed!r}: {done.stdout!r}")


def main():
    need_root("bpf", "bpffs")
    tap = Tap()
    with Appliance(BUILD, "tab", dataplane=True, links=[("lan0", "lan0p"), ("wan0", "wan0p"), ("wan1", "wan1p")]) as box:
        with_secrets(box)
        patient(box)
        box.start()
        with open(f"{box.dir}/tree.json", "w") as f:
            json.dump(TREE, f)
        box.ctl("config", "load", f"{box.dir}/tree.json", "--replace")
        box.ctl("config", "commit")
        tap.test("commands, options and fixed words", grammar, box)
        tap.test("live values of the daemon", live, box)
        tap.test("places of the configuration, segment by segment and in words", places, box)
        tap.test("references", references, box)
        tap.test("new names", maps, box)
        tap.test("values of a list", elements, box)
        for what, pointer, words, _ in TABLE:
            tap.test(f"offered: {what}", expression, box, what, pointer, words)
        tap.test("only what the role may read", roles, box)
        tap.test("no secret", secrets, box)
        tap.test("3000 rules", many, box)
        tap.test("names that would act on a terminal", hostile, box)
        tap.test("more than are shown", cut, box)
        tap.test("bash in a terminal", bash_alone, box)
        for shell, test, *pairs in (("zsh", in_zsh, [*TYPED, *OPEN]), ("fish", in_fish)):
            if shutil.which(shell):
                tap.test(shell, test, box, *pairs)
            else:
                tap.skip(shell, f"{shell} is not installed")
        tap.test("a daemon that reports nothing", silent, box)
        tap.test("no daemon", away, box)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
