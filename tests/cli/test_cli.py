"""The command line: fast help, a frozen set of flags, errors in one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from tokbench.cli import COMMANDS, cli, main
from tokbench.report.reports import REPORTS

ONLY_RUN = {"yes", "executor", "address", "gpu-share", "slurm"}
RUN_FLAGS = {
    "dataset", "tokenizer", "generator", "encoder", "seed", "seeds", "tokenizer-seed",
    "generator-seed", "profile", "protocol", "precision",
    "collision-policy", "beam-width", "baselines", "set", "plugin", "results", "cache", "device",
    "threads", "jobs", "codes", "tuned", "cell-seconds", "cell-memory", "store",
}  # fmt: skip
TUNE_FLAGS = {
    "dataset", "tokenizer", "codes", "generator", "encoder", "profile", "protocol",
    "collision-policy", "beam-width", "precision", "set", "tuned", "plugin", "space", "trials",
    "seed", "cache", "device", "threads", "format", "json",
}  # fmt: skip
REPORT_FLAGS = {
    **{name: {"dataset", "format", "json", "limit", "wide"} for name in REPORTS},
    "grid": RUN_FLAGS
    - {"cache", "device", "jobs", "threads", "cell-seconds", "cell-memory", "store"}
    | {"format", "json", "out"},
    "site": {"dataset", "out", "titles"},
}


def shop(folder: Path, *, users: int = 12, items: int = 12) -> Path:
    """A small dataset on disk: users walk round a ring of items."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ("red", "green", "blue", "steel", "paper", "desk", "lamp", "pen")
    with (folder / "items.jsonl").open("w") as stream:
        for n in range(items):
            title = f"{words[n % 8]} {words[(3 * n + 1) % 8]} number {n}"
            stream.write(json.dumps({"item_id": f"i{n}", "title": title}) + "\n")
    with (folder / "sequences.jsonl").open("w") as stream:
        for u in range(users):
            walk = [f"i{(u + k) % items}" for k in range(6)]
            stream.write(json.dumps({"user_id": f"u{u}", "item_ids": walk}) + "\n")
    return folder


def run_words(folder: Path, *more: str) -> list[str]:
    return [
        "run", "--dataset", str(folder / "shop"), "--tokenizer", "random", "--generator",
        "popularity", "--encoder", "tfidf", "--results", str(folder / "results"), "--cache",
        str(folder / "cache"), *more,
    ]  # fmt: skip


def test_help_imports_nothing_heavy() -> None:
    """Half a second of start-up is lost the moment torch or pandas sneaks in."""
    code = (
        "import sys; from tokbench.cli import main; main(['--help']); "
        "heavy = {'torch', 'transformers', 'pandas', 'scipy', 'sklearn', 'numpy', 'pydantic'}; "
        "sys.exit(f'imported {heavy & set(sys.modules)}' if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("words", [["list"], ["show", "cost"]])
def test_listing_and_showing_import_no_torch(words: list[str]) -> None:
    code = (
        f"import sys; from tokbench.cli import main; main({words!r}); "
        "sys.exit('torch was imported' if 'torch' in sys.modules else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_no_command_grows_a_flag_for_a_hyper_parameter() -> None:
    """Options of components go through --set; a new flag here is a decision, not a habit."""
    context = click.Context(cli)
    report = cli.get_command(context, "report")
    assert isinstance(report, click.Group)
    assert {*report.list_commands(context)} == {*REPORT_FLAGS}
    commands = [(cli.get_command(context, "run"), RUN_FLAGS | ONLY_RUN)]
    commands += [(cli.get_command(context, "plan"), RUN_FLAGS | {"format", "json"})]
    commands += [(cli.get_command(context, "tune"), TUNE_FLAGS)]
    commands += [(report.get_command(context, name), REPORT_FLAGS[name]) for name in REPORT_FLAGS]
    for command, frozen in commands:
        assert command is not None
        flags = {
            option.removeprefix("--")
            for p in command.params
            if isinstance(p, click.Option)
            for option in p.opts
            if option.startswith("--")
        }
        assert flags == frozen


def test_show_prints_symbols_bounds_and_deviations(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "cost"]) == 0
    text = capsys.readouterr().out
    for word in ("temperature", "tau", "alpha", "beta", "preset paper-literal", "departs from"):
        assert word in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show", "cots"], "did you mean cost"),
        (["report", "{tmp}/nothing"], "no report and no folder called"),
        (["run", "--dataset", "nowhere", "--tokenizer", "cost"], "TOKBENCH_DATA"),
        (["run", "--dataset", "office_l", "--tokenizer", "cost"], "did you mean office-l"),
        (["reprot", "results"], "did you mean report?"),
        (["run", "--dataset", "{tmp}/shop", "--tokenizer", "cots"], "did you mean cost"),
        (["plan", "--dataset", "{tmp}/shop", "--set", "tokenizer.levels"], "write it as"),
        (["run", "--dataset", "{tmp}/shop", "--tokenizer", "cost", "--device", "tpu"], "device"),
    ],
)
def test_an_error_is_one_line_and_a_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    shop(tmp_path / "shop")
    words = [word.replace("{tmp}", str(tmp_path)) for word in words]
    assert main([*words]) != 0
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err


def test_debug_shows_the_traceback() -> None:
    with pytest.raises(Exception, match="did you mean cost"):
        main(["show", "cots", "--debug"])


def test_a_broken_file_is_named_with_its_line_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = shop(tmp_path / "shop") / "sequences.jsonl"
    path.write_text(path.read_text() + '{"user_id": "late", "item_ids": ["i0", "ghost", "i1"]}\n')
    assert main(run_words(tmp_path)) == 1
    err = capsys.readouterr().err
    assert "sequences.jsonl:13" in err
    assert "ghost" in err
    assert not (tmp_path / "results").exists()


def test_run_writes_a_record_per_cell_and_report_prints_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop(tmp_path / "shop")
    assert main(run_words(tmp_path)) == 0
    capsys.readouterr()
    records = list((tmp_path / "results").rglob("*.json"))
    assert len(records) == 7, "the cell and the baselines that need no times"
    for form in ("terminal", "markdown", "csv", "json", "latex"):
        assert main(["report", str(tmp_path / "results"), "--format", form]) == 0
        assert "popularity" in capsys.readouterr().out


def test_plan_shows_what_the_encoder_will_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop(tmp_path / "shop")
    assert main(["plan", *run_words(tmp_path)[1:]]) == 0
    out = capsys.readouterr().out
    assert "red green number 0" in out
    assert "7 cells, 7 to run" in out
    assert not (tmp_path / "results").exists()


def test_seeds_are_named_counted_or_crossed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop(tmp_path / "shop")
    words = ["plan", *run_words(tmp_path)[1:], "--no-baselines"]
    for more, cells in (
        (["--seeds", "3"], 3),
        (["--seed", "0", "--seed", "7"], 2),
        (["--tokenizer-seed", "0", "--tokenizer-seed", "1", "--seeds", "2"], 4),
    ):
        assert main([*words, *more]) == 0
        assert f"{cells} cells" in capsys.readouterr().out
    assert main([*words, "--seeds", "2", "--seed", "1"]) == 2
    assert "give one of them" in capsys.readouterr().err


def test_a_failed_cell_ends_non_zero_with_the_command_that_resumes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop(tmp_path / "shop")
    plugin = tmp_path / "bad.py"
    plugin.write_text(
        "from tokbench import Tokenizer, hookimpl\n"
        "class Bad(Tokenizer):\n"
        "    name = 'bad'\n"
        "    def tokenize(self, catalog, *, seed, runtime):\n"
        "        return catalog.embeddings\n"
        "@hookimpl\n"
        "def register_tokenizers():\n"
        "    return [Bad]\n"
    )
    words = run_words(tmp_path, "--plugin", str(plugin), "--tokenizer", "bad")
    assert main(words) == 1
    err = capsys.readouterr().err
    assert "expected SemanticIds, found an array" in err
    assert "resume with" in err


def test_an_interrupted_run_says_how_to_go_on() -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    code = (
        "import sys, tokbench.cli.show as show\n"
        "from tokbench.cli import main\n"
        "def stop(*a, **k): raise KeyboardInterrupt\n"
        "show.list_command.callback = stop\n"
        "sys.exit(main(['list']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 130
    assert "the same command resumes" in done.stderr
