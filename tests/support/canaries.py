"""A canary that was run by hand, and what it left."""
import csv
import json
import os
import subprocess

import stack


def orchctl(folder, *arguments, seconds=120):
    return subprocess.run([str(stack.BIN / "orchctl"), *map(str, arguments)], cwd=folder, capture_output=True, text=True,
                          timeout=seconds, env=os.environ)


class Canary(stack.Stack):
    """What a run left, for reading; it has ended."""

    def __init__(self, folder):
        self.folder, self.run_id, self.binaries = folder, "tried", stack.BIN

    def report(self, name):
        return (self.folder / "artifacts/runtime/canary_report" / name).read_text()

    def rows(self, name):
        return list(csv.DictReader(self.report(name).splitlines()))

    def final(self):
        return json.loads(self.report("T+0_final_report.json"))
