"""Columns of tab-separated text as arrays, without a Python object per field.

Every function takes plain text for granted and raises `NotPlain` on anything else; the caller
then reads the same lines one by one, with messages.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

TAB, NEWLINE, MINUS, DOT, ZERO = b"\t\n-.0"

_MOST_DIGITS = 18  # the longest that always fit int64
_WIDEST = 64  # bytes of a field that is looked at byte by byte

_Positions = npt.NDArray[np.int64]


class NotPlain(Exception):
    """The text is not of the kind that is read by column."""


class Fields(NamedTuple):
    """The fields of a block of lines: field (i, j) is ``data[start[i, j]:end[i, j]]``.

    `data` has `_WIDEST` bytes in front of the text, so that every field can be looked at
    as the last bytes of a fixed width.
    """

    text: str  # the same bytes
    data: npt.NDArray[np.uint8]
    start: _Positions  # (lines, columns)
    end: _Positions


def split_fields(text: str, n_columns: int) -> Fields:
    """The fields of `text`, ASCII, whose lines all end in a newline and have `n_columns`."""
    if not text.isascii():
        raise NotPlain
    text = "\0" * _WIDEST + text
    data = np.frombuffer(text.encode(), np.uint8)
    border = np.flatnonzero(data - np.uint8(TAB) < 2)  # a tab or, one above it, a newline
    if len(border) % n_columns:
        raise NotPlain
    end = border.reshape(-1, n_columns)
    is_newline = data[end] == NEWLINE
    if is_newline[:, :-1].any() or not is_newline[:, -1].all():
        raise NotPlain
    start = np.concatenate([[_WIDEST], border[:-1] + 1]).reshape(end.shape)
    return Fields(text, data, start, end)


def strings(fields: Fields, column: int, lines: slice | _Positions = slice(None)) -> list[str]:
    """The text of the field of each line, or of some lines."""
    start, end = fields.start[lines, column].tolist(), fields.end[lines, column].tolist()
    return [fields.text[a:b] for a, b in zip(start, end, strict=True)]


def labels(fields: Fields, column: int) -> list[str]:
    """As `strings`, faster where neighbours are equal: they are one object."""
    wide = _right_aligned(fields, column, np.zeros(len(fields.start), np.int64))
    first = np.flatnonzero(np.concatenate([[True], _per_row(wide[1:] != wide[:-1]) > 0]))
    lengths = np.diff(first, append=len(wide))
    return np.repeat(np.array(strings(fields, column, first), object), lengths).tolist()


def letters(fields: Fields, column: int) -> npt.NDArray[np.bytes_]:
    """The one byte of each field, S1."""
    start = fields.start[:, column]
    if (fields.end[:, column] - start != 1).any():
        raise NotPlain
    return fields.data[start].view("S1")


def integers(fields: Fields, column: int) -> npt.NDArray[np.int64]:
    """Decimal integers, a minus sign allowed, of at most 18 digits."""
    negative = _has_sign(fields, column)
    digits = _right_aligned(fields, column, negative) - np.uint8(ZERO)
    width = digits.shape[1]
    length = fields.end[:, column] - fields.start[:, column] - negative
    if width > _MOST_DIGITS or (length < 1).any():
        raise NotPlain
    digits[_outside(width, length)] = 0
    if (digits > 9).any():
        raise NotPlain
    value = digits @ 10 ** np.arange(width, dtype=np.int64)[::-1]
    return np.where(negative, -value, value)


def are_decimals(fields: Fields, column: int) -> npt.NDArray[np.bool_]:
    """Whether each field is digits with at most one point among them and a minus before."""
    negative = _has_sign(fields, column)
    wide = _right_aligned(fields, column, negative)
    length = fields.end[:, column] - fields.start[:, column] - negative
    inside = ~_outside(wide.shape[1], length)
    n_digits = _per_row(inside & (wide - np.uint8(ZERO) < 10))
    n_points = _per_row(inside & (wide == DOT))
    decimal: npt.NDArray[np.bool_] = (
        (n_digits > 0) & (n_points < 2) & (n_digits + n_points == length)
    )
    return decimal


def _has_sign(fields: Fields, column: int) -> npt.NDArray[np.bool_]:
    sign: npt.NDArray[np.bool_] = fields.data[fields.start[:, column]] == MINUS
    return sign


def _outside(width: int, length: _Positions) -> npt.NDArray[np.bool_]:
    """Where a right-aligned row has bytes before its field, shape (rows, width)."""
    before = (width - length).astype(np.int8)[:, None]  # both are at most _WIDEST
    outside: npt.NDArray[np.bool_] = np.arange(width, dtype=np.int8) < before
    return outside


def _per_row(flags: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """True flags of each row, as a product: five times as fast as a sum over so few columns."""
    return flags.view(np.uint8) @ np.ones(flags.shape[1], np.uint8)


def _right_aligned(
    fields: Fields, column: int, skipped: npt.NDArray[np.int64] | npt.NDArray[np.bool_]
) -> npt.NDArray[np.uint8]:
    """The last bytes of each field as rows, as wide as the longest without `skipped` bytes."""
    start, end = fields.start[:, column] + skipped, fields.end[:, column]
    width = max(int((end - start).max()), 1)
    if width > _WIDEST:
        raise NotPlain
    windows = np.lib.stride_tricks.sliding_window_view(fields.data, width)
    return windows[end - width]
