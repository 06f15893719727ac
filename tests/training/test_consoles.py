"""Where output goes when it is no terminal and no pipe: a notebook's kernel, a closed stream, a StringIO."""

import os
import re
import subprocess
import sys

import nbclient
import nbformat
import pytest
from fault_injection import ROOT, TIMEOUT


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """Runs cells in a fresh kernel in the project's folder; returns stdout, stderr and results of each."""
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "jupyter"))
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")

    def run(*cells):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        place = {"metadata": {"path": str(ROOT)}}
        nbclient.NotebookClient(notebook, timeout=TIMEOUT, resources=place, allow_errors=True).execute()
        found = []
        for cell in notebook.cells:
            texts = {"stdout": "", "stderr": "", "results": [], "errors": []}
            for output in cell.outputs:
                if output.output_type == "stream":
                    texts[output.name] += output.text
                elif output.output_type == "error":
                    texts["errors"].append(f"{output.ename}: {output.evalue}")
                else:
                    texts["results"].append(output.data)
            found.append(texts)
        return found

    return run


@pytest.mark.filterwarnings("ignore")
def test_commands_run_in_a_notebook_with_a_bar_and_not_with_thousands_of_lines(kernel, tmp_path):
    dry = f"%run run_mlp.py --dry-run --disp-freq 1 --run-dir {tmp_path}/runs --plot-dir {tmp_path}/plots"
    trained, drawn, checked, wrong, later = kernel(
        dry,
        f"%run curves.py {tmp_path}/runs/* -o {tmp_path}/compare.png",
        "%run check_gradients.py",
        "%run run_mlp.py -b 0",
        "import matplotlib.pyplot as plt; plt.get_backend()",
    )
    assert "test accuracy" in trained["stdout"] and trained["stdout"].count("\n") < 8
    assert "100%" in trained["stderr"] and not trained["errors"]
    assert (tmp_path / "compare.png").exists() and not drawn["errors"]
    assert " right" in checked["stdout"] and not checked["errors"]
    assert "batch_size is 0" in wrong["stderr"] and wrong["errors"] == ["SystemExit: 2"]
    assert "inline" in later["results"][0]["text/plain"]  # the notebook's own backend stays chosen


@pytest.mark.filterwarnings("ignore")
def test_the_cell_of_the_readme_trains_and_shows_its_picture(kernel):
    (cell,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)
    (shown,) = kernel(cell)
    assert not shown["errors"], shown
    assert "image/png" in shown["results"][-1]
    assert "784, 100" in shown["stdout"] and "Row(split='test', epoch=2" in shown["stdout"]


@pytest.mark.skipif(os.name == "nt", reason="closes a stream as a POSIX shell does")
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_with_a_closed_stream_a_run_ends_as_ever(tmp_path, closed):
    command = f'"$0" run_mlp.py --dry-run --no-plot --run-dir "$1" {closed}'
    done = subprocess.run(["bash", "-c", command, sys.executable, tmp_path / "runs"], cwd=ROOT, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert list((tmp_path / "runs").glob("*/model.npz"))


@pytest.mark.skipif(os.name == "nt", reason="closes a stream as a POSIX shell does")
@pytest.mark.parametrize("command", ["check_gradients.py", "report.py --list --dry-run", "curves.py --help"])
def test_with_closed_streams_the_other_commands_end_as_ever(command):
    done = subprocess.run(["bash", "-c", f'"$0" {command} >&- 2>&-', sys.executable], cwd=ROOT, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


def test_output_may_go_to_a_string(tmp_path):
    script = (
        "import contextlib, io, sys\n"
        "from run_mlp import main\n"
        "from training.command import run_command\n"
        "out, err = io.StringIO(), io.StringIO()\n"
        "with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), contextlib.suppress(SystemExit):\n"
        "    run_command(main)\n"
        "print(out.getvalue().count('Training iter'), err.getvalue())\n"
    )
    flags = ["--dry-run", "--no-plot", "--run-dir", str(tmp_path)]
    done = subprocess.run([sys.executable, "-c", script, *flags], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "2", "")
