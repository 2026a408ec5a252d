"""Fetching published tracks from a server on this machine: hash, size, cache, errors."""

import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from racer import assets
from racer.errors import AssetError, TrackError
from racer.track.load import BASE_URL_VARIABLE, PublishedRoute, fetch_route, find_route, load_track, read_manifest
from support.tracks import ring_route


class Server:
    """Serves a dict of path to bytes, and remembers what was asked."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                data = outer.files.get(self.path)
                self.send_response(404 if data is None else 200)
                self.end_headers()
                self.wfile.write(data or b"")

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.http.server_port}" + "/{repository}/{commit}/{path}"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()


@pytest.fixture
def server() -> Iterator[Server]:
    """A running server."""
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()
    server.thread.join()


@pytest.fixture
def data(tmp_path: Path) -> bytes:
    """The bytes of a route file."""
    np.save(tmp_path / "r.npy", ring_route())
    return (tmp_path / "r.npy").read_bytes()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache and working directory."""
    monkeypatch.setenv("RACER_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv(BASE_URL_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def route(data: bytes, **keys: object) -> PublishedRoute:
    """A route whose size and hash fit the data."""
    facts = {
        "name": "bend_1",
        "repository": "someone/tracks",
        "commit": "abc",
        "path": "routes/bend 1.npy",
        "licence": "Apache-2.0",
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "length_m": 12.5,
        "width_m": 0.8,
    }
    return PublishedRoute(**(facts | keys))  # type: ignore[arg-type]


def test_fetch_keeps_and_finds_by_name(server: Server, data: bytes) -> None:
    """Download once, keep in the cache, and load by name from then on."""
    server.files["/someone/tracks/abc/routes/bend%201.npy"] = data
    path = fetch_route(route(data), base_url=server.base)
    assert path == assets.cache_dir() / "tracks" / "bend_1.npy"
    assert path.read_bytes() == data
    assert fetch_route(route(data), base_url=server.base) == path
    assert len(server.asked) == 1
    assert load_track("bend_1").closed


def test_a_changed_file_in_the_cache_is_fetched_again(server: Server, data: bytes) -> None:
    """Replace a cached file whose hash is wrong."""
    server.files["/someone/tracks/abc/routes/bend%201.npy"] = data
    path = fetch_route(route(data), base_url=server.base)
    path.write_bytes(data[:-1])
    assert fetch_route(route(data), base_url=server.base).read_bytes() == data


def test_mirror_from_the_environment(server: Server, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the address from the environment, with the name filled in."""
    server.files["/mirror/bend_1.npy"] = data
    monkeypatch.setenv(BASE_URL_VARIABLE, server.base.split("/{")[0] + "/mirror/{name}.npy")
    assert fetch_route(route(data)).is_file()


@pytest.mark.parametrize("spoil", [lambda d: d[:-1], lambda d: d + b"x", lambda d: d[:-1] + b"x", lambda d: b""])
def test_wrong_content_is_not_written(server: Server, data: bytes, spoil) -> None:
    """Write nothing where size or hash differ."""
    server.files["/someone/tracks/abc/routes/bend%201.npy"] = spoil(data)
    with pytest.raises(TrackError, match=r"is not the published file .* nothing was written"):
        fetch_route(route(data), base_url=server.base)
    assert not (assets.cache_dir() / "tracks").exists()


def test_missing_file_and_no_server(server: Server, data: bytes) -> None:
    """Say in one line what the server answered, or that there is none."""
    with pytest.raises(TrackError, match=r"answered 404 Not Found; .*--base-url") as caught:
        fetch_route(route(data), base_url=server.base)
    assert "\n" not in str(caught.value)
    port = server.http.server_port
    with pytest.raises(TrackError, match=r"cannot be reached \(.*\); check the network"):
        fetch_route(route(data), base_url=f"https://127.0.0.1:{port}/{{name}}")


@pytest.mark.parametrize("base", ["file:///etc/{name}", "ftp://a/{name}", "/etc/{name}", "http://a/{nothing}"])
def test_bad_addresses(data: bytes, base: str) -> None:
    """Refuse other schemes and unknown braces."""
    with pytest.raises(TrackError, match="The address"):
        fetch_route(route(data), base_url=base)


def test_manifest() -> None:
    """Hold the published routes with whole hashes; offer a near name."""
    routes = read_manifest()
    assert len(routes) == 126
    for entry in routes.values():
        assert len(entry.sha256) == 64
        assert len(entry.commit) == 40
        assert entry.path.endswith(".npy")
        assert "/" not in entry.name
    assert find_route("reinvent_base.npy", routes).length_m == pytest.approx(17.71)
    with pytest.raises(AssetError, match=r"Did you mean `reinvent_base`\?"):
        find_route("reinvnt_base", routes)


def test_real_files_have_the_hash_of_the_manifest(shared_tracks: Path) -> None:
    """Compare the real files beside the checkout with the manifest."""
    routes = read_manifest()
    seen = 0
    for path in (shared_tracks / "deepracer").glob("*.npy"):
        if path.stem in routes:
            assert hashlib.sha256(path.read_bytes()).hexdigest() == routes[path.stem].sha256
            seen += 1
    assert seen >= 5


def test_broken_manifest(tmp_path: Path) -> None:
    """Refuse a manifest without its columns."""
    (tmp_path / "m.csv").write_text("name,path\na,b\n")
    with pytest.raises(TrackError, match="The manifest"):
        read_manifest(tmp_path / "m.csv")
