"""`tokbench check` and `tokbench plugins`: findings, owners, and what could not be loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from tokbench.cli import main

GOOD = """
import numpy as np
import tokbench
from tokbench import SemanticIds, Tokenizer, hookimpl, option

class Mine(Tokenizer):
    '''Random codes.'''
    name = "mine"
    class Config(tokbench.Config):
        '''Shape.'''
        size: int = option(8, ge=2, description="codes per level")
    def tokenize(self, catalog, *, seed, runtime):
        chance = np.random.default_rng(seed)
        return SemanticIds(chance.integers(0, self.config.size, (len(catalog), 2)), (8, 8))

@hookimpl
def register_tokenizers():
    return [Mine]
"""


def write(folder: Path, name: str, source: str) -> str:
    path = folder / f"{name}.py"
    path.write_text(source)
    return str(path)


def installed(folder: Path, name: str, source: str, version: str = "1.2") -> None:
    """What an installer leaves behind for a package with one entry point."""
    write(folder, name, source)
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[tokbench]\n{name} = {name}\n")


def test_check_passes_what_conforms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "mine", "--plugin", write(tmp_path, "good", GOOD)]) == 0
    out = capsys.readouterr().out
    assert "FAIL" not in out
    assert "pass  shape and range (2 levels of [8, 8]" in out
    assert "16 rules kept, 0 broken" in out


def test_check_names_rule_expected_found_and_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["check", "mine", "--plugin", write(tmp_path, "good", GOOD)]
    assert main([*words, "--set", "tokenizer.size=9"]) == 1, "level_sizes stays at 8"
    out = capsys.readouterr().out
    assert "tokenizer mine (file), size=9" in out
    for words_of_it in ("FAIL  shape and range", "expected codes in [0, 8)", "found    codes from",
                        "remedy   level_sizes gives"):  # fmt: skip
        assert words_of_it in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["check", "rndom"], "did you mean random"),
        (["check", "random", "--set", "tokenizer.sise=3"], "no such option"),
        (["check", "random:uniqe"], "did you mean unique"),
        (["check", "mine", "--plugin", "{tmp}/broken.py"], "not loaded: {tmp}/broken.py"),
    ],
)
def test_what_cannot_be_examined_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    (tmp_path / "broken.py").write_text("1 / 0")
    words = [word.replace("{tmp}", str(tmp_path)) for word in words]
    assert main(words) == 1
    assert said.replace("{tmp}", str(tmp_path)) in capsys.readouterr().err


def test_plugins_names_packages_versions_and_what_they_add(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(tmp_path, "good_plugin", GOOD)
    installed(tmp_path, "unmarked_plugin", GOOD.replace("@hookimpl\n", "").replace("mine", "us"))
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["plugins"]) == 0
    out = capsys.readouterr().out
    good = next(line for line in out.splitlines() if "good_plugin 1.2" in line)
    assert "tokenizer mine" in good
    unmarked = next(line for line in out.splitlines() if "unmarked_plugin 1.2" in line)
    assert "nothing: mark its hook functions with @tokbench.hookimpl" in unmarked
    assert "failed" not in out


def test_plugins_says_what_failed_and_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(tmp_path, "raising_plugin", "import nothing_of_that_name")
    installed(tmp_path, "misspelt_plugin", GOOD.replace("register_tok", "register_toc"))
    installed(tmp_path, "taking_plugin", GOOD.replace("mine", "cost"))
    installed(tmp_path, "hanging_plugin", "while True: pass")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("TOKBENCH_PLUGIN_SECONDS", "2")
    assert main(["plugins"]) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("failed")]
    for name, reason in {
        "raising_plugin": "No module named 'nothing_of_that_name'",
        "misspelt_plugin": "register_tocenizers",
        "taking_plugin": "'cost' is already registered by tokbench.tokenizers",
        "hanging_plugin": "took longer than 2 s",
    }.items():
        (line,) = (line for line in lines if f"package {name} 1.2" in line)
        assert reason in line


def test_without_plugins_it_says_how_to_start(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tokbench.registry.registry.metadata.entry_points", lambda group: ())
    assert main(["plugins"]) == 0
    assert "tokbench new tokenizer" in capsys.readouterr().out


def test_brackets_in_a_description_are_no_markup(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = GOOD.replace("Random codes.", "Codes [red] at random.").replace(
        "codes per level", "K [see there]"
    )
    path = write(tmp_path, "marked", source)
    assert main(["list", "tokenizers", "--plugin", path]) == 0
    assert "Codes [red] at random." in capsys.readouterr().out
    assert main(["show", "mine", "--plugin", path]) == 0
    assert "K [see there]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["new", "tokenizer", "cost", "--out", "mine"], "tokenizer 'cost' is there already"),
        (["run", "--dataset", "toy", "--plugin", "nowhere.py"], "'nowhere.py' does not exist"),
    ],
)
def test_a_taken_name_and_a_missing_file_are_refused(
    words: list[str], said: str, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(words) != 0
    assert said in capsys.readouterr().err
    assert not any(tmp_path.iterdir())
