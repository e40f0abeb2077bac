"""Runs a build's commands inside its container: it is told each, and tells its exit status.

As CodeBuild's agent does, each command is a script of its own that takes up the environment
and the working directory where the last one left them; shell options and functions are lost.
"""

import json
import shlex
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

_MAX_TEXT = 65536
# the command is on line 4, as in the messages of shells on AWS
_SCRIPT = """\
cd "$(cat {tmp}/dir.txt)"
set -a
. {tmp}/env.sh; CODEBUILD_BUILD_SUCCEEDING={succeeding}
{command}
CODEBUILD_LAST_EXIT=$?
export -p > {tmp}/env.sh
pwd > {tmp}/dir.txt
exit $CODEBUILD_LAST_EXIT
"""


class Agent:
    """Commands of one build, in its shell."""

    def __init__(self, tmp: Path, shell: str, folder: str) -> None:
        self._tmp, self._shell, self._succeeding = tmp, shell, "1"
        (tmp / "dir.txt").write_text(folder)
        subprocess.run([shell, "-c", 'export -p > "$0"', str(tmp / "env.sh")], check=True)

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Run a command, or expand the variables and substitutions in a text."""
        self._succeeding = asked.get("succeeding", self._succeeding)
        if "text" in asked:
            done = self._run(f'printf "%s" "{asked["text"]}"', stdout=subprocess.PIPE)
            return {"text": done.stdout[:_MAX_TEXT].decode(errors="replace")}
        status = self._run(asked["command"]).returncode
        return {"status": status if status >= 0 else 128 - status}

    def _run(self, command: str, **more: Any) -> "subprocess.CompletedProcess[bytes]":
        script = self._tmp / "script.sh"
        filled = {
            "tmp": shlex.quote(str(self._tmp)),
            "succeeding": self._succeeding,
            "command": command,
        }
        script.write_text(_SCRIPT.format(**filled))
        return subprocess.run([self._shell, str(script)], stdin=subprocess.DEVNULL, **more)


def main(descriptor: str, tmp: str, shell: str, folder: str) -> None:
    """Answer until nobody asks any more."""
    with socket.socket(fileno=int(descriptor)) as channel, channel.makefile("rb") as questions:
        agent = Agent(Path(tmp), shell, folder)
        for question in questions:
            channel.sendall(json.dumps(agent.answer(json.loads(question))).encode() + b"\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
