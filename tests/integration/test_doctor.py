"""`orchctl doctor`: every check fails in its turn, and says why and what to do. (Folders and disk: test_answers.py, test_trials.py.)"""
import contextlib
import http.server
import json
import resource
import socket
import sqlite3
import subprocess
import threading
import time

import yaml

from asked import ORCHCTL


def examined(folder, settings, *options, prepare=None):
    """{check: what it says}; whatever is not good has a cause and a remedy."""
    (folder / "doctor.yaml").write_text(yaml.safe_dump(settings))
    done = subprocess.run([str(ORCHCTL), "doctor", "--config", "doctor.yaml", "--json", *options], cwd=folder, capture_output=True, text=True,
                          timeout=60, preexec_fn=prepare)
    checks = json.loads(done.stdout)["checks"]
    assert done.returncode == (3 if "failed" in {check["verdict"] for check in checks} else 0), done
    assert all(check["cause"] and (check["remedy"] or check["verdict"] == "ok") for check in checks), checks
    return {check["check"]: (check["verdict"], check["cause"], check["remedy"]) for check in checks}


def venue(url):
    """All of a venue is of one place."""
    sockets = dict.fromkeys(("public_url", "market_url", "combined_url"), url.replace("http:", "ws:"))
    return {"venue": "binance", "rest_url": url, **sockets}


def says(check, verdict, cause, remedy):
    assert check[0] == verdict and cause in check[1] and remedy in check[2], check


@contextlib.contextmanager
def taken():
    """A port that somebody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        yield one.getsockname()[1]


def test_a_machine_on_which_everything_is_wrong_is_told_all_of_it(tmp_path):
    (tmp_path / "runtime").mkdir()
    (tmp_path / "bus").write_text("in the way")
    with sqlite3.connect(tmp_path / "runtime/signals.db") as database:
        database.execute("create table signals (run_id text, ts_ms integer, symbol text, primary key (ts_ms, symbol))")
    with socket.socket() as nobody, taken() as port:
        nobody.bind(("127.0.0.1", 0))  # bound, not listened on: whoever connects is refused
        nowhere = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        settings = {"harvest": venue(nowhere), "report": {"http_port": port}, "bus": {"dir": "bus"},
                    "export": {"type": "prometheus", "url": nowhere}, "limits": {"min_disk_free_gb": 0}}
        found = examined(tmp_path, settings, "--gates", "soak", prepare=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256)))
    says(found["limits"], "failed", "open files: 256", "ulimit -n 1024")
    says(found["ports"], "warning", f"127.0.0.1:{port} cannot be listened on: Address already in use", "another report.http_port")
    says(found["sockets"], "failed", "bus must be a folder", "another bus.dir")
    says(found["clock"], "failed", f"{nowhere}/fapi/v1/time: HTTP status 0", "harvest.rest_url")
    says(found["venue"], "failed", f"{nowhere}/fapi/v1/exchangeInfo: HTTP status 0", "harvest.rest_url")
    says(found["export"], "failed", f"{nowhere}/-/ready: HTTP status 0", "correct export.url")
    says(found["sinks"], "failed", "has the key (ts_ms,symbol), not (run_id, ts_ms, symbol)", "never rebuilt silently")


class Crooked(http.server.BaseHTTPRequestHandler):
    """A venue whose clock is five seconds ahead and that does not trade ETHUSDT; as a target of figures it is not ready."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        symbols = [{"symbol": "BTCUSDT", "status": "TRADING"}, {"symbol": "ETHUSDT", "status": "BREAK"}]
        answers = {"/fapi/v1/time": {"serverTime": int(time.time() * 1000) + 5000}, "/fapi/v1/exchangeInfo": {"symbols": symbols}}
        body = json.dumps(answers.get(self.path, {})).encode()
        self.send_response(200 if self.path in answers else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def test_a_venue_and_a_target_that_answer_wrongly_are_told_with_what_they_answered(tmp_path):
    (tmp_path / "runtime").mkdir()
    (tmp_path / "runtime/signals.db").write_text("no database, but more than a header's hundred bytes of something else. " * 10)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Crooked) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        settings = {"harvest": venue(url), "report": {"http_port": 0}, "limits": {"min_disk_free_gb": 0},
                    "export": {"type": "prometheus", "url": url}}
        found = examined(tmp_path, settings)
        server.shutdown()
    verdict, cause, remedy = found["clock"]
    assert verdict == "failed" and 4000 < int(cause.split()[4]) < 20000 and "synchronise this machine's clock" in remedy, found["clock"]
    says(found["venue"], "failed", "ETHUSDT is not traded there now", "run.symbols")
    says(found["export"], "warning", f"{url}/-/ready: HTTP status 503", "correct export.url")
    says(found["sinks"], "failed", "signals.db: ", "move the file away")


def test_a_taken_port_of_the_venue_and_a_wrong_configuration_fail(tmp_path):
    with taken() as port:
        found = examined(tmp_path, {"simulator": {"port": port}, "report": {"http_port": 0}, "limits": {"min_disk_free_gb": 0}})
    says(found["ports"], "failed", f"port {port} is taken", "another simulator.port")
    found = examined(tmp_path, {"run": {"sink": "paper", "minuts": 3}})
    says(found["config"], "failed", "run.minuts", "orchctl config check")
    assert "run.sink" in found["config"][1], "all mistakes at once"
    shown = subprocess.run([str(ORCHCTL), "doctor", "--config", "doctor.yaml"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert shown.returncode == 3 and "run.sink" in shown.stdout and shown.stdout.count("remedy: ") == 1, shown
