"""The pages that list the reports."""

from pathlib import Path

from bs4 import BeautifulSoup
from written import needs_no_network, write_report

from kdlib.report.index import write_indexes


def test_an_index_without_reports_says_how_to_make_them(tmp_path):
    assert "python -m kdlib report" in write_indexes(tmp_path).read_text()


def said(verdict: str, of: str = "D1", scope: str = "cnn2", evidence: str = "") -> dict:
    return {"id": of, "scope": scope, "claim": f"{of}: some words", "verdict": verdict, "evidence": evidence}


def index_of(reports: Path) -> dict[str, list[tuple[str, ...]]]:
    """{claim: [(verdict, where, evidence), ...]} of the page, and each chip's verdicts are those of its lines."""
    soup = BeautifulSoup(write_indexes(reports).read_text(), "html.parser")
    board: dict[str, list[tuple[str, ...]]] = {}
    name = ""
    for row in soup.select("table.claims tr"):
        name = row.th.text if row.th else name  # a claim's further lines follow its first
        verdict, evidence = row.find_all("td")[-2:]
        where = verdict.em.text if verdict.em else ""
        board.setdefault(name, []).append((verdict.span.text, where, evidence.text))
    chips = {li.text.split()[0]: [mark.text for mark in li.select(".verdict")] for li in soup.select(".chips li")}
    assert chips == {name: [line[0] for line in lines] for name, lines in board.items()}
    return board


def test_the_index_lists_every_claim_of_every_source(tmp_path):
    board = index_of(tmp_path)
    assert {name[0]: sum(other[0] == name[0] for other in board) for name in board} == {
        "A": 9, "B": 7, "C": 6, "D": 4, "E": 3}  # fmt: skip
    assert set(map(tuple, board.values())) == {(("not measured", "", ""),)}
    soup = BeautifulSoup((tmp_path / "all.html").read_text(), "html.parser")
    assert needs_no_network(soup)
    assert "vanilla KD is worse than CRD and RKD" in soup.find(id="imbalance_kd_calibration").text
    assert "29 claims" in soup.select_one(".score").text and "small scale" not in soup.select_one(".score").text


def test_the_profile_nearest_to_the_source_decides(tmp_path):
    study = "alpha_temperature_grid"
    for profile, verdict in [("digits", "fails"), ("mine", "holds")]:
        write_report(tmp_path, profile, study, said(verdict, evidence=profile))
    assert index_of(tmp_path)["D1"] == [("holds", "mine, at small scale", "mine")]
    for profile, verdict in [("cifar_cpu", "undecided"), ("cifar_gpu", "fails"), ("paper", "holds")]:
        write_report(tmp_path, profile, study, said(verdict, evidence=profile))
        where = profile if profile == "paper" else f"{profile}, at small scale"
        assert index_of(tmp_path)["D1"] == [(verdict, where, profile)]
    links = [a["href"] for a in BeautifulSoup((tmp_path / "all.html").read_text(), "html.parser").select(".glance a")]
    assert links == [f"{name}/{study}.html" for name in ("paper", "cifar_gpu", "cifar_cpu", "mine", "digits")]


def test_the_sources_own_profile_is_of_small_scale_with_other_parameters(tmp_path):
    study, claim = "alpha_temperature_grid", said("holds", evidence="e")
    for adjusted, where in [(("budget",), "paper"), (("budget", "epochs"), "paper, at small scale")]:
        write_report(tmp_path, "paper", study, claim, adjusted=adjusted)
        assert index_of(tmp_path)["D1"] == [("holds", where, "e")]
        glance = BeautifulSoup((tmp_path / "all.html").read_text(), "html.parser").select(".glance")
        assert any("at small scale" in line.text for line in glance) == ("small" in where)


def test_a_profile_that_did_not_measure_a_claim_leaves_it_to_the_next(tmp_path):
    study = "alpha_temperature_grid"
    write_report(tmp_path, "paper", study, said("not measured", evidence="45 rows are missing"))
    assert index_of(tmp_path)["D1"] == [("not measured", "", "45 rows are missing")]
    write_report(tmp_path, "cifar_cpu", study, said("undecided"))
    assert index_of(tmp_path)["D1"] == [("undecided", "cifar_cpu, at small scale", "")]
    score = BeautifulSoup((tmp_path / "all.html").read_text(), "html.parser").select_one(".score")
    assert "1 of 1 verdicts at small scale" in score.text and "not measured 28" in score.text


def test_digits_never_decide(tmp_path):
    write_report(tmp_path, "digits", "alpha_temperature_grid", said("holds"))
    assert index_of(tmp_path)["D1"] == [("not measured", "", "handwritten digits never decide a published claim")]


def test_scopes_are_decided_apart(tmp_path):
    study, tails = "imbalance_kd_calibration", ("CIFAR-10 IF 50", "CIFAR-10 IF 100")
    whole = said("not measured", "A1", "CIFAR-10 IF 50; CIFAR-10 IF 100 (decided apart)", "no rows")
    write_report(tmp_path, "paper", study, whole, said("holds", "A8", tails[0], "p"))
    assert index_of(tmp_path)["A1"] == [("not measured", "", "no rows")]
    lines = [said("not measured", "A1", tails[0], "no rows"), said("fails", "A1", tails[1], "q")]
    write_report(tmp_path, "cifar_cpu", study, *lines, *(said("fails", "A8", tail, "q") for tail in tails))
    board, small = index_of(tmp_path), "cifar_cpu, at small scale"
    assert board["A1"] == [("not measured", "", f"{tails[0]}: no rows"), ("fails", small, f"{tails[1]}: q")]
    assert board["A8"] == [("holds", "paper", f"{tails[0]}: p"), ("fails", small, f"{tails[1]}: q")]
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
    assert board["D1"] == [("fails", "mine, at small scale", "plain")]
    assert board["D2"] == [("holds", "cifar_gpu, at small scale", "")]


def test_digits_are_known_by_the_data_of_the_rows(tmp_path):
    study = "alpha_temperature_grid"
    write_report(tmp_path, "digits", study, said("holds"), rows=[{"data": "cifar10"}])
    assert index_of(tmp_path)["D1"] == [("holds", "digits, at small scale", "")]
    write_report(tmp_path, "digits", study, said("holds"), rows=[{"data": "digits"}])
    assert index_of(tmp_path)["D1"][0][0] == "not measured"
