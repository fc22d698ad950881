from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "docs/examples/walkthrough.ipynb"


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning")
def test_the_notebook_runs_on_the_outputs_of_the_pipeline(finished, monkeypatch):
    for name in ("PATH", "TF_CPP_MIN_LOG_LEVEL"):
        monkeypatch.setenv(name, finished.environment()[name])
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in code:
        cell.outputs = []
    client = NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": str(finished.folder)}}
    )
    client.execute()

    pictures = [out for cell in code for out in cell.outputs if "image/png" in out.get("data", {})]
    assert len(pictures) == 2
    said = "".join(out.get("text", "") for cell in code for out in cell.outputs)
    assert "galaxies: mean |dz|" in said
    assert "uJy" in said
