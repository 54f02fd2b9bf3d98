"""A Docker Engine for the tests: the one that runs, or one of our own, started and stopped by us. And stacks on it."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

from stack import wait_for

PATIENCE_S = 120  # for one thing that an engine does: on a busy machine a container takes seconds to start, and to end
ROOT = pathlib.Path(os.environ.get("ORDERFLOW_ROOT", pathlib.Path(__file__).resolve().parents[2]))


def configuration(folder):
    """The stack's configuration, with a market that has much to say in little time."""
    text = (ROOT / "compose/orderflow.yaml").read_text()
    assert "simulator:\n" in text
    path = pathlib.Path(folder) / "orderflow.yaml"
    path.write_text(text.replace("simulator:\n", "simulator:\n  speed: 4\n"))
    path.chmod(0o644)
    return path


def patient(arguments):
    """The words of orchctl that ask an orchestrator, with more patience than a person's."""
    verb, *more = arguments
    asks = verb in ("status", "kill", "stop", "start", "pause", "resume", "scale", "fault", "account", "shutdown")
    return [verb, "--timeout", "60", *more] if asks else list(arguments)


def balances(account):
    """What `orchctl account` says; nobody (None): it could not even be asked."""
    return account is not None and account.returncode == 0 and account.stdout.rstrip().splitlines()[-1].startswith("PASS")


class Unavailable(Exception):
    """Why no engine can be had on this machine."""


class Engine:
    """`with Engine() as engine:`. `namespace`: of the network, for one of several engines on this machine (swarm)."""

    def __init__(self, own=False, name="engine", prefix=(), arguments=()):
        self.process = self.folder = None
        self.name, self.prefix, self.arguments = name, list(prefix), list(arguments)
        self.environment = {**os.environ}
        self.own = own

    def __enter__(self):
        missing = [tool for tool in ("docker", "docker-compose") if not shutil.which(tool)]
        if missing:
            raise Unavailable(f"{' and '.join(missing)} missing: ./run setup containers")
        if not self.own and self.answers():
            return self
        self.start()
        return self

    def __exit__(self, *unused):
        if not self.process:
            return
        if self.prefix:
            self.process.kill()  # a machine: everything in it ends with its first process
        else:
            self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        mounts = [line.split()[1] for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
        for mount in sorted((mount for mount in mounts if mount.startswith(str(self.folder))), reverse=True):
            subprocess.run(["umount", "-l", mount], capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        if os.geteuid() != 0:
            raise Unavailable("no Docker Engine answers, and only root may start one")
        if not shutil.which("dockerd"):
            raise Unavailable("no Docker Engine answers, and dockerd is missing: ./run setup containers")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"orderflow-{self.name}-"))
        self.environment["DOCKER_HOST"] = f"unix://{self.socket}"
        self.log = open(self.folder / "dockerd.log", "wb")
        self.process = subprocess.Popen(
            [*self.prefix, "dockerd", "--host", f"unix://{self.socket}", "--data-root", self.folder / "data", "--exec-root",
             self.folder / "exec", "--pidfile", self.folder / "dockerd.pid", *self.arguments],
            stdout=self.log, stderr=subprocess.STDOUT)
        try:
            wait_for(lambda: self.process.poll() is not None or self.answers(), PATIENCE_S, "the engine")
        except AssertionError:
            pass
        if self.process.poll() is None and self.answers():
            return
        log = (self.folder / "dockerd.log").read_text(errors="replace").strip().splitlines()[-1:]
        self.__exit__()
        raise Unavailable(f"no Docker Engine answers, and dockerd does not start here: {' '.join(log)[:300]}")

    @property
    def socket(self):
        if self.folder:
            return self.folder / "docker.sock"
        return pathlib.Path(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://"))

    def answers(self):
        return subprocess.run(["docker", "version"], env=self.environment, capture_output=True).returncode == 0

    def docker(self, *arguments, check=True, input=None):
        done = subprocess.run(["docker", *map(str, arguments)], env=self.environment, capture_output=True, text=True, input=input)
        assert not check or done.returncode == 0, f"docker {arguments}: {done.returncode} {done.stdout} {done.stderr}"
        return done

    def inspect(self, name):
        return json.loads(self.docker("inspect", name).stdout)[0]

    def image(self, *arguments):
        """./run image on this engine."""
        done = subprocess.run([ROOT / "run", "image", *arguments], env=self.environment, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        print(done.stdout)


class Stack:
    """compose/compose.yaml as a project of its own."""

    def __init__(self, engine, project, settings=None):
        self.engine, self.project = engine, project
        self.environment = {**engine.environment, "COMPOSE_PROJECT_NAME": project, "DOCKER_SOCKET": str(engine.socket),
                            "DOCKER_GID": str(engine.socket.stat().st_gid), **(settings or {})}

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        """Whatever became of it, nothing of the project stays."""
        self.compose("down", "--volumes", "--timeout", "5", "--remove-orphans", check=False)
        label = f"label=com.docker.compose.project={self.project}"
        for kind, remove in (("container", ("rm", "-f", "-v")), ("network", ("network", "rm")), ("volume", ("volume", "rm"))):
            arguments = ("ps", "-aq") if kind == "container" else (kind, "ls", "-q")
            left = self.engine.docker(*arguments, "--filter", label, check=False).stdout.split()
            if left:
                self.engine.docker(*remove, *left, check=False)

    def compose(self, *arguments, check=True):
        done = subprocess.run(["docker-compose", "-f", ROOT / "compose/compose.yaml", *arguments], env=self.environment,
                              capture_output=True, text=True)
        assert not check or done.returncode == 0, f"docker-compose {arguments}: {done.stdout} {done.stderr}"
        return done

    def run_in(self, service, *command, check=True):
        """`docker-compose exec -T` without its second of start-up."""
        return self.engine.docker("exec", f"{self.project}_{service}_1", *command, check=check)

    def orchctl(self, *arguments, check=True):
        return self.run_in("orchestrator", "orchctl", *patient(arguments), check=check)

    def containers(self):
        """All containers of the project by name without project: {"signal_1": inspected}."""
        ids = self.engine.docker("ps", "-aq", "--filter", f"label=com.docker.compose.project={self.project}").stdout.split()
        found = json.loads(self.engine.docker("inspect", *ids, check=False).stdout) if ids else []  # without one that is just being removed
        return {one["Name"].removeprefix(f"/{self.project}_"): one for one in found}

    def container(self, name):
        return self.engine.inspect(f"{self.project}_{name}")

    def status(self):
        """Asked again where a busy machine lets nobody answer in time."""
        def told():
            done = self.orchctl("status", "--json", check=False)
            return done.returncode in (0, 4) and json.loads(done.stdout)  # 4: somebody is not healthy just now
        return wait_for(told, PATIENCE_S, "the orchestrator's status")

    def process(self, name):
        return next(one for one in self.status()["processes"] if one["name"] == name)

    def wait_balanced(self):
        """The ledger: of who does not answer in time it says so, and is asked again; a row that is lost stays lost."""
        wait_for(lambda: balances(self.orchctl("account", check=False)), PATIENCE_S,
                 lambda: self.orchctl("account", check=False).stdout)

    def logs(self, service):
        return self.compose("logs", "--no-color", service).stdout
