"""A stand-in for the Hugging Face hub on the loopback: model repositories in memory."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

TOKEN = "hf_of_the_test"


class Hub:
    """What was committed: {repository: {file: content}}; revision of a repository: its digest."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}

    def revision(self, repository: str) -> str:
        whole = hashlib.sha1(usedforsecurity=False)
        for name, content in sorted(self.files[repository].items()):
            whole.update(name.encode() + b"\0" + content)
        return whole.hexdigest()


@contextmanager
def serve() -> Iterator[tuple[str, Hub]]:
    """The address of a hub that lives as long as the block."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(hub))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)


def handler_of(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Quiet."""

        def answer(self, status: int, content: bytes, **headers: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def say(self, value: object) -> None:
            self.answer(200, json.dumps(value).encode(), Content_Type="application/json")

        def absent(self) -> None:
            self.answer(404, b"{}", X_Error_Code="RepoNotFound")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = unquote(urlsplit(self.path).path)
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                return self.answer(401, b"{}", X_Error_Message="no token")
            if path == "/api/repos/create":
                asked = json.loads(body)
                name = f"{asked.get('organization', 'me')}/{asked['name']}"
                hub.files.setdefault(name, {})
                hub.private[name] = bool(
                    asked.get("private") or asked.get("visibility") == "private"
                )
                return self.say({"url": f"http://{self.headers['Host']}/{name}", "id": name})
            if path == "/api/validate-yaml":  # of the card's head
                return self.say({"errors": [], "warnings": []})
            _, _, kind, owner, name, action, *_ = path.split("/")
            assert kind == "models"
            files = hub.files[f"{owner}/{name}"]
            if action == "preupload":
                asked = json.loads(body)["files"]
                return self.say(
                    {"files": [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False}
                               for f in asked]}
                )  # fmt: skip
            assert action == "commit"
            for line in body.splitlines():
                entry = json.loads(line)
                if entry["key"] == "file":
                    value = entry["value"]
                    assert value["encoding"] == "base64"
                    files[value["path"]] = base64.b64decode(value["content"])
            oid = hub.revision(f"{owner}/{name}")
            where = f"http://{self.headers['Host']}/{owner}/{name}/commit/{oid}"
            return self.say({"commitUrl": where, "commitOid": oid, "success": True})

        def do_GET(self) -> None:
            parts = unquote(urlsplit(self.path).path).split("/")
            if parts[1] == "api":
                repository, rest = "/".join(parts[3:5]), parts[5:]
            else:
                repository, rest = "/".join(parts[1:3]), parts[3:]
            if repository not in hub.files:
                return self.absent()
            files, oid = hub.files[repository], hub.revision(repository)
            if rest[:1] == ["resolve"]:
                content = files.get("/".join(rest[2:]))
                if content is None:
                    return self.answer(404, b"", X_Error_Code="EntryNotFound")
                tag = hashlib.sha1(content, usedforsecurity=False).hexdigest()
                return self.answer(200, content, ETag=f'"{tag}"', X_Repo_Commit=oid)
            if rest[:1] == ["tree"]:
                return self.say(
                    [{"type": "file", "path": name, "size": len(content),
                      "oid": hashlib.sha1(content, usedforsecurity=False).hexdigest()}
                     for name, content in files.items()]
                )  # fmt: skip
            siblings = [{"rfilename": name} for name in files]
            return self.say(
                {"id": repository, "sha": oid, "siblings": siblings, "tags": [], "private": False}
            )

        do_HEAD = do_GET  # noqa: N815

    return Handler
