"""/metrics as Prometheus sees it: checked by promtool, scraped by a real Prometheus with the rules and the configuration of
compose/prometheus; every query of a rule and of the dashboard names metrics that are there."""
import json
import re
import socket
import subprocess

import pytest
import servers
import stack as harness
import yaml
from ports import port_pairs

COMPOSE = harness.ROOT / "compose"
RULES = COMPOSE / "prometheus" / "alerts.yaml"
RULE_TESTS = COMPOSE / "prometheus" / "alerts_test.yaml"
METRIC = re.compile(r"\borderflow_[a-z0-9_]+")
DAEMONS = {"harvest", "archive", "features", "signal", "broker", "report", "orchestrator"}
LABELS = {"service", "instance", "stream"}


def promtool(*arguments, folder=None, stdin=None):
    return subprocess.run(["promtool", *map(str, arguments)], cwd=folder, input=stdin, capture_output=True, text=True)


@pytest.fixture(scope="module", autouse=True)
def tools():
    try:
        promtool("--version")
    except FileNotFoundError:
        pytest.skip("promtool is not installed (./run setup)")


def rules():
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    return group["rules"]


def dashboard_queries():
    board = json.loads((COMPOSE / "grafana/dashboards/orderflow.json").read_text())
    queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    assert len(queries) > 30
    return queries


# ---- the files alone ----

def test_grafana_finds_the_dashboard_its_source_and_a_place_for_every_panel():
    board = json.loads((COMPOSE / "grafana/dashboards/orderflow.json").read_text())
    stack = yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"]
    mounts = dict(volume.split(":")[:2] for volume in stack["grafana"]["volumes"])
    (provider,) = yaml.safe_load((COMPOSE / "grafana/provisioning/dashboards/orderflow.yaml").read_text())["providers"]
    assert mounts["./grafana/dashboards"] == provider["options"]["path"]
    assert mounts["./grafana/provisioning"] == "/etc/grafana/provisioning"
    (source,) = yaml.safe_load((COMPOSE / "grafana/provisioning/datasources/prometheus.yaml").read_text())["datasources"]
    assert stack["grafana"]["network_mode"] == "service:prometheus" and source["url"] == "http://127.0.0.1:9090"
    panels, taken = board["panels"], set()
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        for one in (panel, *panel["targets"]):
            assert one["datasource"] == {"type": source["type"], "uid": source["uid"]}, panel["title"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]), panel["title"]
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert max(x for x, _ in cells) < 24 and not cells & taken, f"{panel['title']} lies on another or outside"
        taken |= cells


def test_rules_and_configuration_are_good_and_pass_their_tests():
    for arguments in (("check", "rules", RULES), ("check", "config", COMPOSE / "prometheus" / "prometheus.yaml")):
        done = promtool(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
    done = promtool("test", "rules", RULE_TESTS.name, folder=RULE_TESTS.parent)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_rule_of_the_orchestrator_is_missing_and_levels_agree():
    table = re.findall(r'\{"(\w+)",\s+ALERT_(WARNING|CRITICAL),', (harness.ROOT / "orchestrator/alerts/alerts.c").read_text())
    ours = {name: level.lower() for name, level in table}
    theirs = {rule["alert"]: rule["labels"]["level"] for rule in rules()}
    assert len(ours) == 26 and theirs.pop("metrics_gone") == "warning" and theirs == ours
    assert all(rule["labels"]["severity"] == {"critical": "P1", "warning": "P2"}[rule["labels"]["level"]] for rule in rules())


@pytest.mark.parametrize("always", [True, False])
def test_the_rule_tests_notice_a_rule_that_always_or_never_fires(always, tmp_path):
    (tmp_path / RULE_TESTS.name).write_text(RULE_TESTS.read_text())
    document = yaml.safe_load(RULES.read_text())
    for rule in document["groups"][0]["rules"]:
        rule["expr"] = "vector(1) > 0" if always else "vector(0) > 1"
        rule.pop("for", None)
    (tmp_path / RULES.name).write_text(yaml.safe_dump(document))
    done = promtool("test", "rules", RULE_TESTS.name, folder=tmp_path)
    noticed = set(re.findall(r"alertname: ?(\w+)", done.stdout + done.stderr))
    assert done.returncode != 0 and noticed == {rule["alert"] for rule in rules()}


# ---- a living stack ----

def scrape(port):
    status, text = servers.get(f"http://127.0.0.1:{port}/metrics")
    assert status == 200, text
    return text


def samples(text):
    """{name: {labels as a frozen set of pairs: value}}"""
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, labels, value = re.fullmatch(r"([a-z_0-9]+)(?:\{(.*)\})? (\S+)", line).groups()
            pairs = frozenset(re.findall(r'(\w+)="([^"]*)"', labels or ""))
            assert pairs not in found.setdefault(name, {}), line
            found[name][pairs] = float(value)
    return found


def of(found, name, instance):
    (value,) = [value for labels, value in found[name].items() if ("instance", instance) in labels]
    return value


def port_of(stack):
    path = stack.folder / "runtime" / "report.port"
    return harness.wait_for(lambda: path.exists() and path.read_text().strip(), 60, "report to listen")


def config_for(port):
    """compose's own configuration, with the port of this run and a test's patience."""
    document = yaml.safe_load((COMPOSE / "prometheus" / "prometheus.yaml").read_text())
    document["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    document["rule_files"] = [str(RULES)]
    document["scrape_configs"] = document["scrape_configs"][:1]
    document["scrape_configs"][0]["static_configs"] = [{"targets": [f"127.0.0.1:{port}"]}]
    return yaml.safe_dump(document)


def test_prometheus_scrapes_all_daemons_and_every_query_names_what_is_there(tmp_path):
    stack = harness.Stack(tmp_path / "run", speed=20, sets={**harness.UNHURRIED, "report.http_port": 0, "simulator.rate": 20},
                          arguments=["--gates", "none"])
    with stack:
        port = port_of(stack)
        with servers.Prometheus(tmp_path / "prometheus", config_for(port)).run() as prometheus:
            harness.wait_for(lambda: any(value > 0 for _, value in prometheus.query("orderflow_signal_confirmed_total")), 60,
                             "confirmed signals in Prometheus")
            queries = [rule["expr"] for rule in rules()] + dashboard_queries()
            named = {metric for query in queries for metric in METRIC.findall(query)}
            # Who has confirmed a signal has been heard; the others may yet have to be.
            harness.wait_for(lambda: named <= set(samples(scrape(port))), 60, lambda: f"metrics of {named - set(samples(scrape(port)))}")
            text = scrape(port)
            linted = promtool("check", "metrics", stdin=text)
            assert linted.returncode == 0 and not linted.stdout + linted.stderr, linted.stdout + linted.stderr
            check_labels(samples(text))
            check_selectors(samples(text), queries)
            for query in queries:
                prometheus.query(query)  # fails when it is no PromQL
            empty = lambda: [query for query in dashboard_queries() if not prometheus.query(query)]  # noqa: E731
            harness.wait_for(lambda: not empty(), 60, lambda: f"series in every panel; none: {empty()}")
            everybody = dict.fromkeys(DAEMONS | {"simulator"}, 1)
            harness.wait_for(lambda: everybody == {labels["instance"]: value for labels, value in prometheus.query("orderflow_up")},
                             60, "everybody to be up")
            loaded = json.loads(servers.get(prometheus.url + "/api/v1/rules")[1])["data"]["groups"][0]["rules"]
            assert {rule["name"] for rule in loaded} == {rule["alert"] for rule in rules()}
            assert all(rule["health"] != "err" for rule in loaded), loaded
        what_happens_to_a_process_shows(stack, port)
        stack.orchctl("shutdown")
        assert stack.finish() == 0, stack.text()


def check_labels(found):
    assert {value for labels in found["orderflow_up"] for name, value in labels if name == "service"} == DAEMONS | {"simulator"}
    for name, metrics in found.items():
        allowed = {"run_id", "version"} if name == "orderflow_run_info" else {"le"} if name.endswith("_bucket") else LABELS
        for labels in metrics:
            assert {label for label, _ in labels} <= allowed, (name, labels)
    assert found["orderflow_signal_total"] and found["orderflow_clock_offset_seconds"]  # NaN here: not the time of day


def check_selectors(found, queries):
    """What is told of all and of each symbol is asked for as one or the other: of a thousand symbols a panel would draw a thousand lines."""
    of_both = [name for name, metrics in found.items() if len({"stream" in dict(labels) for labels in metrics}) == 2]
    assert {"orderflow_book_resync_total", "orderflow_queue_dropped_total", "orderflow_p_abs_z_gt2"} <= set(of_both)
    assert not [query for query in queries for name in of_both if re.search(rf"\b{name}\b(?!\{{[^}}]*\bstream\b)", query)]


def what_happens_to_a_process_shows(stack, port):
    stack.orchctl("kill", "features")
    harness.wait_for(lambda: of(samples(scrape(port)), "orderflow_restarts_total", "features") == 1, 60, "the restart")
    found = harness.wait_for(lambda: (now := samples(scrape(port)))["orderflow_recovery_seconds_count"][frozenset()] == 1 and now,
                             60, "the recovery")
    assert 0 < found["orderflow_recovery_seconds_sum"][frozenset()] < 60
    stack.orchctl("stop", "broker", "--wait", "60")
    harness.wait_for(lambda: of(samples(scrape(port)), "orderflow_up", "broker") == 0, 60, "the end of broker")
    stack.orchctl("start", "broker", "--wait", "60")
    harness.wait_for(lambda: of(samples(scrape(port)), "orderflow_up", "broker") == 1, 60, "the new broker")


def test_the_page_is_read_only_and_a_taken_port_is_told_counted_and_tried_again(tmp_path):
    with socket.socket() as occupant:
        (port,) = port_pairs(1)  # which nobody else takes while nobody has it
        occupant.bind(("127.0.0.1", port))
        occupant.listen()
        stack = harness.Stack(tmp_path, speed=20, sets={**harness.UNHURRIED, "report.http_port": port}, arguments=["--gates", "none"])
        with stack:
            harness.wait_for(lambda: stack.statuses().get("report", {}).get("counters", {}).get("http_listen_errors", 0) >= 2,
                             60, "two attempts to listen")
            log = next((stack.folder / "logs/report").glob("*_stderr.log"))
            said = harness.wait_for(lambda: re.findall(r".*WARNING report http_unavailable.*", log.read_text()), 60, "a line of it")
            assert len(said) == 1 and f"127.0.0.1:{port}" in said[0] and "http_port" in said[0]
            occupant.close()
            harness.wait_for(lambda: servers.get(f"http://127.0.0.1:{port}/metrics")[0] == 200, 60, "the port to be taken over")
            url = f"http://127.0.0.1:{port}"
            for method in ("POST", "PUT", "DELETE"):
                assert servers.get(url + "/metrics", method=method, data=b"x" * 10000)[0] == 405
            assert servers.get(url + "/metrics", method="HEAD") == (200, "")
            assert servers.get(url + "/../../etc/passwd")[0] == 404
            assert servers.get(url + "/runtime/status/report.json")[0] == 404
            assert servers.get(url + "/" + "x" * 200_000)[0] in (0, 400, 414, 431)
            assert servers.get(url + "/metrics")[0] == 200
            stack.orchctl("shutdown")
            assert stack.finish() == 0, stack.text()
