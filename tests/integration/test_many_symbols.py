"""Figures of each symbol (operations §17), of more symbols than a screen has lines: everybody who tells any tells all of them."""
import json
import re
import urllib.request

import servers
import stack as harness

SYMBOLS = [f"S{number:02}USDT" for number in range(25)]
COUNTERS = ("trade_gap_ids_total", "book_seq_gap_total", "book_resync_total", "dedup_hits_total", "reconnect_count", "queue_dropped")
GAUGES = ("latency_ms_p50", "latency_ms_p90", "latency_ms_p99")


def of_symbols(figures, name):
    return [figures.get(f"{name}/harvest/{symbol}") for symbol in SYMBOLS]


def harvest(processes):
    (process,) = [process for process in processes if process["name"] == "harvest"]
    return process


def known_of_all(process):
    """Every symbol has traded, and the socket that carries all of them has been lost and opened again: each counts it, as do all."""
    reopened = process["counters"].get("reconnect_count", 0)
    return all(value is not None for name in GAUGES for value in of_symbols(process["gauges"], name)) \
        and reopened > 0 and of_symbols(process["counters"], "reconnect_count") == [reopened] * len(SYMBOLS)


def test_each_of_many_symbols_has_its_figures_wherever_they_are_told(tmp_path):
    sets = {"run.symbols": ",".join(SYMBOLS), "simulator.symbols": ",".join(SYMBOLS), "simulator.rate": 5, "simulator.start": "now",
            "report.http_port": 0, "export.type": "prometheus", "export.interval_s": 1}
    with servers.Pushgateway(tmp_path / "gateway").run() as gateway:
        stack = harness.Stack(tmp_path / "run", speed=1, sets={**sets, "export.url": gateway.url},
                              arguments=["--minutes", "60", "--gates", "none"])
        with stack:
            stack.simulator_pid()
            harness.wait_for(lambda: harvest(stack.status()["processes"])["counters"].get("emitted_trades", 0) > 0, 60, "the feed")
            stack.orchctl("fault", "cut", "simulator", "--for", "100ms", "--no-wait", "--force")
            harness.wait_for(lambda: known_of_all(harvest(stack.status()["processes"])), 60, "every symbol in the status")
            lines = [line.split() for line in stack.orchctl("monitor", "--once").stdout.splitlines()]
            shown = {words[0]: words for words in lines if words and words[0] in SYMBOLS and "trades/s" in words}
            assert list(shown) == SYMBOLS
            assert all("-" not in words[words.index("latency"):] for words in shown.values()), shown
            port = int((stack.folder / "runtime/report.port").read_text())
            harness.wait_for(lambda: scraped(port) == SYMBOLS, 60, "every symbol in /metrics")
            stack.orchctl("shutdown")
            code = stack.finish(90)
        assert code == 0, stack.text()[-3000:]
        end = harvest(json.loads((stack.folder / "artifacts/run_logs/status_test-run.json").read_text())["processes"])
        file = json.loads((stack.folder / "runtime/status/harvest.json").read_text())
        for name in COUNTERS:
            told = of_symbols(end["counters"], name)
            assert None not in told and told == of_symbols(file["counters"], name), name
            if name != "reconnect_count":  # that one counts sockets
                assert sum(told) == end["counters"][name], name
        pushed = gateway.groups()["test-run"]
        for name, told in (("ws_reconnects_total", "reconnect_count"), ("dedup_hits_total",) * 2, ("queue_dropped",) * 2):
            assert pushed[name] == {"": end["counters"][told], **dict(zip(SYMBOLS, of_symbols(end["counters"], told)))}, name
        for name in (*GAUGES, "recv_rate_tps"):
            assert set(SYMBOLS) <= pushed[name].keys(), name


def scraped(port):
    """The symbols of whose sockets /metrics tells that they were opened again."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        lines = re.findall(r'^orderflow_reconnect_count_total\{.*stream="harvest/(\w+)"\} (\d+)$', answer.read().decode(), re.M)
    return sorted(symbol for symbol, count in lines if int(count) > 0)
