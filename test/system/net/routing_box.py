"""A namespace with links, and the routing service in it."""
import sys

from host import Namespace, Worker, eventually

RUNNER, MODULE = sys.argv[1:3]
LINKS = {"lan0": ["10.1.0.1/24", "2001:db8:1::1/64"], "wan0": ["192.0.2.2/24", "2001:db8:2::2/64"]}


def interfaces(**changed):
    tree = {name: {"addresses": list(addresses)} for name, addresses in LINKS.items()}
    tree.update(changed)
    return tree


class Box:
    """Namespace with links up and addressed (as the interfaces service would), and a worker. links: by
    name the addresses; absent: configured, but not there when the worker starts."""

    def __init__(self, static=None, links=LINKS, absent=()):
        self.space = Namespace("rt")
        self.links, self.absent = links, absent
        self.tree = {"interfaces": {name: {"addresses": list(a)} for name, a in links.items()}}
        if static is not None:
            self.tree["routing"] = {"static": static}

    def __enter__(self):
        ns = self.space.__enter__()
        for name in self.links:
            if name not in self.absent:
                self.plug(name)
        self.worker = self.start()
        return ns, self.worker

    def plug(self, name):
        """Makes a link (its far end is pNAME), up and with its addresses."""
        ns = self.space
        ns.ip("link", "add", name, "type", "veth", "peer", "name", "p" + name)
        ns.ip("link", "set", "p" + name, "up")
        self.up(name)

    def up(self, name):
        """Up and with its addresses, as after a boot."""
        ns = self.space
        ns.ip("link", "set", name, "up")
        for address in self.links[name]:
            ns.ip("addr", "replace", address, "dev", name, *(["nodad"] if ":" in address else []))
        eventually(lambda: ns.link(name)["operstate"] == "UP", f"{name} is up")

    def start(self):
        self.worker = Worker(RUNNER, MODULE, ["routing", "interfaces"], self.tree, self.space, ["list"])
        try:
            return self.worker.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        self.worker.kill()
        self.space.__exit__()
