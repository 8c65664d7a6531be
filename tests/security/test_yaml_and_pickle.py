"""A policy file cannot run code, eat the memory or say two things at once; nothing is ever unpickled."""

import ast
import tracemalloc
from pathlib import Path

import pytest

from python_steps import policy
from python_steps.policy import PolicyError

MOST_MEMORY = 2_000_000  # bytes
PROJECT = Path(__file__).parents[2]
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join(['*' + old] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
REFUSED = {
    "a bomb of aliases": (BOMB, "aliases are not allowed"),
    "a merge of an alias": ("a: &a {seed: 1}\n<<: *a\n", "aliases are not allowed"),
    "a key that stands twice": ("seed: 1\nseed: 2\n", "stands twice"),
    "a key that stands twice below": ("stops: {drawdown: -0.1, drawdown: -0.9}\n", "stands twice"),
    "a key that stands twice in another writing": ("seed: 1\n'seed': 2\n", "stands twice"),
    "code": ("seed: !!python/object/apply:os.system ['touch owned']\n", "not valid YAML"),
    "a class": ("seed: !!python/name:os.system\n", "not valid YAML"),
    "a tag": ("seed: !mine 1\n", "not valid YAML"),
    "a key that is a list": ("? [a, b]\n: 1\n", "a key must be text"),
    "a key that is a number": ("1: 1\n", "a key must be text"),
    "great depth": ("seed: " + "[" * 40_000 + "]" * 40_000 + "\n", "nested more than 20 deep"),
    "great length": ("# " + "x" * policy.MAX_BYTES + "\n", "characters, at most"),
    "an integer of many digits": ("seed: " + "9" * 5_000 + "\n", "not valid YAML"),
    "a date that is none": ("seed: 2019-13-45\n", "not valid YAML"),
    "two documents": ("seed: 1\n---\nseed: 2\n", "not valid YAML"),
    "no mapping": ("- seed\n", "expected keys and values"),
    "infinity": ("extends: default\nrisk_aversion: .inf\n", "risk_aversion"),
    "not a number": ("extends: default\nrisk_aversion: .nan\n", "risk_aversion"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_policy_is_refused_at_once_for(tmp_path, monkeypatch, what):
    monkeypatch.chdir(tmp_path)
    text, message = REFUSED[what]
    (tmp_path / "mine.yml").write_text(text)
    tracemalloc.start()
    with pytest.raises(PolicyError, match=message) as error:
        policy.load(tmp_path / "mine.yml")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MOST_MEMORY
    assert str(error.value).startswith("mine.yml: ")
    assert len(str(error.value)) < 300
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("depth", [policy.MAX_DEPTH, policy.MAX_DEPTH + 1])
def test_depth_is_refused_from_its_limit(tmp_path, depth):
    brackets = depth - 1  # the mapping around them is one
    (tmp_path / "mine.yml").write_text("extends: default\nseed: " + "[" * brackets + "]" * brackets)
    said = "seed: Input should be" if depth == policy.MAX_DEPTH else "nested more than 20 deep"
    with pytest.raises(PolicyError, match=said):
        policy.load(tmp_path / "mine.yml")


UNPICKLERS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"}
READERS = {"read_pickle", "unsafe_load", "full_load", "unsafe_load_all", "full_load_all", "load_all"}
CODE = {"eval", "exec", "compile", "__import__"}
SHELLS = {"system", "popen", "getoutput", "getstatusoutput"}


def dangers(source: str) -> set[str]:
    """What would run what it reads: unpickling, loaders of YAML that make objects, evaluation, shells."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found |= {name.name for name in names if name.name.split(".")[0] in UNPICKLERS}
            case ast.ImportFrom(module=str(module)):
                found |= {module} & UNPICKLERS
            case ast.Call(func=ast.Name(id=name)) if name in CODE | READERS:
                found.add(name)
            case ast.Call(func=ast.Attribute(value=ast.Name(id=of), attr=name)) if (
                name in READERS | SHELLS
                or (of == "torch" and name == "load")
                or (of == "yaml" and name == "load" and ast.unparse(node.args[-1]) != "_Loader")
            ):
                found.add(f"{of}.{name}")
            case ast.keyword(arg="allow_pickle" | "shell", value=ast.Constant(value=True)):
                found.add(str(node.arg))
    return found


def test_nothing_in_the_project_runs_what_it_reads():
    files = [file for folder in ("flows", "python_steps") for file in (PROJECT / folder).rglob("*.py")]
    found = {str(file.relative_to(PROJECT)): dangers(file.read_text("utf-8")) for file in files}
    assert {name: words for name, words in found.items() if words} == {}
    assert len(files) > 100


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("import pickle", "pickle"),
        ("import joblib.numpy_pickle", "joblib.numpy_pickle"),
        ("from dill import loads", "dill"),
        ("frame = pd.read_pickle(file)", "pd.read_pickle"),
        ("np.load(file, allow_pickle=True)", "allow_pickle"),
        ("torch.load(file)", "torch.load"),
        ("yaml.load(text, yaml.Loader)", "yaml.load"),
        ("yaml.unsafe_load(text)", "yaml.unsafe_load"),
        ("eval(text)", "eval"),
        ("os.system(text)", "os.system"),
        ("subprocess.run(text, shell=True)", "shell"),
    ],
)
def test_the_search_finds(code, word):
    assert dangers(code) == {word}
