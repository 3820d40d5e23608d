"""What `import kdlib` costs a reader who has torch loaded already."""

import subprocess
import sys
from statistics import median

from kdlib.bench.measure import Result

PROBE = """
import time
clock = [time.perf_counter()]
for line in ("import torch", "import kdlib", "kdlib.train"):
    exec(line)
    clock.append(time.perf_counter())
print(*(b - a for a, b in zip(clock, clock[1:])))
"""


def imports(repeats: int = 5) -> Result:
    """Seconds that `import kdlib` takes beside `import torch`, each in a new process."""
    runs = [
        subprocess.run([sys.executable, "-c", PROBE], capture_output=True, encoding="utf-8", check=True).stdout.split()
        for _ in range(repeats)
    ]
    with_torch, ours, engine = (median(map(float, column)) for column in zip(*runs, strict=True))
    return Result(
        name="import",
        value=ours,
        target=0.5,
        kind="s",
        usual=with_torch,
        ours=ours,
        unit="s; usual is `import torch` itself",
        limit=(
            "nothing heavy is imported until a name is first used: the training loop, with pandas, takes another "
            f"{engine:.2f} s at its first use."
        ),
        details=(f"median of {repeats} new processes",),
    )
