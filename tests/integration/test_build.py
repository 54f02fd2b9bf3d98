"""A build of which nothing has changed has no steps, and one of which something has says so in its version: the house's own rules, in a project
of one file."""
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(os.environ.get("ORDERFLOW_ROOT", pathlib.Path(__file__).resolve().parents[2]))
PROJECT = f"""
cmake_minimum_required(VERSION 3.22)
project(small VERSION 1.2.3 LANGUAGES C)
list(APPEND CMAKE_MODULE_PATH "{ROOT}/cmake")
include(OrderflowVersion)
add_executable(small tools/small.c)
target_include_directories(small PRIVATE "${{ORDERFLOW_GENERATED_DIR}}")
add_dependencies(small orderflow_version)
"""
SOURCE = '#include <orderflow_version.h>\n#include <stdio.h>\nint main(void)\n{\n    puts(ORDERFLOW_VERSION_LINE);\n}\n'


class Small:
    def __init__(self, folder):
        self.folder = folder
        (folder / "tools").mkdir()
        (folder / "tools/small.c").write_text(SOURCE)
        (folder / "README.md").write_text("small\n")
        (folder / ".gitignore").write_text("/build/\n")
        (folder / "CMakeLists.txt").write_text(PROJECT)
        self.run("git", "init", "-q", "-b", "main")
        self.commit("one")
        self.run("cmake", "-G", "Ninja", "-S", ".", "-B", "build")

    def run(self, *words):
        environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_AUTHOR_NAME": "n", "GIT_AUTHOR_EMAIL": "n@example.org",
                       "GIT_COMMITTER_NAME": "n", "GIT_COMMITTER_EMAIL": "n@example.org"}
        done = subprocess.run(words, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, (words, done)
        return done.stdout

    def commit(self, subject):
        self.run("git", "add", "-A")
        self.run("git", "commit", "-q", "-m", subject)
        return self.run("git", "rev-parse", "HEAD")[:12]

    def build(self):
        return self.run("cmake", "--build", "build")

    def version(self):
        self.build()
        return self.run("build/small")


@pytest.fixture
def small(tmp_path):
    return Small(tmp_path)


def test_a_build_of_which_nothing_has_changed_has_no_steps_and_the_version_is_that_of_what_is_built(small):
    head = small.run("git", "rev-parse", "HEAD")[:12]
    assert f"({head}, " in small.version()
    assert "no work to do" in small.build()
    (small.folder / "README.md").write_text("a word more\n")
    assert "no work to do" in small.build(), "nobody builds documents"
    with open(small.folder / "tools/small.c", "a") as source:
        source.write("/* changed */\n")
    assert f"({head}+changes, " in small.version()
    assert "no work to do" in small.build()
    head = small.commit("two")
    assert f"({head}, " in small.version(), "a commit is told, and that nothing is changed any more"
    assert "no work to do" in small.build()
