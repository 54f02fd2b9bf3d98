import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import engine as harness  # noqa: E402


@pytest.fixture(scope="session")
def engine():
    try:
        with harness.Engine() as found:
            found.image()
            yield found
    except harness.Unavailable as reason:
        pytest.skip(str(reason))
