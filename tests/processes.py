"""Another process that trains."""

import json
import subprocess
import sys
from pathlib import Path

import kdlib

ROOT = Path(kdlib.__file__).resolve().parents[1]

TRAIN = """
import json, sys
sys.path[:0] = sys.argv[1:3]
import tiny, kdlib
from kdlib.training import records
compose = records.compose
def noted(reached, *rest):
    with open(sys.argv[3], "a") as log:
        log.write(reached.run.key + "\\n")
    return compose(reached, *rest)
records.compose = noted
print("ready", flush=True)
sys.stdin.readline()
table = kdlib.train(tiny.study(int(sys.argv[4])), threads=1)
print(json.dumps(table[["key", "status", "accuracy"]].values.tolist()))
"""


class Process:
    """Another process that trains the tiny study in the default store once it is told to."""

    def __init__(self, log, epochs):
        command = [sys.executable, "-c", TRAIN, ROOT, ROOT / "tests", log, str(epochs)]
        self.popen = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def go(self):
        assert self.popen.stdout.readline() == "ready\n"
        self.popen.stdin.write("\n")
        self.popen.stdin.flush()

    def table(self):
        out, _ = self.popen.communicate(timeout=120)
        assert self.popen.returncode == 0
        return json.loads(out.splitlines()[-1])
