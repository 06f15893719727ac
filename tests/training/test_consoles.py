"""Where output goes when it is no terminal and no pipe: a notebook's kernel, a closed stream."""

import os
import re
import subprocess
import sys

import nbclient
import nbformat
import pytest
from fault_injection import ROOT, TIMEOUT

FEWER = """
import load_data, run_mlp
run_mlp.load_dataset = lambda path: load_data.first_images(load_data.load_dataset(path), 2000, 500)
"""


def run_cells(place, *cells) -> list[dict]:
    """Run cells in a fresh kernel in the project's folder, and return stdout, stderr, results and errors of each."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    resources = {"metadata": {"path": str(ROOT)}}
    with pytest.MonkeyPatch.context() as patch:
        for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR"):
            patch.setenv(name, str(place / "jupyter"))
        patch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
        nbclient.NotebookClient(notebook, timeout=TIMEOUT, resources=resources, allow_errors=True).execute()
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


@pytest.mark.filterwarnings("ignore")
def test_in_a_notebook_commands_run_with_a_bar_and_the_cell_of_the_readme_shows_its_picture(tmp_path):
    (cell,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)
    trained, drawn, checked, wrong, later, _, shown = run_cells(
        tmp_path,
        f"%run run_mlp.py --dry-run --disp-freq 1 --run-dir {tmp_path}/runs --plot-dir {tmp_path}/plots",
        f"%run curves.py {tmp_path}/runs/* -o {tmp_path}/compare.png",
        "%run check_gradients.py",
        "%run run_mlp.py -b 0",
        "import matplotlib.pyplot as plt; plt.get_backend()",
        FEWER,
        cell,
    )
    assert "test accuracy" in trained["stdout"] and trained["stdout"].count("\n") < 8
    assert "100%" in trained["stderr"] and not trained["errors"]
    assert (tmp_path / "compare.png").exists() and not drawn["errors"]
    assert " right" in checked["stdout"] and not checked["errors"]
    assert "batch_size is 0" in wrong["stderr"] and wrong["errors"] == ["SystemExit: 2"]
    assert "inline" in later["results"][0]["text/plain"]  # the notebook's own backend stays chosen
    assert not shown["errors"], shown
    assert "image/png" in shown["results"][-1]
    assert "784, 100" in shown["stdout"] and "Row(split='test', epoch=2" in shown["stdout"]


@pytest.mark.skipif(os.name == "nt", reason="closes a stream as a POSIX shell does")
@pytest.mark.parametrize(
    "command",
    [
        *(f"run_mlp.py --dry-run --no-plot --run-dir runs {closed}" for closed in (">&-", "2>&-", ">&- 2>&-")),
        *(f"{other} >&- 2>&-" for other in ("check_gradients.py", "report.py --list --dry-run", "curves.py --help")),
    ],
)
def test_with_closed_streams_a_command_ends_as_ever(tmp_path, command):
    command = command.replace("--run-dir runs", '--run-dir "$1"')
    words = ["bash", "-c", f'"$0" {command}', sys.executable, tmp_path / "runs"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "--run-dir" not in command or list((tmp_path / "runs").glob("*/model.npz"))
