"""A namespace with links, and the interfaces service in it."""
import sys

from host import Namespace, Worker

RUNNER, MODULE = sys.argv[1:3]


class Box:
    """Namespace with veth pairs lan0-far0 and wan0-far1, and a worker in it."""

    def __init__(self, config=None):
        self.space = Namespace("if")
        self.tree = {"interfaces": config} if config is not None else {}

    def __enter__(self):
        self.space.__enter__()
        for near, far in (("lan0", "far0"), ("wan0", "far1")):
            self.space.ip("link", "add", near, "type", "veth", "peer", "name", far)
            self.space.ip("link", "set", far, "up")
        self.worker = self.start()
        return self.space, self.worker

    def start(self):
        self.worker = Worker(RUNNER, MODULE, ["interfaces"], self.tree, self.space, ["list"])
        try:
            return self.worker.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        self.worker.kill()
        self.space.__exit__()
