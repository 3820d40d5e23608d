"""The command line: python -m kdlib report | train | runs | data | bench."""

import sys
from typing import Annotated

import typer

import kdlib
from kdlib.registry import KdlibError

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Knowledge distillation and calibration, rerun.")


Profile = Annotated[str, typer.Option(help="A folder of notebooks/profiles, or digits.")]
Parameters = Annotated[list[str] | None, typer.Option("-p", help="NAME=VALUE, over the profile's.")]


@app.command()
def report(
    notebooks: Annotated[list[str] | None, typer.Argument(help="Names of notebooks; all of them if none.")] = None,
    profile: Profile = "digits",
    parameters: Parameters = None,
    to: Annotated[str | None, typer.Option(help="The report's own name: <notebook>--NAME.html.")] = None,
    index: Annotated[bool, typer.Option("--index", help="Only the pages that list the reports.")] = False,
):
    """Execute notebooks, render reports/<profile>/<notebook>.html, and list all reports in reports/all.html."""
    if not index:
        kdlib.report.main(notebooks or [], profile, parameters or [], to)
    elif notebooks or parameters or to:
        raise KdlibError("--index executes nothing: leave out notebooks, -p and --to.")
    else:
        print(kdlib.report.write_indexes())


@app.command()
def train(
    notebook: Annotated[str, typer.Argument(help="Its name or path.")],
    profile: Profile = "digits",
    parameters: Parameters = None,
):
    """Train what a notebook declares, without Jupyter: for machines that only compute."""
    kdlib.report.train(notebook, profile, parameters or [])


@app.command()
def runs(
    where: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, such as network=cnn2 or status=failed.")] = None,
    show: Annotated[str | None, typer.Option(help="One run: the beginning of its key is enough.")] = None,
    diff: Annotated[tuple[str, str] | None, typer.Option(help="Why two runs differ.")] = None,
    prune: Annotated[bool, typer.Option("--prune", help="Remove damaged runs and half-written files.")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Let failed runs be tried again.")] = False,
    export: Annotated[bool, typer.Option("--export", help="Copy records to reports/results/.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="With --export: also those that are there.")] = False,
):
    """List the runs in the store and the committed ones, or look after them."""
    from kdlib.store import Store
    from kdlib.store import runs as room

    asked = {"show": show, "diff": diff, "prune": prune, "retry": retry, "export": export}
    asked = [f"--{name}" for name, value in asked.items() if value]
    if len(asked) > 1:
        raise KdlibError(f"{' and '.join(asked)}: ask for one at a time.")
    if replace and not export:
        raise KdlibError("--replace says what --export does with records that are there: give both.")
    if where and (show or diff or prune):
        raise KdlibError(f"{asked[0]} chooses its runs itself: leave out --where.")
    store = Store()
    if show:
        print(room.show(store, show))
    elif diff:
        print(room.diff(store, *diff))
    elif prune:
        print(room.prune(store))
    elif retry:
        print(room.retry(store, room.select(store, where or [])))
    elif export:
        print(room.export(store, room.select(store, where or []), replace))
    else:
        print(room.listing(room.select(store, where or [])))


@app.command()
def data(names: Annotated[list[str] | None, typer.Argument(help="Data sets; all of them if none.")] = None):
    """Without a name: which data sets are there. With one: what is in it; fetched if it is missing."""
    print("\n".join(map(kdlib.data.describe, names)) if names else kdlib.data.overview())


@app.command()
def bench(names: Annotated[list[str] | None, typer.Argument(help="Benches; all of them if none.")] = None):
    """Measure kdlib against the usual way, as ratios within one run."""
    kdlib.bench.main(names)


def main() -> None:
    try:
        app()
    except KdlibError as error:
        sys.exit(f"kdlib: {error}")


if __name__ == "__main__":
    main()
