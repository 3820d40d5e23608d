"""Ratios against code written the usual way, each measured within one run: `python -m kdlib bench [NAME ...]`.

Both sides train the same networks on the same images and the same cores, in turns, so that what else the machine does
meets both. The usual way stands in kdlib.bench.usual, and its own images/s are printed: it is no straw man.
A bench is a function without required parameters that returns a kdlib.bench.measure.Result.
"""

from kdlib.registry import Registry

benches = Registry("bench", __name__)
benches.add("grid", "kdlib.bench.grid:grid")
benches.add("students", "kdlib.bench.students:students")
benches.add("study", "kdlib.bench.students:study")
benches.add("crop_flip", "kdlib.bench.crop_flip:crop_flip")
benches.add("step", "kdlib.bench.step:step")
benches.add("crd", "kdlib.bench.crd:crd")
benches.add("import", "kdlib.bench.imports:imports")


def overview() -> str:
    """Each bench and what it measures, a paragraph per bench; nothing is imported to say it."""
    return "\n\n".join(f"{name}: {benches[name].summary}" for name in benches)


def main(names: list[str] | None = None) -> None:
    """Runs the named benches (None: all) and prints each as it is finished.

    Raises KdlibError for an unknown name, before anything is measured.
    """
    chosen = [benches[name] for name in names or benches]
    from kdlib.bench.measure import load, machine

    print(f"{machine()}, {load()}", flush=True)
    for entry in chosen:
        print(f"\n{entry.load()()}", flush=True)
