"""What cells say, and whether declared runs are older than their parameters."""

import subprocess
import sys

import pytest

from kdlib.cells import literals, outdated

FIRST, DECLARE = "epochs: int = 20  # of a student\nlr = 0.1", "declared = {'a': [epochs]}"


def test_literals_are_those_of_a_cell_of_nothing_else():
    assert literals("# Parameters\na = 1\nb: list[float] = [1, -2.5]\n") == {"a": 1, "b": [1, -2.5]}
    for other in ("a = 1\nprint(a)", "a, b = 1, 2", "a = f(1)", "a.b = 1", "%matplotlib inline", "a: int", "x ="):
        assert literals(other) == {}


@pytest.mark.parametrize(
    ("ran", "names"),
    [
        ([FIRST, DECLARE], []),
        ([FIRST, DECLARE, FIRST], []),
        ([FIRST, "epochs = 3", DECLARE], []),
        ([FIRST, DECLARE, "epochs = 3"], ["epochs = 3 (declared: 20)"]),
        ([FIRST, DECLARE, "epochs = 3", FIRST], []),
        ([FIRST, DECLARE, "epochs = 3", DECLARE], []),
        ([FIRST, "epochs = 3", DECLARE, FIRST], ["epochs = 20 (declared: 3)"]),
        ([FIRST, DECLARE, "other = 3"], []),
        ([FIRST, "epochs = 3"], []),
    ],
)
def test_runs_older_than_their_parameters_are_told(ran, names):
    said = outdated(ran)
    assert (said is None) == (not names)
    assert all(name in said for name in names)


def test_training_says_so_in_a_kernel():
    """In IPython, as a user runs the cells; budget 0 trains nothing."""
    run = "kdlib.Run(data='digits', network='cnn2', epochs=epochs)"
    cells = ["import kdlib", "epochs = 2", f"declared = [{run}]", "epochs = 3", "kdlib.train(declared, budget=0);"]
    shell = "from IPython.core.interactiveshell import InteractiveShell\nshell = InteractiveShell.instance()\n"
    code = shell + "\n".join(f"shell.run_cell({cell!r}, store_history=True)" for cell in cells)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "The runs are older than the parameters: epochs = 3 (declared: 2)." in done.stdout, done.stdout + done.stderr


def test_an_error_that_a_user_can_mend_is_one_line_in_ipython():
    code = "import kdlib\n\n\ndef f():\n    raise kdlib.KdlibError('Give more.')\n\n\nf()"
    done = subprocess.run([sys.executable, "-m", "IPython", "--no-banner", "--colors=NoColor", "-c", code],
                          capture_output=True, text=True)  # fmt: skip
    assert (done.stdout + done.stderr).strip().splitlines() == ["KdlibError: Give more."]
