"""The real servers that figures are exported to and scraped by, each started on loopback with a free port and a folder of
its own, and stopped by whoever started it."""
import contextlib
import http.server
import json
import pathlib
import re
import shutil
import socket
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request

import pytest

import stack as harness


class Port:
    """A port that nobody else gets as long as this lives: bound, but not listened on, so that connections are refused until a
    server (which may share it, as both say so) does listen."""
    def __init__(self):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", 0))

    def __str__(self):
        return str(self.socket.getsockname()[1])


def get(url, seconds=60, method="GET", data=None):
    """(status, body); (0, reason) when nobody answers."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method, data=data), timeout=seconds) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


@contextlib.contextmanager
def running(command, folder, ready_url):
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed (./run setup)")
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "server.log", "wb") as log:
        process = subprocess.Popen([str(word) for word in command], cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    try:
        harness.wait_for(lambda: process.poll() is not None or 200 <= get(ready_url)[0] < 300, 60, f"{command[0]} to be ready")
        assert process.poll() is None, (folder / "server.log").read_text()[-3000:]
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Pushgateway:
    def __init__(self, folder):
        self.folder, self.port = folder, Port()
        self.url = f"http://127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def run(self):
        # Debian's keeps what was pushed in /var/lib unless it is told not to: groups of every run of the machine.
        with running(["prometheus-pushgateway", f"--web.listen-address=127.0.0.1:{self.port}", "--persistence.file="], self.folder,
                     self.url + "/-/ready"):
            yield self

    def groups(self):
        """{run_id: {metric: {label value or "": number}}} of everything that has been pushed and not been dropped."""
        groups = {}
        for group in json.loads(get(self.url + "/api/v1/metrics")[1])["data"]:
            metrics = {}
            for name, family in group.items():
                if isinstance(family, dict) and "metrics" in family:
                    for metric in family["metrics"]:
                        labels = {k: v for k, v in metric["labels"].items() if k not in ("job", "run_id", "instance")}
                        metrics.setdefault(name, {})["".join(labels.values())] = float(metric["value"])
            groups[group["labels"]["run_id"]] = metrics
        return groups


class Influx1:
    """InfluxDB 1.6, the version of Debian 12: it has /write and /query, but not the /api/v2/write of 1.8 and 2.x."""
    def __init__(self, folder, database="orderflow"):
        self.folder, self.database = pathlib.Path(folder), database
        self.port, self.rpc_port = Port(), Port()
        self.url = f"http://127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def run(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "influxdb.conf"
        config.write_text(f"""
reporting-disabled = true
bind-address = "127.0.0.1:{self.rpc_port}"
[meta]
dir = "{self.folder}/meta"
[data]
dir = "{self.folder}/data"
wal-dir = "{self.folder}/wal"
[http]
bind-address = "127.0.0.1:{self.port}"
[monitor]
store-enabled = false
""")
        with running(["influxd", "run", "-config", config], self.folder, self.url + "/ping"):
            self.query(f"CREATE DATABASE {self.database}")
            yield self

    def query(self, text):
        arguments = urllib.parse.urlencode({"db": self.database, "q": text, "epoch": "ns"})
        status, body = get(f"{self.url}/query?{arguments}", method="POST", data=b"")
        assert status == 200, body
        (result,) = json.loads(body)["results"]
        assert "error" not in result, result
        return result.get("series", [])

    def rows(self, measurement):
        """Dictionaries, oldest first."""
        return [dict(zip(series["columns"], values)) for series in self.query(f'SELECT * FROM "{measurement}"')
                for values in series["values"]]

    def measurements(self):
        return {values[0] for series in self.query("SHOW MEASUREMENTS") for values in series["values"]}

    def write(self, body):
        return get(f"{self.url}/write?db={self.database}&precision=ns", method="POST", data=body)


LINE = re.compile(r"^(?P<measurement>(?:[^,\s\\]|\\.)+)(?P<tags>(?:,(?:[^,=\s\\]|\\.)+=(?:[^,=\s\\]|\\.)+)*)"
                  r" value=(?P<value>-?\d+i|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?) (?P<time>\d{19})$")


class Influx2:
    """What an InfluxDB 2 demands of a write, checked to the letter: method, path, organisation, bucket, precision, token,
    line protocol. No server of that version is in Debian, so this is not the real one; the very lines it took are also
    written to a real InfluxDB 1 by the test. `refuse`: so many requests get 503 first."""
    ORG, BUCKET, TOKEN = "my org", "flow/bucket", "t0ken-with==&signs"

    def __init__(self, refuse=0):
        self.refuse, self.refused, self.bodies, self.complaints, self.checks = refuse, 0, [], [], 0

    def judge(self, handler, body):
        target = urllib.parse.urlsplit(handler.path)
        arguments = urllib.parse.parse_qs(target.query, keep_blank_values=True, strict_parsing=True)
        if target.path != "/api/v2/write":
            return 404, "not found"
        if handler.headers.get("Authorization") != f"Token {self.TOKEN}":
            return 401, "unauthorized access"
        if arguments != {"org": [self.ORG], "bucket": [self.BUCKET], "precision": ["ns"]}:
            return 400, f"wrong arguments {arguments}"
        if not handler.headers.get("Content-Type", "").startswith("text/plain"):
            return 415, "wrong content type"
        lines = body.decode().split("\n")
        wrong = [line for line in lines[:-1] if not LINE.match(line)]
        if wrong or lines[-1] or len(lines) < 2:
            return 400, f"unable to parse {(wrong or lines)[0]!r}"
        return 204, ""

    @contextlib.contextmanager
    def run(self):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def answer(self, status, text=""):
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def do_GET(self):
                outer.checks += self.path == "/health"
                self.answer(200 if self.path == "/health" else 404, "{}")

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if outer.refused < outer.refuse:
                    outer.refused += 1
                    return self.answer(503, "busy")
                status, text = outer.judge(self, body)
                if status == 204:
                    outer.bodies.append(body)
                else:
                    outer.complaints.append(f"{status} {text}")
                return self.answer(status, text)

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class Prometheus:
    def __init__(self, folder, config_text):
        self.folder, self.config_text, self.port = pathlib.Path(folder), config_text, Port()
        self.url = f"http://127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def run(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "prometheus.yaml").write_text(self.config_text)
        with running(["prometheus", "--config.file=prometheus.yaml", "--storage.tsdb.path=data",
                      f"--web.listen-address=127.0.0.1:{self.port}"], self.folder, self.url + "/-/ready"):
            yield self

    def query(self, expression):
        """The samples: [(labels, value)]."""
        arguments = urllib.parse.urlencode({"query": expression})
        status, body = get(f"{self.url}/api/v1/query?{arguments}")
        assert status == 200, (expression, body)
        return [(sample["metric"], float(sample["value"][1])) for sample in json.loads(body)["data"]["result"]]
