"""FASTA with strings and dicts, and writers of the forms it comes in."""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np

BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def parse(text: str) -> dict[str, str]:
    """Name to sequence."""
    records: dict[str, list[str]] = {}
    for line in text.replace("\r\n", "\n").split("\n"):
        if line.startswith(">"):
            name = line[1:].split()[0]
            records[name] = []
        elif line:
            records[name].append(line)
    return {name: "".join(lines) for name, lines in records.items()}


def encode(sequence: str) -> list[int]:
    return [{"A": 0, "C": 1, "G": 2, "T": 3}.get(base, 255) for base in sequence.upper()]


def wrap(records: list[tuple[str, str, int]], newline: str = "\n", *, last: bool = True) -> str:
    """FASTA text of (header, sequence, line width); `last`: with a line end after the last line."""
    lines = []
    for header, sequence, width in records:
        lines.append(">" + header)
        lines += [sequence[i : i + width] for i in range(0, len(sequence), width)]
    return newline.join(lines) + (newline if last else "")


def bgzip(data: bytes, block: int = 60_000) -> bytes:
    """The bytes as a bgzip file, after the SAM specification."""
    out = []
    for i in range(0, len(data), block):
        part = data[i : i + block]
        deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
        body = deflate.compress(part) + deflate.flush()
        head = bytes.fromhex("1f8b08040000000000ff060042430200")
        out.append(head + struct.pack("<H", len(body) + 25) + body)
        out[-1] += struct.pack("<II", zlib.crc32(part), len(part))
    return b"".join(out) + BGZF_END


def write(path: Path, text: str | bytes, form: str = "plain") -> Path:
    data = text if isinstance(text, bytes) else text.encode()
    if form == "bgzip":
        data = bgzip(data, 1000)
    elif form == "gzip":
        data = gzip.compress(data, 1)
    path.write_bytes(data)
    return path


def random_sequence(rng: np.random.Generator, n: int, letters: str = "ACGTacgtNRY-*") -> str:
    return "".join(rng.choice(list(letters), n))
