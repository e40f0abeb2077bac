"""The program of an image that tries what a container must not be able to do, and tells."""

import http.server
import json
import os
import secrets
import socket
import sys
from collections.abc import Callable
from pathlib import Path

BASE = Path("/opt/ml")


def attempt(what: Callable[[], object]) -> str:
    """Return what came of it: a text, or the name of the error."""
    try:
        return str(what())
    except Exception as error:  # noqa: BLE001 - whatever prevents it is the answer
        return type(error).__name__


def connect(family: int, address: object) -> str:
    """Connect within a second."""
    with socket.socket(family) as probe:
        probe.settimeout(1)
        probe.connect(address)  # type: ignore[arg-type]
        return "connected"


def readable(pattern: str) -> list[str]:
    """Return the files below a folder (or the folder of a pattern) that can be read."""
    found = []
    for path in Path("/").glob(pattern):
        try:
            if path.is_file():
                path.read_bytes()
                found.append(str(path))
        except OSError:
            continue
    return found


def environments() -> str:
    """Return the environments of all processes that can be seen."""
    texts = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        texts.append(attempt(lambda path=path: path.read_bytes().decode(errors="replace")))  # type: ignore[misc]
    return "\n".join(texts)


def written(paths: list[str]) -> list[str]:
    """Return the folders where a new file can be made: it is gone again, whatever they are."""
    made = []
    for folder in paths:
        path = f"{folder}/{secrets.token_hex(8)}"
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
            Path(path).unlink()
            made.append(folder)
        except OSError:
            continue
    return made


def writable(paths: list[str]) -> list[str]:
    """Return the files of the kernel that are not mounted read-only."""
    return [path for path in paths if not os.statvfs(path).f_flag & os.ST_RDONLY]


def probe() -> dict[str, object]:
    """Try everything that the settings of the image or job name."""
    asked = json.loads(os.environ["PROBE"])
    host, port = asked["account"]
    return {
        "environments": environments(),
        "processes": sum(name.isdigit() for name in os.listdir("/proc")),  # noqa: PTH208
        "home": readable(f"{asked['home'].lstrip('/')}/*"),
        "state": readable(f"{asked['state'].lstrip('/')}/**/*"),
        "project": readable(f"{asked['project'].lstrip('/')}/*"),
        "users": attempt(lambda: Path("/etc/passwd").read_text()),
        "written": written(asked["write"]),
        "kernel": writable(asked["kernel"]),
        "account": attempt(lambda: connect(socket.AF_INET, (host, port))),
        "names": attempt(lambda: socket.getaddrinfo("localhost.", 80)[0][4][0]),
        "outside": attempt(lambda: connect(socket.AF_INET, ("192.0.2.1", 80))),
        "abstract": attempt(lambda: connect(socket.AF_UNIX, f"\0{asked['abstract']}")),
        "interfaces": [name for _, name in socket.if_nameindex()],
    }


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers pings, and invocations with what was found."""

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(json.dumps(probe()).encode())

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Probe in a job, or serve."""
    what = (sys.argv[1:] or [""])[0]
    if what == "serve":
        host = os.environ.get("MODEL_CODE_BIND_HOST", "0.0.0.0")  # noqa: S104
        port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080"))
        http.server.HTTPServer((host, port), Handler).serve_forever()
    elif what == "link":  # leave links where the account looks for results
        (BASE / "model").rmdir()
        (BASE / "model").symlink_to(os.environ["TARGET"])
    elif what == "flood":
        while True:
            print("x" * 2**20)
    elif what == "special":
        os.mkfifo(BASE / "model/pipe")
        (BASE / "model/link").symlink_to("/etc/hostname")
        (BASE / "model/model.txt").write_text("kept")
    else:
        print("FOUND " + json.dumps(probe()), flush=True)
    sys.exit(0)


if __name__ == "__main__":
    main()
