"""K-mers with strings and dicts: what the engine must give, the slow and obvious way."""

from collections import Counter
from collections.abc import Iterator
from itertools import combinations, product

COMPLEMENT = str.maketrans("ACGT", "TGCA")


def mirrored(word: str) -> str:
    """The reverse complement of upper-case letters; N, and any other that is no base, stays."""
    return word.translate(COMPLEMENT)[::-1]


def canonical(word: str) -> str:
    """The one name of a word and its reverse complement."""
    return min(word, mirrored(word))


def windows(sequence: str, k: int) -> Iterator[str]:
    """Every window of k bases, all of them A C G T in either case."""
    for start in range(len(sequence) - k + 1):
        window = sequence[start : start + k].upper()
        if set(window) <= set("ACGT"):
            yield window


def exact(sequence: str, k: int, *, stranded: bool = False, reverse: bool = False) -> Counter[str]:
    """The exact words; with `stranded` and `reverse`, of the other strand."""
    found: Counter[str] = Counter()
    for window in windows(sequence, k):
        if not stranded:
            found[canonical(window)] += 1
        else:
            found[mirrored(window) if reverse else window] += 1
    return found


def under(window: str, mask: str) -> str:
    """What a window shows under a mask, N at each 0."""
    return "".join([base if bit == "1" else "N" for base, bit in zip(window, mask, strict=True)])


def features_of(window: str, masks: list[str], *, stranded: bool = False) -> set[str]:
    """The features that one window adds one to: a set, each by its one name."""
    if stranded:
        return {under(window, mask) for mask in masks}
    strands = (window, mirrored(window))
    return {canonical(under(strand, mask)) for strand in strands for mask in masks}


def gapped(
    sequence: str, masks: list[str], *, stranded: bool = False, reverse: bool = False
) -> Counter[str]:
    """The gapped features of a sequence."""
    found: Counter[str] = Counter()
    words = exact(sequence, len(masks[0]), stranded=stranded, reverse=reverse)
    for word, n in words.items():
        for feature in features_of(word, masks, stranded=stranded):
            found[feature] += n
    return found


def wildcard_masks(k: int, most: int) -> list[str]:
    """0 to `most` consecutive wildcards at any position: fewer first, then from the left."""
    masks = ["1" * k]
    for n in range(1, most + 1):
        for start in range(k - n + 1):
            masks.append("1" * start + "0" * n + "1" * (k - n - start))
    return masks


def gkm_masks(length: int, k: int) -> list[str]:
    """Every choice of k of `length` positions, in the order of the positions."""
    return [
        "".join("1" if i in kept else "0" for i in range(length))
        for kept in combinations(range(length), k)
    ]


def all_words(k: int) -> list[str]:
    """Every word of k bases in alphabetical order."""
    return ["".join(bases) for bases in product("ACGT", repeat=k)]


def wildcard_order(k: int, most: int, *, stranded: bool = False) -> list[str]:
    """The features in the order of BindVAE's file.

    Mask by mask, walk the canonical words (all words when stranded) in order, replace what the
    mask does not read by N, and append what is new: neither it nor its reverse complement there.
    """
    walked = [word for word in all_words(k) if stranded or word == canonical(word)]
    found: dict[str, None] = {}
    for mask in wildcard_masks(k, most):
        for word in walked:
            feature = under(word, mask)
            if stranded or mirrored(feature) not in found:
                found[feature] = None
    return list(found)


def mask_order(masks: list[str], *, stranded: bool = False) -> list[str]:
    """The features of a list of masks: mask by mask, alphabetically, what is new."""
    found: dict[str, None] = {}
    for mask in masks:
        for read in product(*("ACGT" if bit == "1" else "N" for bit in mask)):
            feature = "".join(read)
            if stranded or mirrored(feature) not in found:
                found[feature] = None
    return list(found)


def text_of(word: int, k: int) -> str:
    """The letters of a packed word: two bits a base, the first base leading."""
    return "".join("ACGT"[word >> (2 * i) & 3] for i in reversed(range(k)))


def codes_of(sequence: str) -> list[int]:
    """A C G T in either case = 0 1 2 3, anything else 255."""
    return [{"A": 0, "C": 1, "G": 2, "T": 3}.get(base, 255) for base in sequence.upper()]
