"""Each key of the configuration means something: another value changes the fingerprint, or it is listed as operational.

And what the fingerprint promises is true of the rows: for a sample of keys the rows of a replay change too, and
operational keys leave them alone.
"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess

import pytest

import replay
import stack as harness

LISTED = harness.ROOT / "docs" / "configuration.md"
RECORDING = "usdm/btcusdt_20240808.gz"
SINGLE = {"schema_version", "eval.price"}  # can have one value only
ROW = re.compile(r"^\| `([a-z0-9_.]+)` \| ([^|]+) \| (.*) \| ([^|]*) \| ([^|]*) \| ([^|]*) \| (yes|no) \|$",
                 re.MULTILINE)

CANDIDATES = [True, False, 0, 1, 2, 3, 20, 30, 60, 100, 250, 1000, 99999, 0.5, 0.25, -0.5, "now", "ws://localhost",
              "http://host", "127.0.0.2", "Etc/UTC", "UTC", "2025-01-01", "09:00-10:00", "A", "other", "warn",
              [0.5, 0.25], [5, 10], ["mon"], ["2025-01-01"], ["09:00-10:00"], ["A"], ["a=b"], []]


# Keys that cannot be changed alone, or not to just any value: a configuration, and the same with another value.
TOGETHER = {
    "run.input_mode": ({"run.input_dir": "x"}, {"run.input_dir": "x", "run.input_mode": "preview"}),
    "cvd.half_life_trades": ({"cvd.half_life_trades": 200, "cvd.half_life_fast_trades": 80},
                             {"cvd.half_life_trades": 300, "cvd.half_life_fast_trades": 80}),
    "cvd.half_life_fast_trades": ({"cvd.half_life_trades": 300, "cvd.half_life_fast_trades": 80},
                                  {"cvd.half_life_trades": 300, "cvd.half_life_fast_trades": 70}),
    "fusion.fuse_strong_sell": ({}, {"fusion.fuse_strong_sell": -5}),
    "strategy_mode.combine": ({"strategy_mode.schedule.windows": ["09:00-10:00"]},
                              {"strategy_mode.schedule.windows": ["09:00-10:00"], "strategy_mode.combine": "or"}),
    "features.grid_ms": ({}, {"features.grid_ms": 200}),
    "strategy_mode.step_ms": ({}, {"strategy_mode.step_ms": 5000}),
    "eval.horizons_s": ({}, {"eval.horizons_s": [60, 180]}),
    "eval.primary_horizon_s": ({}, {"eval.primary_horizon_s": 180}),
    "export.enabled": ({"export.type": "prometheus", "export.url": "http://host", "export.enabled": False},
                       {"export.type": "prometheus", "export.url": "http://host", "export.enabled": True}),
}


def listed_keys():
    """{key: (allowed, in the fingerprint)} as docs/configuration.md prints them from the schema."""
    return {key: (allowed, yes == "yes") for key, _, _, allowed, _, _, yes in ROW.findall(LISTED.read_text())}


KEYS = listed_keys()


def nested(keys):
    sections = {}
    for key, value in keys.items():
        *path, last = key.split(".")
        section = sections
        for word in path:
            section = section.setdefault(word, {})
        section[last] = value
    return sections


class Configuration:
    """orchctl's view of configuration files."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.empty = self.file("empty", {"schema_version": 1})

    def orchctl(self, *words, environment):
        return subprocess.run([str(harness.BIN / "orchctl"), "config", *words], cwd=self.folder, capture_output=True,
                              text=True, env={**os.environ, **environment})

    def file(self, name, keys):
        path = self.folder / f"{name}.yaml"
        path.write_text(json.dumps(nested(keys)))  # JSON is YAML
        return str(path)

    def fingerprint(self, path, **environment):
        done = self.orchctl("fingerprint", path, environment=environment)
        assert re.fullmatch(r"[0-9a-f]{64}\n", done.stdout), done
        return done.stdout.strip()

    def values(self, path, **environment):
        """{key: effective value as text}, empty when the configuration has a mistake."""
        done = self.orchctl("show", path, environment=environment)
        return dict(line.split("  # ")[0].split(" = ", 1) for line in done.stdout.splitlines())

    def pair(self, key, allowed):
        """Two files that differ in the value of this key; None when it has but one."""
        if key in TOGETHER:
            before, after = (self.file(f"{key}-{name}", {"schema_version": 1, **keys})
                             for name, keys in zip(("before", "after"), TOGETHER[key]))
            assert self.values(before)[key] != self.values(after)[key]
            return before, after
        before = self.values(self.empty)[key]
        choices = allowed.removeprefix("each ").removeprefix("one of ").split(", ") if "one of " in allowed else []
        for value in [*choices, *([choice] for choice in choices)] or CANDIDATES:
            path = self.file(key, {key: value})
            if self.values(path).get(key, before) != before:
                return self.empty, path
        return None


def test_the_list_is_complete(tmp_path):
    """docs/configuration.md lists the keys there are, so that a key cannot hide from this test."""
    configuration = Configuration(tmp_path)
    assert configuration.values(configuration.empty).keys() == KEYS.keys()
    assert len(KEYS) > 200 and sum(yes for _, yes in KEYS.values()) > 100


def secret_changes_fingerprint(configuration):
    """A secret is given by the environment only, and is nowhere to be seen."""
    values = configuration.values(configuration.empty, INFLUX_TOKEN="hush-hush")
    assert values["export.influx_token"] == "set"
    return configuration.fingerprint(configuration.empty, INFLUX_TOKEN="hush-hush") != \
        configuration.fingerprint(configuration.empty)


def test_each_key_changes_the_fingerprint_or_is_listed_as_operational(tmp_path):
    configuration = Configuration(tmp_path)

    def changes_fingerprint(key):
        if key == "export.influx_token":
            return secret_changes_fingerprint(configuration)
        files = configuration.pair(key, KEYS[key][0])
        assert (files is None) == (key in SINGLE), f"{key}: other values: {files}"
        return files and configuration.fingerprint(files[0]) != configuration.fingerprint(files[1])

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        changed = dict(zip(KEYS, pool.map(changes_fingerprint, KEYS)))
    wrong = {key for key, (_, listed) in KEYS.items() if changed[key] not in (None, listed)}
    assert not wrong, f"against the list: {({key: changed[key] for key in wrong})}"
    assert sum(map(bool, changed.values())) > 100


def test_a_symbols_own_value_changes_the_fingerprint_when_it_differs(tmp_path):
    configuration = Configuration(tmp_path)
    standard = configuration.fingerprint(configuration.empty)
    for value, differs in ((1.8, False), (1.9, True)):
        path = configuration.file("own", {"cvd.per_symbol.BTCUSDT.mad_multiplier": value})
        assert (configuration.fingerprint(path) != standard) is differs


# --- rows -----------------------------------------------------------------------------------------------------------

# The service whose rows a section's keys change.
PRINTS = {"harvest": "features", "ofi": "features", "cvd": "features", "features": "features", "fusion": "features",
          "events": "features", "strategy_mode": "features", "signal": "signal", "broker": "broker"}
# Keys of those sections whose matter does not occur in 45 s of a sound recording: holes, silence, a change of day,
# other regimes, schedules, or a profile where the capture has every value stored.
NOT_IN_THIS_RECORDING = {
    "harvest.venue", "harvest.depth_stream", "harvest.dedup_lru", "harvest.qty_field", "harvest.trade_idle_s",
    "harvest.book_idle_s", "harvest.backfill", "ofi.reset_on_day_change", "cvd.profile", "cvd.hard_freeze_ms",
    "cvd.z_window",
    "cvd.warmup_min", "fusion.profile", "fusion.weights_active", "fusion.flip_rearm_margin", "fusion.min_cooldown_ms",
    "events.price_jump", "strategy_mode.combine", "strategy_mode.min_active_windows", "strategy_mode.min_dwell_ms",
    "strategy_mode.market.min_trades_per_min", "strategy_mode.market.min_quotes_per_sec",
    "strategy_mode.market.max_spread_bps", "strategy_mode.market.min_volatility_bps",
    "strategy_mode.market.min_volume_usd", "strategy_mode.market.window_s",
    "strategy_mode.market.basic_gate_multiplier",
    "strategy_mode.schedule.timezone", "strategy_mode.schedule.weekdays", "strategy_mode.schedule.holidays",
    "strategy_mode.schedule.windows", "strategy_mode.schedule.wrap_midnight", "signal.dedupe_ms",
    "signal.thresholds.normal.buy", "signal.thresholds.normal.strong", "signal.thresholds.active.buy",
    "signal.thresholds.active.strong", "signal.consistency_min.normal", "signal.consistency_min.active",
    "signal.activity.active_min_tps", "signal.activity.normal_min_tps",
}
# Where a row is cut, stored, sent or logged is nobody's business.
OPERATIONAL = {"bus.recut_seed": 7, "bus.high_water_mark": 1, "journal.state_interval_ms": 20,
               "health.heartbeat_ms": 37,
               "harvest.region": "elsewhere", "run.debug": "true", "sink.fsync_every_n": 1}


@pytest.fixture(scope="module")
def captures(tmp_path_factory):
    """The raw capture of a run on 45 s of a real recording."""
    path = harness.needed(RECORDING)
    folder = tmp_path_factory.mktemp("run")
    stack = harness.Stack(folder / "stack", [harness.cut(path, 12000, folder)])
    with stack:
        harness.assert_sound(stack, stack.finish())
    return sorted((stack.folder / "data" / "raw").rglob("*.ofr"))


def rows(service, captures, settings, folder):
    """One number for all rows the service makes of the captures with these settings."""
    arguments = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    printed = replay.lines(service, captures, *arguments, folder=folder)
    assert printed
    return hashlib.sha256("\n".join(printed).encode()).hexdigest()


def test_algorithm_keys_change_the_rows_and_operational_keys_do_not(captures, tmp_path):
    configuration = Configuration(tmp_path)
    keys = [key for key, (_, listed) in KEYS.items() if listed and key.split(".")[0] in PRINTS]
    assert len(set(keys) - NOT_IN_THIS_RECORDING) > 60
    standard = {service: rows(service, captures, {}, tmp_path) for service in set(PRINTS.values())}

    def settings(key, path):
        together = TOGETHER[key][1] if key in TOGETHER else [key]
        return {name: configuration.values(path)[name] for name in together}

    def changes_rows(key):
        path = configuration.pair(key, KEYS[key][0])[1]
        service = PRINTS[key.split(".")[0]]
        return rows(service, captures, settings(key, path), tmp_path) != standard[service]

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        changed = dict(zip(keys, pool.map(changes_rows, keys)))
    assert {key for key in keys if not changed[key]} == NOT_IN_THIS_RECORDING & set(keys)
    for service in standard:
        assert rows(service, captures, OPERATIONAL, tmp_path) == standard[service], f"{service}: they changed its rows"
