"""Text files are UTF-8 on every machine."""

import ast

import pytest

from kdlib.places import ROOT

TEXT = {"read_text", "write_text", "open", "run", "Popen"}


def says_no_encoding(call: ast.Call) -> bool:
    """Whether the call reads or writes text in the machine's own encoding."""
    name = getattr(call.func, "attr", getattr(call.func, "id", None))
    named = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    words = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
    binary = any(isinstance(word, str) and "b" in word for word in [*words, named.get("mode", "")])
    if name not in TEXT or "encoding" in named or binary:
        return False
    return named.get("text") == "True" if name in ("run", "Popen") else ast.unparse(call.func) not in FOREIGN


FOREIGN = {"Image.open", "os.open", "tarfile.open"}  # of no text


@pytest.mark.parametrize("path", sorted((ROOT / "kdlib").rglob("*.py")), ids=lambda path: path.stem)
def test_every_text_file_is_read_and_written_as_utf_8(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert [ast.unparse(call) for call in calls if says_no_encoding(call)] == []
