"""The lock is asked about where an advisory service can be reached; elsewhere that is said."""

import http.server
import json
import threading
from importlib.util import find_spec

import pytest

from tests.security import audit

needs_pip_audit = pytest.mark.skipif(
    find_spec("pip_audit") is None, reason="the extra `audit` is not installed"
)
LOCK = "a-package==1.0 \\\n    --hash=sha256:00\nother==2.0 ; sys_platform == 'x' \\\n    --hash=sha256:11\n"


def test_every_package_of_the_lock_is_asked_about():
    assert audit.pins(LOCK) == "a-package==1.0\nother==2.0\n"
    text = audit.LOCK.read_text("utf-8")
    found = audit.pins(text).splitlines()
    lines = [line for line in text.splitlines() if "==" in line and not line.startswith((" ", "#"))]
    assert {pin.split("==")[0] for pin in found} == {line.split("==")[0] for line in lines}
    assert len(found) > 100


RANGE = {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.0"}]}
WEAK = {"id": "TEST-1", "aliases": [], "summary": "weak", "details": "weak"}
WEAK |= {"affected": [{"package": {"name": "other", "ecosystem": "PyPI"}, "ranges": [RANGE]}]}


class Advisories:
    """OSV on loopback, which knows something of one package."""

    def __enter__(self):
        self.asked = []
        ours = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                ours.asked.append(query["package"]["name"])
                body = json.dumps({"vulns": [WEAK]} if query["package"]["name"] == "other" else {}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1/query"
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


@needs_pip_audit
@pytest.mark.parametrize(("lock", "code"), [(LOCK, 1), (LOCK.replace("other", "another"), 0)])
def test_a_known_weakness_is_found_and_no_other(tmp_path, lock, code):
    (tmp_path / "lock").write_text(lock)
    with Advisories() as service:
        found, said = audit.audit(tmp_path / "lock", "--osv-url", service.url)
    assert found == code, said
    assert len(service.asked) == 2
    assert ("TEST-1" in said) == bool(code)


@needs_pip_audit
def test_a_service_that_is_away_is_said_and_is_no_verdict(tmp_path):
    (tmp_path / "lock").write_text(LOCK)
    code, said = audit.audit(tmp_path / "lock", "--osv-url", "http://127.0.0.1:9/v1/query")
    assert (code, said) == (None, "no advisory service can be reached from here")
