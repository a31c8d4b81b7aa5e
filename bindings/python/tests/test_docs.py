"""What the documentation shows, runs: the story, the notebook, every snippet of the README."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from conftest import PACKAGE, REPOSITORY
from nbclient import NotebookClient

NOTEBOOK = REPOSITORY / "examples/notebook.ipynb"


def snippets(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def test_the_story_ends_well() -> None:
    story = REPOSITORY / "examples/story.py"
    done = subprocess.run([sys.executable, story], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr
    # As the story in Rust prints them.
    for line in (
        "| excellent | 2.556643356643357  | 2860  |",
        "| good      | 2.871023215821152  | 2326  |",
        "| fair      | 3.8732394366197185 | 568   |",
        "| poor      | 7.513888888888889  | 72    |",
        "   The answer is the plaintext answer.",
        "   the insurer's log: policy: rule allowed_aggregations: Sum is not allowed",
        "   the insurer's log: this use was spent before, for another request",
        "The insurer's 1 receipt(s) verify. Done.",
    ):
        assert line in done.stdout.splitlines()


def test_the_story_has_the_steps_of_the_one_in_rust() -> None:
    def steps(path: Path) -> list[str]:
        return re.findall(r"clock\.step\(\s*\"(.*?)\",?\s*\)", path.read_text())

    rust, python = steps(REPOSITORY / "examples/story.rs"), steps(REPOSITORY / "examples/story.py")
    assert len(rust) == 9 and rust == python


def test_the_inference_is_exact_and_the_quota_holds() -> None:
    example = REPOSITORY / "examples/inference.py"
    done = subprocess.run([sys.executable, example], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr
    for line in (
        "  equal to the published model in the clear, digit by digit: True",
        "  30 vectors scored",
        "  the next job is refused: policy: rule max_jobs: the asset has answered its 3 jobs",
    ):
        assert line in done.stdout.splitlines()


def test_the_answers_about_flights_are_those_of_pandas() -> None:
    example = REPOSITORY / "examples/flights.py"
    done = subprocess.run([sys.executable, example], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr
    assert done.stdout.splitlines().count("  pandas says the same.") == 3


def test_three_airports_answer_together_as_pandas_does() -> None:
    example = REPOSITORY / "examples/federation.py"
    done = subprocess.run([sys.executable, example], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr
    lines = done.stdout.splitlines()
    assert any(line.startswith("One airport alone answers nothing: rule federation") for line in lines)
    assert any(line.startswith("Two of the three answers open nothing") for line in lines)
    assert lines[-1] == "pandas says the same."


def test_owner_and_consumer_are_two_processes() -> None:
    example = REPOSITORY / "examples/node.py"
    done = subprocess.run([sys.executable, example], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr
    for line in (
        "The answer is the plaintext answer.",
        "The insurer has answered 1 job. It saw the question without its literals.",
    ):
        assert line in done.stdout.splitlines()


@pytest.mark.filterwarnings("default")
def test_the_notebook_runs(tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "strip the outputs before committing"
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()
    shown = [output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/png" in data for data in shown), "no plot"
    assert any("<td>excellent</td>" in data.get("text/html", "") for data in shown), "no table"


def test_the_snippet_of_a_matrix_product_runs(capsys: pytest.CaptureFixture[str]) -> None:
    _, snippet = snippets(REPOSITORY / "docs/sealed-queries.md")
    exec(snippet, {})
    assert capsys.readouterr().out == snippet.rsplit("# ", 1)[1]


@pytest.mark.parametrize(("folder", "least"), [(PACKAGE, 5), (REPOSITORY, 1)], ids=["package", "repository"])
def test_the_snippets_of_the_readme_run(
    folder: Path, least: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after the other, as a reader would run them."""
    shown = snippets(folder / "README.md")
    assert len(shown) >= least
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "readme"}
    for number, snippet in enumerate(shown):
        exec(compile(snippet, f"README snippet {number}", "exec"), names)
