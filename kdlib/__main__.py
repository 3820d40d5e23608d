"""The command line: python -m kdlib report | train | runs | data | bench."""

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

import kdlib
from kdlib.registry import KdlibError, Stopped

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
    if index and (notebooks or parameters or to):
        raise KdlibError("--index executes nothing: leave out notebooks, -p and --to.")
    if index:
        print(kdlib.report.write_indexes())
        return
    with stopping_in_words():
        kdlib.report.main(notebooks or [], profile, parameters or [], to)


@app.command()
def train(
    notebook: Annotated[str, typer.Argument(help="Its name or path.")],
    profile: Profile = "digits",
    parameters: Parameters = None,
):
    """Train what a notebook declares, without Jupyter: for machines that only compute."""
    with stopping_in_words():
        kdlib.report.train_declared(notebook, profile, parameters or [])


runs = typer.Typer(help="List the runs in the store and the committed ones, or look after them.")
app.add_typer(runs, name="runs")

Where = Annotated[list[str] | None, typer.Option(help="NAME=VALUE, such as network=cnn2 or status=failed.")]
Key = Annotated[str, typer.Argument(help="The beginning of a run's key is enough.")]


@runs.callback(invoke_without_command=True)
def _list_if_nothing_else(context: typer.Context):
    if context.invoked_subcommand is None:
        list_runs()


@runs.command("list")
def list_runs(
    where: Where = None,
    limit: Annotated[int, typer.Option(min=0, help="How many to show; 0: all.")] = 50,
):
    """The runs in the store and the committed ones, with what they have in common said once."""
    from kdlib.store import listing, queries

    print(listing.listing(queries.select(_store(), where or []), limit))


@runs.command()
def show(key: Key):
    """What is kept of a run, without the long lists."""
    from kdlib.store import listing

    print(listing.show(_store(), key))


@runs.command()
def diff(a: Key, b: Key):
    """Why two runs differ."""
    from kdlib.store import listing

    print(listing.diff(_store(), a, b))


@runs.command()
def prune():
    """Remove damaged runs that were set aside, and half-written files."""
    from kdlib.store import maintenance

    print(maintenance.prune(_store()))


@runs.command()
def retry(where: Where = None):
    """Let failed runs be tried again."""
    from kdlib.store import maintenance, queries

    store = _store()
    print(maintenance.retry(store, queries.select(store, where or [])))


@runs.command()
def export(
    where: Where = None,
    replace: Annotated[bool, typer.Option("--replace", help="Also those that are there.")] = False,
    to: Annotated[Path | None, typer.Option(help="A folder; without it, that of the committed records.")] = None,
):
    """Copy records of finished runs, with the weights of small teachers, for others to read."""
    from kdlib.store import maintenance, queries

    store = _store()
    print(maintenance.export(store, queries.select(store, where or []), to, replace))


@app.command()
def data(names: Annotated[list[str] | None, typer.Argument(help="Data sets; all of them if none.")] = None):
    """Without a name: which data sets are there. With one: what is in it; fetched if it is missing."""
    print("\n".join(map(kdlib.data.describe, names)) if names else kdlib.data.overview())


@app.command(help=f"Measure kdlib against the usual way, as ratios within one run.\n\n{kdlib.bench.overview()}")
def bench(names: Annotated[list[str] | None, typer.Argument(help="Benches; all of them if none.")] = None):
    kdlib.bench.main(names)


@contextmanager
def stopping_in_words():
    """Typer would say "Aborted!"."""
    try:
        yield
    except Stopped as stopped:
        sys.exit(str(stopped))


def _store() -> kdlib.store.Store:
    """The store, which looking at it does not make; where there is none, that is said beside the output."""
    store = kdlib.store.Store()
    if not store.root.is_dir():
        missing = f"There is no store {store.root} yet: kdlib.train makes it, or $KDLIB_STORE names another."
        print(missing, file=sys.stderr)
    return store


def main() -> None:
    sys.stdout.reconfigure(errors="backslashreplace")  # "→" is no letter of every terminal's
    try:
        app()
    except KdlibError as error:
        sys.exit(f"kdlib: {error}")


if __name__ == "__main__":
    main()
