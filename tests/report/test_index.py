"""The pages that list the reports."""

from pathlib import Path

from bs4 import BeautifulSoup, Tag
from written import needs_no_network, write_report

from kdlib.intervals.verdicts import attempt, need
from kdlib.report.index import write_indexes


def test_an_index_without_reports_says_how_to_make_them(tmp_path):
    assert "python -m kdlib report" in write_indexes(tmp_path).read_text()


def said(verdict: str, of: str = "D1", scope: str = "cnn2", evidence: str = "", **in_source: str) -> dict:
    line = {"id": of, "scope": scope, "claim": f"{of}: some words", "verdict": verdict, "evidence": evidence}
    return line | in_source


NOBODY = "–"


def answer(cell: Tag) -> tuple[str, ...] | str:
    """(verdict, profile, evidence) of a cell, or the dash of one that has none."""
    parts = cell.select_one(".verdict"), cell.em, cell.p
    return tuple(part.text if part else "" for part in parts) if parts[0] else cell.text.strip()


def index_of(reports: Path) -> dict[str, list[tuple]]:
    """{claim: [(scope, own table, ours at small scale, ours at the source's), ...]} of the page, a line for each scope;
    each chip's verdicts are those of ours that are nearest to the source."""
    soup = BeautifulSoup(write_indexes(reports).read_text(), "html.parser")
    board: dict[str, list[tuple]] = {}
    name = ""
    for row in soup.select("table.claims tbody tr"):
        name = row.th.text if row.th else name  # a claim's further lines follow its first
        claim, *answers = row.find_all("td")
        board.setdefault(name, []).append((claim.p.text if claim.p else "", *map(answer, answers)))
    chips = {li.text.split()[0]: [mark.text for mark in li.select(".verdict")] for li in soup.select(".chips li")}
    assert chips == {name: [nearest(*line[2:]) for line in lines] for name, lines in board.items()}
    return board


def nearest(small: tuple | str, at_scale: tuple | str = NOBODY) -> str:
    given = [found[0] for found in (at_scale, small) if found != NOBODY]
    return next((verdict for verdict in given if verdict != "not measured"), "not measured")


def ours(reports: Path, claim: str) -> list[tuple]:
    """The answers of ours, at small scale and at the source's."""
    return [line[2:] for line in index_of(reports)[claim]]


def test_the_index_lists_every_claim_of_every_source(tmp_path):
    board = index_of(tmp_path)
    assert {name[0]: sum(other[0] == name[0] for other in board) for name in board} == {
        "A": 9, "B": 7, "C": 6, "D": 4, "E": 3}  # fmt: skip
    assert set(map(tuple, board.values())) == {(("", NOBODY, NOBODY, NOBODY),)}
    soup = BeautifulSoup((tmp_path / "all.html").read_text(), "html.parser")
    assert needs_no_network(soup)
    assert "vanilla KD is worse than CRD and RKD" in soup.find(id="imbalance_kd_calibration").text
    columns = [th.text for th in soup.select_one("table.claims thead").select("th")]
    assert columns == ["", "claim", "its own table", "ours, small scale", "ours, at the source's scale"]
    assert "29 claims" in soup.select_one(".score").text and "small scale" not in soup.select_one(".score").text


def test_the_profile_nearest_to_the_source_decides(tmp_path):
    study = "alpha_temperature_grid"
    for profile, verdict in [("digits", "fails"), ("mine", "holds")]:
        write_report(tmp_path, profile, study, said(verdict, evidence=profile))
    assert ours(tmp_path, "D1") == [(("holds", "mine", "mine"), NOBODY)]
    for profile, verdict in [("cifar_cpu", "undecided"), ("cifar_gpu", "fails")]:
        write_report(tmp_path, profile, study, said(verdict, evidence=profile))
        assert ours(tmp_path, "D1") == [((verdict, profile, profile), NOBODY)]
    write_report(tmp_path, "paper", study, said("holds", evidence="p"))
    assert ours(tmp_path, "D1") == [(("fails", "cifar_gpu", "cifar_gpu"), ("holds", "paper", "p"))]
    links = [a["href"] for a in BeautifulSoup((tmp_path / "all.html").read_text(), "html.parser").select(".glance a")]
    assert links == [f"{name}/{study}.html" for name in ("paper", "cifar_gpu", "cifar_cpu", "mine", "digits")]


def test_the_sources_own_profile_is_of_small_scale_with_other_parameters(tmp_path):
    study, claim = "alpha_temperature_grid", said("holds", evidence="e")
    found = "holds", "paper", "e"
    for adjusted, answers in [(("budget",), (NOBODY, found)), (("budget", "epochs"), (found, NOBODY))]:
        write_report(tmp_path, "paper", study, claim, adjusted=adjusted)
        assert ours(tmp_path, "D1") == [answers]
        glance = BeautifulSoup((tmp_path / "all.html").read_text(), "html.parser").select(".glance")
        assert any("at small scale" in line.text for line in glance) == (answers[0] == found)


def test_a_profile_that_did_not_measure_a_claim_leaves_it_to_the_next(tmp_path):
    study = "alpha_temperature_grid"
    missing = "not measured", "", "45 rows are missing"
    write_report(tmp_path, "paper", study, said(missing[0], evidence=missing[2]))
    assert ours(tmp_path, "D1") == [(NOBODY, missing)]
    write_report(tmp_path, "cifar_cpu", study, said("undecided"))
    assert ours(tmp_path, "D1") == [(("undecided", "cifar_cpu", ""), missing)]
    score = BeautifulSoup((tmp_path / "all.html").read_text(), "html.parser").select_one(".score")
    assert "1 of 1 verdicts at small scale" in score.text and "not measured 28" in score.text


def lacking(number: int, of: int) -> str:
    """What a rule says that lacks so many of its rows."""
    rows = {place: {0: {}} for place in range(number, of)}
    return attempt(lambda rows: need(rows, range(of)), rows).evidence


def test_a_claim_that_nobody_measured_is_told_of_by_the_report_that_has_most_of_its_rows(tmp_path):
    study = "imbalance_kd_calibration"
    for profile, number in [("cifar_cpu", 128), ("cifar100_cpu", 112), ("mine", 120)]:
        evidence = lacking(number, of=128)
        write_report(tmp_path, profile, study, said("not measured", "A2", "IF 100", evidence), measured=[300, 300])
    assert ours(tmp_path, "A2") == [(("not measured", "", lacking(112, of=128)), NOBODY)]
    write_report(tmp_path, "all_of_it", study, said("undecided", "A2", "IF 100", "e"))
    assert ours(tmp_path, "A2") == [(("undecided", "all_of_it", "e"), NOBODY)]


def test_the_sources_own_table_stands_beside_ours(tmp_path):
    study, source = "alpha_temperature_grid", {"in_source": "fails", "evidence_in_source": "-1 points"}
    write_report(tmp_path, "cifar_cpu", study, said("holds"), said("fails", "mine", in_source=None))
    write_report(tmp_path, "digits", study, said("holds", **source))
    board, digits = index_of(tmp_path), "handwritten digits never decide a published claim"
    assert board["D1"] == [("", ("fails", "", "-1 points"), ("holds", "cifar_cpu", ""), NOBODY)]
    assert board["mine"] == [("", NOBODY, ("fails", "cifar_cpu", ""), NOBODY)]
    (tmp_path / "cifar_cpu" / f"{study}.json").unlink()
    assert index_of(tmp_path)["D1"] == [("", ("fails", "", "-1 points"), ("not measured", "", digits), NOBODY)]


def test_digits_never_decide(tmp_path):
    write_report(tmp_path, "digits", "alpha_temperature_grid", said("holds"))
    digits = "not measured", "", "handwritten digits never decide a published claim"
    assert ours(tmp_path, "D1") == [(digits, NOBODY)]


def test_an_own_study_has_one_answer_to_each_claim(tmp_path):
    write_report(tmp_path, "digits", "mystudy", said("holds", "M1", evidence="e"))
    write_report(tmp_path, "mine", "mystudy", said("fails", "M1", evidence="f"))
    soup = BeautifulSoup(write_indexes(tmp_path).read_text(), "html.parser").find(id="mystudy")
    (row,) = soup.select("table.claims tbody tr")
    assert answer(row.find_all("td")[1]) == ("fails", "mine", "f") and len(row.find_all("td")) == 2


def test_scopes_are_decided_apart(tmp_path):
    study, tails = "imbalance_kd_calibration", ("CIFAR-10 IF 50", "CIFAR-10 IF 100")
    whole = said("not measured", "A1", "CIFAR-10 IF 50; CIFAR-10 IF 100 (decided apart)", "no rows")
    write_report(tmp_path, "paper", study, whole, said("holds", "A8", tails[0], "p"))
    nothing = "not measured", "", "no rows"
    assert index_of(tmp_path)["A1"] == [("", NOBODY, NOBODY, nothing)]
    lines = [said("not measured", "A1", tails[0], "no rows"), said("fails", "A1", tails[1], "q")]
    write_report(tmp_path, "cifar_cpu", study, *lines, *(said("fails", "A8", tail, "q") for tail in tails))
    board, fails = index_of(tmp_path), ("fails", "cifar_cpu", "q")
    assert board["A1"] == [(tails[0], NOBODY, nothing, NOBODY), (tails[1], NOBODY, fails, NOBODY)]
    assert board["A8"] == [(tails[0], NOBODY, fails, ("holds", "paper", "p")), (tails[1], NOBODY, fails, NOBODY)]
    score = BeautifulSoup((tmp_path / "all.html").read_text(), "html.parser").select_one(".score").text
    assert "29 claims in 31 parts" in score and "2 of 3 verdicts at small scale" in score


def test_a_report_of_how_we_measure_is_linked_and_is_no_study(tmp_path):
    for profile in ("digits", "paper"):
        write_report(tmp_path, profile, "our_method", title="How we measure", scale=profile, method=True)
    assert {name[0] for name in index_of(tmp_path)} == set("ABCDE")
    soup = BeautifulSoup((tmp_path / "all.html").read_text(), "html.parser")
    links = [(link.text, link["href"]) for link in soup.select("footer a")]
    assert links == [("How we measure", "paper/our_method.html")] and soup.find(id="our_method") is None


def studies_of(page: Path) -> dict[str, list[str]]:
    """{id of a study: the links of its reports}, in the order of the page."""
    sections = BeautifulSoup(page.read_text(), "html.parser").select("section.study")
    return {s["id"]: [a["href"] for a in s.select(".glance a")] for s in sections if s.select(".glance a")}


def test_the_committed_page_lists_no_report_that_git_ignores(tmp_path):
    study = "alpha_temperature_grid"
    for profile, name in [("digits", ""), ("cifar_cpu", ""), ("cifar_cpu", f"{study}--epochs-1")]:
        write_report(tmp_path, profile, study, name=name, adjusted=["epochs"] * bool(name), parameters={"epochs": 1})
    write_report(tmp_path, "digits", "mystudy")
    everything = write_indexes(tmp_path)
    assert studies_of(tmp_path / "index.html") == {study: [f"cifar_cpu/{study}.html"]}
    links = [f"cifar_cpu/{study}.html", f"cifar_cpu/{study}--epochs-1.html", f"digits/{study}.html"]
    assert studies_of(everything) == {study: links, "mystudy": ["digits/mystudy.html"]}
    assert "epochs 1" in BeautifulSoup(everything.read_text(), "html.parser").find(id=study).text


def test_the_committed_page_is_left_alone_by_a_report_that_git_ignores(tmp_path):
    committed = write_report(tmp_path, "cifar_cpu", "a")
    for ignored in (write_report(tmp_path, "digits", "a"), write_report(tmp_path, "cifar_cpu", "a", name="a--lr-1")):
        write_indexes(tmp_path, [ignored])
        assert (tmp_path / "all.html").exists() and not (tmp_path / "index.html").exists()
    write_indexes(tmp_path, [ignored, committed])
    assert (tmp_path / "index.html").exists()


def test_other_parameters_decide_only_what_nothing_else_has_measured(tmp_path):
    study = "alpha_temperature_grid"
    write_report(tmp_path, "mine", study, said("fails", evidence="plain"))
    adjusted = {"adjusted": ["epochs"], "parameters": {"epochs": 1}}
    both = said("holds"), said("holds", "D2")
    write_report(tmp_path, "cifar_gpu", study, *both, name=f"{study}--epochs-1", **adjusted)
    board = index_of(tmp_path)
    assert board["D1"] == [("", NOBODY, ("fails", "mine", "plain"), NOBODY)]
    assert board["D2"] == [("", NOBODY, ("holds", "cifar_gpu", ""), NOBODY)]


def test_digits_are_known_by_the_data_of_the_rows(tmp_path):
    study = "alpha_temperature_grid"
    write_report(tmp_path, "digits", study, said("holds"), rows=[{"data": "cifar10"}])
    assert ours(tmp_path, "D1") == [(("holds", "digits", ""), NOBODY)]
    write_report(tmp_path, "digits", study, said("holds"), rows=[{"data": "digits"}])
    assert ours(tmp_path, "D1")[0][0][0] == "not measured"
