"""Weights by name: lookup, one download with a hash check, and clear messages if they are not available."""

import hashlib
import http.server
import threading

import pytest
import torch

from gog_pose.checkpoints.registry import WEIGHTS, NamedWeights, find_weights
from gog_pose.errors import InputError
from gog_pose.methods import method_names
from gog_pose.networks.trunk import trunk_names

CONTENT = b"weights" * 1000


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "cache"))
    return tmp_path / "cache/checkpoints/gog_pose"


@pytest.fixture
def server(tmp_path):
    """A server of one file; counts how often it is asked."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT)

        def log_message(self, *arguments):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/pose.ckpt", asked
        running.shutdown()


def weights(**source):
    return NamedWeights("pose", "gog", "hourglass", "Apache-2.0", "photographs", {}, **source)


def test_a_file_is_itself_whatever_it_is_called(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "movenet").write_bytes(CONTENT)
    assert find_weights("movenet").read_bytes() == CONTENT
    assert str(find_weights("runs/best.ckpt")) == "runs/best.ckpt"  # its reader says that it is missing


def test_a_download_happens_once(server, cache):
    url, asked = server
    registry = [weights(url=url, sha256=hashlib.sha256(CONTENT).hexdigest())]
    for _ in range(2):
        path = find_weights("pose", registry)
        assert path == cache / "pose.ckpt"
        assert path.read_bytes() == CONTENT
    assert len(asked) == 1


def test_another_file_is_refused_and_not_kept(server, cache):
    url, _ = server
    with pytest.raises(InputError, match="SHA-256 differs"):
        find_weights("pose", [weights(url=url, sha256="0" * 64)])
    assert not list(cache.iterdir())


def test_a_missing_network_is_one_line_that_says_where_the_file_goes(cache):
    url = "http://127.0.0.1:9/pose.ckpt"  # nobody listens there
    with pytest.raises(InputError, match=r"cannot be downloaded .*; download it yourself to ") as error:
        find_weights("pose", [weights(url=url, sha256="0" * 64)])
    assert "\n" not in str(error.value)
    assert str(cache / "pose.ckpt") in str(error.value)


def test_weights_that_have_to_be_made_come_with_their_command(cache):
    with pytest.raises(InputError, match=rf"must be created first; run make {cache}/pose\.ckpt"):
        find_weights("pose", [weights(command="make {file}")])
    cache.mkdir(parents=True)
    (cache / "pose.ckpt").write_bytes(CONTENT)
    assert find_weights("pose", [weights(command="make {file}")]) == cache / "pose.ckpt"


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(InputError, match=r"neither a file nor the name of weights; choose .*movenet"):
        find_weights("movnet")


@pytest.mark.parametrize("entry", WEIGHTS, ids=lambda entry: entry.name)
def test_every_entry_can_be_had_and_is_of_a_known_method_and_trunk(entry):
    assert entry.method in method_names()
    assert entry.trunk in trunk_names()
    assert entry.licence
    assert sum(source is not None for source in (entry.file, entry.url, entry.command)) == 1
    assert entry.url is None or entry.sha256 is not None
