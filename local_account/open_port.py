"""Lets the account reach a port of a container that has a network of its own.

It is the first program in the sandbox and becomes the container's. What it leaves behind
answers each message on an inherited socket with a connection to the port: the open
descriptor itself, so that bytes go between the account and the container and through
nothing else. It runs in the container's Python and needs the standard library alone.
"""

import os
import socket
import sys

_CONNECT_SECONDS = 1.0


def hand_out(channel: socket.socket, port: int) -> None:
    """Answer until the account closes its end."""
    while channel.recv(1):
        with socket.socket() as connection:
            connection.settimeout(_CONNECT_SECONDS)
            try:
                connection.connect(("127.0.0.1", port))
                socket.send_fds(channel, [b"+"], [connection.fileno()])
            except OSError:  # nobody listens yet, or any more
                channel.send(b"-")


def main(descriptor: str, port: str, *command: str) -> None:
    """Leave a process behind, a child of process 1, and run the command."""
    channel = socket.socket(fileno=int(descriptor))
    channel.set_inheritable(False)
    if os.fork() == 0:
        if os.fork() == 0:
            hand_out(channel, int(port))
        os._exit(0)
    os.wait()
    os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main(*sys.argv[1:])
