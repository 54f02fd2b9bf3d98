"""`query`: SQL over a run's files."""
import subprocess

import pytest

import stack as harness

QUERY = str(harness.BIN / "query")


def test_rows_go_behind_what_standard_output_has_already(tmp_path):
    """A shell that collects several commands in one file must not find it emptied by one of them."""
    target = tmp_path / "collected"
    with open(target, "w") as out:
        out.write("before\n")
        out.flush()
        subprocess.run([QUERY, "select 1 as a union all select 2 order by a"], stdout=out, check=True)
        subprocess.run([QUERY, "--json", "select 3 as b"], stdout=out, check=True)
    assert target.read_text() == 'before\na\n1\n2\n{"b":3}\n'


@pytest.mark.parametrize("arguments, code", [([], 2), (["--bogus"], 2), (["--json"], 2), (["select", "1"], 2),
                                             (["selec"], 1), (["drop table x"], 1), ([""], 1)])
def test_wrong_use_and_wrong_sql_end_with_a_sentence(arguments, code):
    done = subprocess.run([QUERY, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == code and done.stderr and not done.stdout, done


def test_an_output_that_takes_nothing_is_an_error():
    with open("/dev/full", "w") as full:
        done = subprocess.run([QUERY, "select 1"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 1 and "standard output" in done.stderr, done
