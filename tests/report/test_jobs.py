"""What a command asks for, and what its report is called."""

import shlex

import pytest
from written import write_notebook, write_profile

from kdlib.registry import KdlibError
from kdlib.report.jobs import command, plan
from kdlib.report.values import from_arguments, from_file


@pytest.fixture
def notebook(tmp_path):
    return write_notebook(tmp_path / "tiny.ipynb")


def test_arguments_are_read_as_yaml_1_2():
    words = ["epochs=3", "alphas=[0.1,5e-1]", "quiet=true", "lr=1e-3", "data=no"]
    assert list(from_arguments(words).values()) == [3, [0.1, 0.5], True, 0.001, "no"]
    odd = ["a=010", "b=null", "c=None", "d=", "e=x=1", "f=1:30"]
    assert list(from_arguments(odd).values()) == [10, None, None, None, "x=1", "1:30"]


def test_profiles_fill_in_and_arguments_win(notebook):
    write_profile(notebook, "long", "epochs: 100\nlr: 1e-2\n")
    (job,) = plan([str(notebook)], "long", ["epochs=50"])
    assert job.parameters == {"epochs": 50, "lr": 0.01}
    assert command(job) == "python -m kdlib report tiny --profile long -p epochs=50"


@pytest.mark.parametrize(
    ("params", "to", "name"),
    [
        ([], None, "tiny"),
        (["budget=60"], None, "tiny"),
        (["epochs=100"], None, "tiny"),  # as the profile has it
        (["epochs=1"], None, "tiny--epochs-1"),
        (["epochs=1", "budget=2"], None, "tiny--epochs-1"),
        (["alphas=[0.5, 0.9]", "lr=0.2"], None, "tiny--alphas-0.5-0.9-lr-0.2"),
        (["alphas=[]"], None, "tiny--alphas-none"),
        (["data=../x y"], None, "tiny--data-..-x-y"),
        (["epochs=1"], "short", "tiny--short"),
        ([], "again", "tiny--again"),
    ],
)
def test_a_report_of_other_parameters_has_a_name_of_its_own(notebook, params, to, name):
    write_profile(notebook, "long", "epochs: 100\n")
    (job,) = plan([str(notebook)], "long", params, to)
    assert job.name == name
    words = shlex.split(command(job))[5:]  # what is typed again leads to the same
    options = dict(zip(words[::2], words[1::2], strict=True))
    repeated = [word for option, word in zip(words[::2], words[1::2], strict=True) if option == "-p"]
    assert plan([str(notebook)], options["--profile"], repeated, options.get("--to"))[0].name == name


def test_a_long_name_is_cut_and_still_its_own(notebook):
    names = {plan([str(notebook)], "digits", [f"alphas={[0.01 * n for n in range(m)]}"])[0].name for m in (20, 21)}
    assert len(names) == 2 and all(len(name) < 65 for name in names)


@pytest.mark.parametrize("to", ["a/b", "..", "", "-p"])
def test_a_name_that_is_no_file_name(notebook, to):
    with pytest.raises(KdlibError, match="--to .*: name one notebook, and its report by letters"):
        plan([str(notebook)], "digits", [], to)


def test_unknown_names_get_one_sentence(notebook):
    profile = write_profile(notebook, "long", "epoch: 100\n")
    with pytest.raises(KdlibError, match=r"'epoch': did you mean 'epochs'.* \(long/tiny\.yaml\)"):
        plan([str(notebook)], "long", [])
    with pytest.raises(KdlibError, match="Unknown profile 'lang': did you mean 'long'.*digits, long"):
        plan([str(notebook)], "lang", [])
    with pytest.raises(KdlibError, match="Unknown notebook 'nothing_like_it'"):
        plan(["nothing_like_it"], "digits", [])
    profile.write_text("- 1")
    with pytest.raises(KdlibError, match="is no mapping"):
        from_file(profile)
