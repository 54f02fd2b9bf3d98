"""A Docker Engine that has every container a test names and holds back the answer to one request for as long as the test wants: on a unix
socket, API 1.41 as far as the docker driver asks it."""
import contextlib
import http.server
import json
import os
import socketserver
import threading
import urllib.parse

PROJECT = "orderflow"
HELD_S = 60


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def __init__(self, path, engine):
        super().__init__(path, Handler)
        self.engine = engine


class Handler(http.server.BaseHTTPRequestHandler):
    def address_string(self):
        return "unix"

    def log_message(self, *_):
        pass

    def answer(self, code, body=None):
        data = json.dumps(body).encode() if body is not None else b""
        with contextlib.suppress(OSError):  # who asked has left
            self.send_response(code)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    def do_GET(self):
        path = urllib.parse.urlparse(self.path).path.removeprefix("/v1.41")
        engine = self.server.engine
        if path == "/events":
            self.send_response(200)
            self.end_headers()
            self.wfile.flush()
            engine.closing.wait()
        elif path == "/containers/json":
            self.answer(200, [{"Id": f"id-{name}", "State": "running", "Labels": labels(name)} for name in engine.names])
        else:
            self.answer(200, inspected(path.split("/")[2]))

    def do_POST(self):
        engine = self.server.engine
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urllib.parse.urlparse(self.path).path.removeprefix("/v1.41")
        if path == "/containers/create":
            code = engine.hold()
            self.answer(code, {"Id": "id-made"} if code == 201 else {"message": "no room left, says the test"})
        else:
            engine.asked.append(path)
            self.answer(204)


def labels(name):
    return {"com.docker.compose.project": PROJECT, "com.docker.compose.service": name}


def inspected(name):
    service = name.removeprefix("id-")
    return {"Id": name, "Config": {"Labels": labels(service), "Cmd": ["warden", service], "Hostname": name}, "HostConfig": {},
            "NetworkSettings": {"Networks": {}}, "State": {"Running": True, "ExitCode": 0}}


class FakeEngine:
    """Every request to make a container waits until `let_go` says how it ends; `waiting`: it has come."""

    def __init__(self, path, names):
        self.names, self.asked = names, []
        self.waiting, self.verdict, self.closing = threading.Event(), threading.Semaphore(0), threading.Event()
        self.code = 500
        self.server = Server(os.path.relpath(path), self)  # a socket's name is short
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def hold(self):
        self.waiting.set()
        self.verdict.acquire(timeout=HELD_S)
        return self.code

    def let_go(self, code):
        self.code = code
        self.verdict.release()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.closing.set()
        self.verdict.release()
        self.server.shutdown()
        self.server.server_close()
