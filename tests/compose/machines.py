"""Two machines out of this one: a network namespace and a pid namespace each, with a Docker Engine in it, joined to a swarm. Killing
the first process of such a machine ends everything in it at once, as a cut of its power would."""
import contextlib
import os
import subprocess

import engine as harness


def ip(*arguments, check=True):
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    if check and done.returncode:
        raise harness.Unavailable(f"no network of two machines can be made here: ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done


class Machines:
    """`with Machines() as (manager, worker):` engines that are a swarm."""

    def __init__(self):
        self.names = [f"of{os.getpid()}n{number}" for number in (1, 2)]
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        if os.geteuid() != 0:
            raise harness.Unavailable("two machines out of one can only be made by root")
        try:
            self.network()
            engines = [self.stack.enter_context(self.machine(number)) for number in (0, 1)]
            self.join(*engines)
        except BaseException:
            self.__exit__()
            raise
        return engines

    def __exit__(self, *unused):
        self.stack.close()

    def network(self):
        for name in self.names:
            ip("netns", "add", name)
            self.stack.callback(ip, "netns", "del", name, check=False)
        first, second = self.names
        ip("link", "add", "wire", "netns", first, "type", "veth", "peer", "name", "wire", "netns", second)
        for number, name in enumerate(self.names, 1):
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "addr", "add", f"10.213.0.{number}/24", "dev", "wire")
            ip("-n", name, "link", "set", "wire", "up")

    def machine(self, number):
        name = self.names[number]
        alone = ["nsenter", f"--net=/run/netns/{name}", "unshare", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc",
                 "sh", "-c", f'hostname machine{number + 1}; exec "$@"', "sh"]
        return harness.Engine(own=True, name=f"machine{number + 1}", prefix=alone)

    @staticmethod
    def join(manager, worker):
        made = manager.docker("swarm", "init", "--advertise-addr", "10.213.0.1", check=False)
        if made.returncode:
            raise harness.Unavailable(f"this machine's kernel makes no swarm: {made.stderr.strip()[:200]}")
        token = manager.docker("swarm", "join-token", "-q", "worker").stdout.strip()
        worker.docker("swarm", "join", "--token", token, "10.213.0.1:2377")
        # Who has joined is given nothing before it is ready.
        harness.wait_for(lambda: manager.docker("node", "ls", "--format", "{{.Status}}").stdout.split() == ["Ready"] * 2, harness.PATIENCE_S,
                         lambda: manager.docker("node", "ls").stdout)
