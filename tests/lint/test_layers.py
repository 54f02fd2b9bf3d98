"""The lines between the rooms of the house: who may include whom, who sees which library, and the few habits that a
compiler does not check. docs/architecture.md says why."""
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCE_ROOTS = ("common", "proto", "services", "orchestrator", "tools")

# What a room may include besides itself.
LAYERS = {
    "base": set(),
    "proto": {"base"},
    "config": {"base"},
    "net": {"base"},
    "journal": {"base", "proto"},
    "injury": {"base"},
    "bus": {"base", "proto", "config", "injury"},
    "market": {"base", "proto"},
    "evaluate": {"base", "proto", "market"},
    "store": {"base", "proto", "journal", "stage/sink.h"},  # a sink reads the own journal; sink.h is its interface
    "stage": {"base", "proto", "journal", "bus", "config", "injury"},
    "services": {"base", "proto", "config", "net", "journal", "bus", "store", "market", "evaluate", "stage", "injury"},
    "orchestrator": {"base", "proto", "config", "net", "journal", "bus", "store", "injury", "evaluate"},
    "tools": {"base", "proto", "store"},
    "recompute": {"base", "proto", "config", "journal", "store", "market", "evaluate"},
}

# tools/recompute makes a run's rows once more without its daemons: it chains the engines themselves and reads the sinks with
# the reader that report has. So this one program sees into services, but only their pure parts and the settings and readers
# that go with them: no stage, no socket, nothing that writes. A copy of any of them would prove nothing.
RECOMPUTE_SEES = {"services/harvest/feed.h", "services/harvest/owners.h", "services/harvest/settings.h", "services/harvest/venue.h",
                  "services/features/settings.h", "services/features/symbol.h", "services/features/zone.h",
                  "services/signal/decision.h", "services/signal/settings.h", "services/broker/paper.h",
                  "services/archive/kinds.h", "services/archive/quality.h",
                  "services/report/row_text.h", "services/report/signal_files.h", "services/report/sink_reader.h"}

# The rooms that see a library's header.
LIBRARIES = {
    r"zmq\.h|czmq\.h": {"common/bus"},
    r"lmdb\.h": {"common/journal"},
    r"libwebsockets\.h|curl/.*": {"common/net"},
    r"sqlite3\.h|duckdb\.h": {"common/store"},
    r"yaml\.h": {"common/config"},
    r"msgpack(\.h|/.*)": {"proto"},
    r"yyjson\.h": {"common/config", "common/injury", "common/journal", "services/harvest", "services/simulator", "services/report", "services/archive",
                   "orchestrator", "tools/recompute"},
}

# Pure functions of their input: no socket, clock, file, log, thread or global state.
ENGINES = {
    "services/features": "ofi cvd cvd_config grid history fusion fusion_config events schedule strategy_mode symbol "
                         "symbol_config calibration direction incident evaluation",
    "services/harvest": "ordering hold sync audit rate feed_symbol feed_trades feed_books feed_moves",
    "services/signal": "decision",
    "services/broker": "paper",
    "tools/recompute": "difference",
}
ENGINE_INCLUDES = {"base", "proto", "market", "evaluate"}
ENGINE_FORBIDDEN_HEADERS = r'"base/(log|file|crash_point)\.h"|<(time|unistd|fcntl|pthread|signal|poll|sys/[^>]+)\.h>'
ENGINE_FORBIDDEN_CALLS = r"\b(clock_system|clock_wall_\w+|clock_monotonic_\w+|getenv|fopen|open|socket|random|rand)\s*\("
GLOBAL_VARIABLE = r"^static\s+(?!const\b|inline\b)(?:struct\s+|enum\s+|unsigned\s+)?\w+[\s*]+(?!const\b)\w+(\[[^\]]*\])*\s*(=|;)"

MAIN_LINES_MAX = 150
TEXT_SUFFIXES = {".c", ".h", ".py", ".sh", ".md", ".txt", ".cmake", ".json", ".yaml", ".yml", ".in", ".hex", ".js", ".css",
                 ".html", ""}


def tracked():
    """Every file of the tree that belongs to it."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0 and listed.stdout:
        names = listed.stdout.splitlines()
    else:  # an unpacked archive: everything but what is built
        names = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if path.is_file()]
        names = [name for name in names if name.split("/")[0] not in ("build", "demo", ".git")]
    return [ROOT / name for name in names if (ROOT / name).is_file()]


FILES = tracked()
SOURCES = [path for path in FILES
           if path.suffix in (".c", ".h") and path.relative_to(ROOT).parts[0] in SOURCE_ROOTS]


def relative(path):
    return path.relative_to(ROOT).as_posix()


def room_of(path):
    """common/base/x.c → ("base", "common/base"); services/harvest/x.c → ("services", "services/harvest")."""
    parts = path.relative_to(ROOT).parts
    if parts[0] == "common":
        return parts[1], f"common/{parts[1]}"
    if parts[0] == "services":
        return "services", f"services/{parts[1]}"
    if parts[:2] == ("tools", "recompute"):
        return "recompute", "tools/recompute"
    return parts[0], parts[0]


def includes(path):
    return re.findall(r'^\s*#\s*include\s+(["<][^">]+[">])', path.read_text(), re.M)


def findings(pattern, paths, flags=0):
    """Lines that match, as file:line: text."""
    found = []
    for path in paths:
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if re.search(pattern, line, flags):
                found.append(f"{relative(path)}:{number}: {line.strip()[:120]}")
    return found


def show(found):
    return "\n" + "\n".join(found)


def wrong_includes(path, names):
    layer, folder = room_of(path)
    found = []
    for include in names:
        name = include[1:-1]
        if include[0] == "<":
            continue
        first = name.split("/")[0]
        if layer == "recompute" and name in RECOMPUTE_SEES:
            continue
        own = "/" not in name or first == layer or (path.parent / name).is_file() or name.startswith(folder)
        if not own and first not in LAYERS[layer] and name not in LAYERS[layer]:
            found.append(f"{relative(path)}: {include}")
        if first == "services" and not name.startswith(folder + "/"):
            found.append(f"{relative(path)}: {include}")
        if ".." in name.split("/"):
            found.append(f"{relative(path)}: {include} climbs out of its folder")
    return found


def test_there_is_something_to_check():
    assert len(SOURCES) > 100
    assert {room_of(path)[0] for path in SOURCES} <= set(LAYERS)


def test_rooms_include_only_what_lies_below_them():
    found = [line for path in SOURCES for line in wrong_includes(path, includes(path))]
    assert not found, show(found)


def test_a_wrong_include_would_be_found():
    for path, wrong in (("common/base/x.c", '"stage/stage.h"'), ("common/store/x.c", '"stage/stage.h"'),
                        ("services/report/x.c", '"services/harvest/feed.h"'), ("proto/x.c", '"../common/base/map.h"'),
                        ("orchestrator/x.c", '"services/harvest/feed.h"'), ("tools/x.c", '"services/harvest/feed.h"'),
                        ("tools/recompute/x.c", '"services/harvest/receiver.h"'),
                        ("tools/recompute/x.c", '"stage/stage.h"'), ("tools/recompute/x.c", '"bus/bus.h"')):
        assert wrong_includes(ROOT / path, [wrong]), (path, wrong)
    for path, right in (("common/base/x.c", '"base/map.h"'), ("common/store/x.c", '"stage/sink.h"'),
                        ("services/report/x.c", '"tally.h"'), ("services/report/x.c", '"stage/stage.h"'),
                        ("tools/recompute/x.c", '"services/harvest/feed.h"')):
        assert not wrong_includes(ROOT / path, [right]), (path, right)


@pytest.mark.parametrize("header", LIBRARIES)
def test_a_library_is_seen_in_its_room_only(header):
    found = [f"{relative(path)}: {include}" for path in SOURCES for include in includes(path)
             if include[0] == "<" and re.fullmatch(header, include[1:-1]) and room_of(path)[1] not in LIBRARIES[header]]
    assert not found, show(found)


def engine_files():
    for folder, stems in ENGINES.items():
        for stem in stems.split():
            for suffix in (".c", ".h"):
                yield ROOT / folder / (stem + suffix)
    for path in SOURCES:
        if room_of(path)[0] in ("market", "evaluate"):
            yield path


def test_engines_are_pure():
    found = []
    for path in engine_files():
        if not path.is_file():
            assert path.suffix == ".h", f"{relative(path)} is gone: mend the list of engines"
            continue
        for include in includes(path):
            name = include[1:-1]
            if include[0] == '"' and "/" in name and name.split("/")[0] not in ENGINE_INCLUDES:
                found.append(f"{relative(path)}: {include}")
            if re.fullmatch(ENGINE_FORBIDDEN_HEADERS, include):
                found.append(f"{relative(path)}: {include}")
        found += findings(ENGINE_FORBIDDEN_CALLS, [path])
        found += findings(GLOBAL_VARIABLE, [path])
    assert not found, show(found)


def test_main_is_short():
    mains = [path for path in SOURCES if path.name == "main.c" and "orchctl" not in path.parts]
    assert len(mains) >= 7
    found = [f"{relative(path)}: {len(path.read_text().splitlines())} lines" for path in mains
             if len(path.read_text().splitlines()) > MAIN_LINES_MAX]
    assert not found, show(found)


def test_headers_begin_with_what_they_are():
    found = [relative(path) for path in SOURCES if path.suffix == ".h" and not path.read_text().startswith("/*")]
    assert not found, show(found)


def texts():
    return [path for path in FILES if path.suffix in TEXT_SUFFIXES and path != pathlib.Path(__file__).resolve()]


def test_nothing_is_left_for_later():
    found = findings(r"\b(TODO|FIXME|XXX)\b", texts())
    assert not found, show(found)


def test_no_path_of_one_machine_and_no_registry_host():
    hosts = ["npmjs" + r"\.(org|com)", "pypi" + r"\.(org|io)", "python" + "hosted", "deb" + r"\.debian\.org",
             "snapshot" + r"\.debian", "docker" + r"\.io/", "gh" + r"cr\.io", "quay" + r"\.io", "crates" + r"\.io",
             "proxy" + r"\.golang", "rubygems" + r"\.org"]
    found = findings(r"(^|[^.\w])/(work|home|root)/\w", texts()) + findings("|".join(hosts), texts())
    assert not found, show(found)


def test_tests_do_not_sleep():
    """A benchmark may pace itself; a test waits for something that happens."""
    checked = [path for path in texts()
               if relative(path).startswith("tests/") and not relative(path).startswith("tests/bench/")]
    assert len(checked) > 20
    found = findings(r"\b(u|nano)?sleep\s*\(|^\s*sleep\s+[\d$]", checked)
    assert not found, show(found)


def test_decisions_are_numbered():
    decisions = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    numbers = [int(path.name[:4]) for path in decisions]
    assert numbers == list(range(1, len(numbers) + 1)), [path.name for path in decisions]
    for path in decisions:
        assert re.fullmatch(r"\d{4}(-[a-z0-9]+)+\.md", path.name), path.name
        assert path.read_text().startswith(f"# {path.name[:4]} "), path.name


def test_what_documents_point_to_exists():
    found = []
    for path in texts():
        text = path.read_text(errors="replace")
        for name in re.findall(r"docs/(decisions/\d{4}-[a-z0-9-]+\.md)", text):
            if not (ROOT / "docs" / name).is_file():
                found.append(f"{relative(path)}: docs/{name}")
        if path.suffix == ".md":
            for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text):
                if not (path.parent / target).exists():
                    found.append(f"{relative(path)}: ({target})")
    assert not found, show(found)
