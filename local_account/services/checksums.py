"""The checksums of S3: those of the standard library, and the two that it lacks."""

import base64
import binascii
import hashlib
from collections.abc import Callable
from functools import lru_cache

# reflected polynomials of CRC-32C (Castagnoli) and of CRC-64/NVME, by width in bits
_POLYNOMIALS = {32: 0x82F63B78, 64: 0x9A6C9329AC4BC9B5}


@lru_cache
def _table(width: int) -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (_POLYNOMIALS[width] if value & 1 else 0)
        table.append(value)
    return tuple(table)


def _crc(content: bytes, width: int) -> bytes:
    table, every_bit = _table(width), (1 << width) - 1
    value = every_bit
    for byte in content:
        value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
    return (value ^ every_bit).to_bytes(width // 8, "big")


ALGORITHMS: dict[str, Callable[[bytes], bytes]] = {
    "CRC32": lambda content: binascii.crc32(content).to_bytes(4, "big"),
    "CRC32C": lambda content: _crc(content, 32),
    "CRC64NVME": lambda content: _crc(content, 64),
    "SHA1": lambda content: hashlib.sha1(content, usedforsecurity=False).digest(),
    "SHA256": lambda content: hashlib.sha256(content).digest(),
}


def checksum(algorithm: str, content: bytes) -> str:
    """Return a checksum as S3 writes it."""
    return base64.b64encode(ALGORITHMS[algorithm](content)).decode()
