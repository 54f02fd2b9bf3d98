import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import fakes  # noqa: E402


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    return fakes.link_programs(tmp_path_factory.mktemp("bin"))


@pytest.fixture
def run(programs, tmp_path, request):
    """A run at work, whose orchestrator can be killed; its parameters are settings."""
    with fakes.Mortal(programs, tmp_path, sets=getattr(request, "param", {})) as run:
        run.wait_line("go: all ready")
        yield run
