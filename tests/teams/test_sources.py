"""No source of the package can load a pickle."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
FORBIDDEN = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
FORBIDDEN |= {"torch", "jsonpickle"}
CALLS = {"read_pickle", "to_pickle", "load_model", "eval", "exec", "unsafe_load", "full_load"}
"""Names of functions; Keras' load_model can run code, `mlflow.pyfunc.load_model` is ours to use."""


def faults(source: str) -> list[str]:
    """What in this code could load a pickle, or run code out of a file."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = {alias.name.partition(".")[0] for alias in node.names}
            found += [f"import {name}" for name in names & FORBIDDEN]
        elif isinstance(node, ast.ImportFrom):
            if (node.module or "").partition(".")[0] in FORBIDDEN:
                found.append(f"from {node.module}")
        elif isinstance(node, ast.Call):
            found += _faults_of_call(node)
    return found


def _faults_of_call(node: ast.Call) -> list[str]:
    called = ast.unparse(node.func)
    words = [f"{called}({k.arg}=...)" for k in node.keywords if _is_unsafe(k)]
    name = called.rpartition(".")[2]
    if name in CALLS and not called.endswith("pyfunc.load_model"):
        words.append(called)
    loaders = {ast.unparse(argument) for argument in node.args[1:]}
    if called in ("yaml.load", "yaml.load_all") and loaders != {"yaml.CSafeLoader"}:
        words.append(called)
    return words


def _is_unsafe(keyword: ast.keyword) -> bool:
    value = ast.unparse(keyword.value)
    unsafe = {("allow_pickle", "False"), ("safe_mode", "True"), ("shell", "False")}
    return keyword.arg in {name for name, _ in unsafe} and (keyword.arg, value) not in unsafe


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import joblib.numpy_pickle as j",
        "from cloudpickle import loads",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=allowed)",
        "keras.models.load_model(path)",
        "keras.saving.load_model(path, safe_mode=False)",
        "pd.read_pickle(path)",
        "yaml.load(text)",
        "eval(text)",
        "subprocess.run(command, shell=True)",
    ],
)
def test_the_check_itself_finds(source):
    assert faults(source)


def test_no_source_loads_pickles_or_runs_what_it_reads():
    assert len(SOURCES) > 100
    found = {str(path.relative_to(ROOT)): faults(path.read_text()) for path in SOURCES}
    assert {path: words for path, words in found.items() if words} == {}
