"""Seeded mutations of files: of bytes, of text, of JSON, and of what containers hold.

Every function takes a `random.Random` and gives the same for the same state of it.
"""

import copy
import gzip
import io
import json
import random
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

from kmerengine import schemas

Change = Callable[[bytes, random.Random], bytes]

NUMBERS = (
    *("-1", "0", "1", "2", "-0", "00", "1.5", "1e3", "1e309", "nan", "inf", "-inf", ".", ""),
    *("2147483647", "2147483648", "4294967295", "4294967296", "9223372036854775807"),
    *("9223372036854775808", "18446744073709551616", "1_000", "0x10", "+5", "\u0663", "\u00b2"),
    *("9" * 25, "9" * 5000, "1" + "0" * 300, "4611686018427387904", "1,000", " 7 ", "1e-400"),
)
WORDS = (
    *("chr1", "chr2", "chrUn", "", " ", "#", ">", "+", "-", ".", "*", "N", "ACGT", "acgtn", "\\"),
    *('"', "'", ";", "=", "track", "browser", "MOTIF", "//", "P0", "XX", "##", "#CHROM", "<DEL>"),
    *("../up", "/etc/passwd", "a/b", "\u2028", "\u00e9", "\ufeff", "\U0001f9ec", "x" * 300),
    *("\x00", "\x7f", "\x1b[31m", "\x85", "\x0b", "\x0c", "\x1c", "%3B", "[", "]", "|", "~"),
)
PIECES = (
    *(b"\n", b"\r\n", b"\r", b"\n\n", b"\t", b" ", b"\0", b"\xff", b"\xfe\xff", b"\xef\xbb\xbf"),
    *(b">", b"\n>", b"@", b"\x1f\x8b", b"\x1f\x8b\x08\x04BC", b"PK\x03\x04", b"PAR1", b"ARROW1"),
    *(b"\xe2\x80\xa8", b"\xed\xa0\x80", b"\xc0\x80", b"\x80", b"BAM\x01", b"\x93NUMPY", b"-", b"9"),
)
EXTREMES = (0, 1, 2, 3, 7, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000,
            0xFFFFFFFF, 1 << 32, 1 << 40, 1 << 60, (1 << 63) - 1, 1 << 63,
            (1 << 64) - 1)  # fmt: skip


def some_bytes(content: bytes, rng: random.Random) -> bytes:
    """One to four changes anywhere: flips, cuts, repeats, moves, odd bytes, lengths."""
    made = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        size = len(made)
        at = rng.randrange(size + 1)
        match rng.randrange(10):
            case 0:
                del made[at:]
            case 1:
                del made[at : at + rng.randrange(1, 1 + min(64, size + 1))]
            case 2 if size:
                made[at % size] ^= 1 << rng.randrange(8)
            case 3:
                made[at : at + 1] = bytes([rng.randrange(256)])
            case 4:
                made[at:at] = rng.choice(PIECES)
            case 5:
                start = rng.randrange(size + 1)
                made[at:at] = made[start : start + rng.randrange(200)]
            case 6:
                start, n = rng.randrange(size + 1), rng.randrange(1, 100)
                piece = made[start : start + n]
                del made[start : start + n]
                made[at:at] = piece
            case 7:
                made[at : at + rng.randrange(16)] = bytes(rng.choice((0, 0xFF, 0x20)) for _ in "x")
            case 8:
                made += rng.choice((b"\0", b"\n", b"x", b"\0" * 100, bytes(made[:200])))
            case _:
                _set_length(made, rng)
    return bytes(made)


def _set_length(made: bytearray, rng: random.Random) -> None:
    """A 2-, 4- or 8-byte number, most often at an even place, is another."""
    form = rng.choice(("<H", "<I", "<I", "<Q", ">I"))
    width = struct.calcsize(form)
    if len(made) < width:
        return
    at = rng.randrange(len(made) - width + 1)
    if rng.random() < 0.7:
        at -= at % 2
    (before,) = struct.unpack_from(form, made, at)
    value = rng.choice((*EXTREMES, before + 1, before - 1, before * 2, len(made)))
    struct.pack_into(form, made, at, value % (1 << 8 * width))


def some_text(content: bytes, rng: random.Random) -> bytes:
    """Changes of lines and fields; at times of bytes, line ends or the encoding."""
    if rng.random() < 0.25:
        return some_bytes(content, rng)
    lines = content.decode("utf-8", "surrogateescape").split("\n")
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at = rng.randrange(len(lines))
        match rng.randrange(9):
            case 0:
                lines[at:at] = [rng.choice(lines)]
            case 1 if len(lines) > 1:
                del lines[at]
            case 2:
                other = rng.randrange(len(lines))
                lines[at], lines[other] = lines[other], lines[at]
            case 3:
                lines[at:at] = [rng.choice((*WORDS, "\t" * 9, "#" * 9))]
            case _:
                lines[at] = _other_field(lines[at], rng)
    text = rng.choice(("\n",) * 12 + ("\r\n", "\r", "\n\n", "\v")).join(lines)
    match rng.randrange(40):
        case 0:
            return text.encode("utf-16", "replace")
        case 1:
            return text.encode("latin-1", "replace")
        case 2:
            return b"\xef\xbb\xbf" + text.encode("utf-8", "surrogateescape")
        case 3:
            return text.rstrip("\n").encode("utf-8", "surrogateescape")
    return text.encode("utf-8", "surrogateescape")


def _other_field(line: str, rng: random.Random) -> str:
    separator = next((each for each in ("\t", ",", "=", " ") if each in line), " ")
    fields = line.split(separator)
    at = rng.randrange(len(fields))
    match rng.randrange(7):
        case 0:
            del fields[at]
        case 1:
            fields[at:at] = [rng.choice(fields)]
        case 2:
            other = rng.randrange(len(fields))
            fields[at], fields[other] = fields[other], fields[at]
        case 3:
            fields[at] = rng.choice(WORDS)
        case 4 if fields[at]:
            cut = rng.randrange(len(fields[at]))
            fields[at] = fields[at][:cut] + rng.choice(WORDS + NUMBERS[:20]) + fields[at][cut:]
        case _:
            fields[at] = rng.choice(NUMBERS)
    return rng.choice((separator,) * 15 + (" ", "\t", "  ")).join(fields)


def packed(change: Change, pack: Callable[[bytes], bytes], late: float = 0.4) -> Change:
    """Change what is packed, or the packed bytes."""

    def changed(content: bytes, rng: random.Random) -> bytes:
        if rng.random() < late:
            return some_bytes(pack(content), rng)
        return pack(change(content, rng))

    return changed


def gzipped(content: bytes) -> bytes:
    return gzip.compress(content, 1, mtime=0)


def bgzipped(content: bytes, block: int = 300) -> bytes:
    """BGZF blocks and the end marker, by the SAM specification, section 4.1."""
    pieces = [content[at : at + block] for at in range(0, len(content), block)]
    return b"".join(map(bgzf_block, [*pieces, b""]))


def bgzf_block(text: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    data = packer.compress(text) + packer.flush() if text else b"\x03\0"
    head = struct.pack("<4BI2BH2BHH", 31, 139, 8, 4, 0, 0, 255, 6, 66, 67, 2, len(data) + 25)
    return head + data + struct.pack("<II", zlib.crc32(text), len(text))


# ------------------------------------------------------------------------------------------ JSON

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 2**31, 2**53 + 1, 2**60, 2**63, 2**64, -(2**70), 0.5, 1e308),
    *(float("nan"), float("inf"), "", "x", "0", "../../up", "/etc/passwd", "a\0b", "\ud800"),
    *([], {}, [[]], [None], {"": None}, [1, 2, 3], ["a", "a"], {"a": {"b": []}}, "x" * 1000),
    *([0] * 100, [-5, 5], [5, -5], [2**40, 2**41], 10**400),
)


def some_json(document: Any, rng: random.Random, keep: tuple[str, ...] = ()) -> Any:
    """A document with one to three other values, keys or elements; `keep` stay at the top."""
    made = copy.deepcopy(document)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        places = [place for place in _places(made, ()) if place and place[0] not in keep]
        if not places:
            return made
        place = rng.choice(places)
        inside = made
        for key in place[:-1]:
            inside = inside[key]
        key, before = place[-1], inside[place[-1]]
        match rng.randrange(8):
            case 0:
                del inside[key]
            case 1 if isinstance(inside, dict):
                inside[rng.choice(("", "x", "../x", str(key) + " "))] = inside.pop(key)
            case 2 if isinstance(before, list):
                inside[key] = before * 2
            case 3 if isinstance(before, int | float):
                inside[key] = rng.choice((before + 1, before - 1, -before, before * 2))
            case 4:
                other = made
                for step in rng.choice(places):
                    other = other[step]
                inside[key] = copy.deepcopy(other)
            case 5:
                inside[key] = [before]
            case _:
                inside[key] = copy.deepcopy(rng.choice(VALUES))
    return made


def _places(value: Any, here: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [here] + [p for key, each in value.items() for p in _places(each, (*here, key))]
    if isinstance(value, list):
        return [here] + [p for i, each in enumerate(value[:20]) for p in _places(each, (*here, i))]
    return [here]


def sealed(content: bytes, rng: random.Random) -> bytes:
    """A sealed document with other values and a seal that fits, as a stranger may write it."""
    if rng.random() < 0.15:
        return some_text(content, rng)
    document = json.loads(content)
    document.pop(schemas.SEAL)
    return resealed(some_json(document, rng, keep=("format", "version")))


def resealed(document: Any) -> bytes:
    return schemas.as_text(document).encode("utf-8", "surrogateescape")


def plain_json(content: bytes, rng: random.Random) -> bytes:
    """JSON without a seal."""
    if rng.random() < 0.3:
        return some_text(content, rng)
    return json.dumps(some_json(json.loads(content), rng)).encode()


# -------------------------------------------------------------------------------------- containers


def zip_members(change: Change) -> Change:
    """Change a member of a zip file, its name or the file's bytes; checksums fit."""

    def changed(content: bytes, rng: random.Random) -> bytes:
        if rng.random() < 0.3:
            return some_bytes(content, rng)
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            members = [(name, file.read(name)) for name in file.namelist()]
        at = rng.randrange(len(members))
        name, data = members[at]
        match rng.randrange(8):
            case 0:
                del members[at]
            case 1:
                members[at] = (rng.choice(("../up.npy", "/tmp/up.npy", "x", "", name * 2)), data)
            case 2:
                members.append((name, data))
            case 3:
                members[at] = (name, rng.choice(members)[1])
            case _:
                members[at] = (name, change(data, rng))
        made = io.BytesIO()
        with warnings.catch_warnings(), zipfile.ZipFile(made, "w") as file:
            warnings.simplefilter("ignore")  # of two members of one name
            for name, data in members:
                info = zipfile.ZipInfo(name or "_")
                info.compress_type = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
                file.writestr(info, data)
        return made.getvalue()

    return changed


def npy(content: bytes, rng: random.Random) -> bytes:
    """Another header of a .npy, or other bytes."""
    if rng.random() < 0.5 or content[:6] != b"\x93NUMPY":
        return some_bytes(content, rng)
    size = int.from_bytes(content[8:10], "little")
    text, data = content[10 : 10 + size].decode("latin-1"), content[10 + size :]
    old, new = rng.choice(
        (
            ("'descr': '", "'descr': '>"), ("<", ">"), ("'<", "'|O"), ("False", "True"),
            ("shape': (", "shape': (1152921504606846976, "), ("shape': (", "shape': (-1, "),
            ("shape': (", "shape': (0, "), ("shape': (", "shape': ("  + "9" * 40 + ", "),
            ("i8", "V8"), ("f4", "c8"), ("u1", "b1"), ("U", "S"), ("'fortran", "'x"), ("{", "["),
            ("{", "{'__import__(\"os\")': 1, "), ("(", "(" * 300), (",)", ")"), ("i8", "M8[s]"),
        )
    )  # fmt: skip
    text = text.replace(old, new, 1)
    return content[:8] + len(text).to_bytes(2, "little") + text.encode("latin-1") + data


def safetensors(change: Callable[[Any, random.Random], Any]) -> Change:
    """Another header of a safetensors file, or other bytes."""

    def changed(content: bytes, rng: random.Random) -> bytes:
        if rng.random() < 0.3:
            return some_bytes(content, rng)
        size = int.from_bytes(content[:8], "little")
        header = json.dumps(change(json.loads(content[8 : 8 + size]), rng)).encode()
        header += b" " * (-len(header) % 8)
        return len(header).to_bytes(8, "little") + header + content[8 + size :]

    return changed
