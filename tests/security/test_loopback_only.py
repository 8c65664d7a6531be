"""What the project starts listens on this machine alone and asks for a password, or does not start."""

import ast
import ipaddress
import re
from pathlib import Path

import pytest

from flows import up
from flows.up import UpError

PROJECT = Path(__file__).parents[2]
ADDRESS = re.compile(r"^(\d{1,3}(\.\d{1,3}){3}|::|::1|localhost)$")


def addresses(source: str) -> set[str]:
    """Addresses that stand in code as they are, and the empty one where something is bound to it."""
    found = set()
    tree = ast.parse(source)
    pieces = {id(part) for one in ast.walk(tree) if isinstance(one, ast.JoinedStr) for part in one.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in pieces:
            found |= {node.value} if ADDRESS.match(node.value) else set()
        if isinstance(node, ast.Call):
            hosts = [
                part.elts[0] for part in node.args if isinstance(part, ast.Tuple) and len(part.elts) == 2
            ]
            found |= {"" for host in hosts if isinstance(host, ast.Constant) and host.value == ""}
    return found


def test_every_address_in_the_code_is_loopback():
    found = set()
    for folder in ("flows", "python_steps"):
        for file in (PROJECT / folder).rglob("*.py"):
            found |= addresses(file.read_text("utf-8"))
    assert up.HOST in found
    assert all(one == "localhost" or ipaddress.ip_address(one).is_loopback for one in found), found


OPEN = ["HOST = '0.0.0.0'", "serve('::', 80)", "HTTPServer(('', 80))", "s.bind(('', 80))"]


@pytest.mark.parametrize("code", OPEN)
def test_the_search_finds_one_that_is_not(code):
    assert not addresses(code) <= {"127.0.0.1", "localhost"}


def test_the_password_is_made_for_its_owner_alone(tmp_path):
    auth = up._auth(tmp_path)
    assert (tmp_path / "auth").stat().st_mode & 0o077 == 0
    assert len(auth.partition(":")[2]) >= up.SHORTEST_PASSWORD
    assert up._auth(tmp_path) == auth


@pytest.mark.parametrize(
    ("content", "mode", "message"),
    [
        ("portfolio:" + "x" * 32, 0o644, "can be read by others"),
        ("portfolio:" + "x" * 32, 0o640, "can be read by others"),
        ("", 0o600, "no password"),
        ("portfolio:", 0o600, "no password"),
        ("portfolio:secret", 0o600, "no password"),
        ("x" * 40, 0o600, "no password"),
    ],
)
def test_without_a_password_of_its_owner_nothing_starts(tmp_path, content, mode, message):
    home = up._home(tmp_path)
    (home / "auth").write_text(content)
    (home / "auth").chmod(mode)
    with pytest.raises(UpError, match=message) as error:
        up._environment(home, tmp_path, 1)  # which `up` asks for before it starts anything
    assert "x" * 32 not in str(error.value)
