"""What users call is what `golden/api.txt` says: every public name, signature, command and option.

A line that goes or changes breaks somebody's script. One that is meant is accepted with

    python tests/test_api.py

which writes the file again; the change is then seen in review.
"""

import ast
import difflib
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest

GOLDEN = Path(__file__).parent / "golden" / "api.txt"
ROOT = Path(__file__).parents[1]
OURS = ("kmerengine", "modelkit", "native_kernels")
SHOWN = {"__init__", "__call__", "__iter__", "__len__", "__getitem__", "__enter__", "__exit__"}


def public_modules() -> list[str]:
    """Packages whose `__all__` users may import from."""
    kernels = sorted(
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "native_kernels").rglob("__init__.py")
        if "__all__" in path.read_text()
    )
    return ["kmerengine", "modelkit", "modelkit.data", "modelkit.metrics", *kernels]


def syntax_of(thing: Any) -> ast.stmt:
    """The definition of a function or class, as it is written."""
    thing = getattr(thing, "py_func", thing)  # of a compiled function
    return ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0]


def signature(node: ast.FunctionDef) -> str:
    """Name, parameters and result; what a function is wrapped with, where users see it."""
    wrappers = [ast.unparse(each) for each in node.decorator_list]
    seen = [f"@{name} " for name in wrappers if name in ("property", "classmethod", "staticmethod")]
    seen += ["@property " for name in wrappers if name.endswith("cached_property")]
    result = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{''.join(seen)}{node.name}({ast.unparse(node.args)}){result}"


def members(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """Name and text of the attributes and methods that a class shows."""
    for each in node.body:
        if isinstance(each, ast.AnnAssign) and not ast.unparse(each.target).startswith("_"):
            yield ast.unparse(each.target), ast.unparse(each)
        elif isinstance(each, ast.FunctionDef):
            if each.name in SHOWN or not each.name.startswith("_"):
                yield each.name, signature(each)
            if each.name == "__init__":
                for name in re.findall(r"self\.([a-z]\w*)(?:: | = |, )", ast.unparse(each)):
                    yield name, name


def described(name: str, thing: Any) -> Iterator[str]:
    """Lines of one public name."""
    if inspect.isclass(thing):
        own = [each for each in thing.__mro__ if each.__module__.partition(".")[0] in OURS]
        nodes = [syntax_of(each) for each in own]
        bases = ", ".join(ast.unparse(each) for each in nodes[0].bases)  # type: ignore[attr-defined]
        yield f"class {name}({bases})"
        found: dict[str, str] = {}
        for node in nodes:
            assert isinstance(node, ast.ClassDef)
            for member, text in members(node):
                found.setdefault(member, text)
        yield from (f"    {found[member]}" for member in sorted(found))
    elif callable(thing):
        node = syntax_of(thing)
        assert isinstance(node, ast.FunctionDef)
        yield f"{name.rpartition('.')[0]}.{signature(node)}"
    elif isinstance(thing, dict):
        yield f"{name}: {', '.join(map(str, thing))}"
    else:
        yield f"{name} = {thing!r}"


def leaves(command: click.Command, words: str) -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by its words."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            under = command.get_command(context, name)
            assert under is not None
            yield from leaves(under, f"{words} {name}")
    else:
        yield words, command


def parameter(each: click.Parameter) -> str:
    """An argument or option: its names, what it takes, whether it must be given, its default."""
    kind = each.type
    takes = f"[{'|'.join(map(str, kind.choices))}]" if isinstance(kind, click.Choice) else kind.name
    flag = isinstance(each, click.Option) and each.is_flag
    default = each.default
    parts = [
        each.human_readable_name if isinstance(each, click.Argument) else "/".join(each.opts),
        *(["/".join(each.secondary_opts)] if each.secondary_opts else []),
        *([] if flag else [takes]),
        *([f"x{each.nargs}" if each.nargs > 0 else "any number"] if each.nargs != 1 else []),
        *(["repeatable"] if each.multiple else []),
        *(["required"] if each.required else []),
    ]
    if default not in (None, False) and "UNSET" not in repr(default):
        parts.append(f"default {default() if callable(default) else default!r}")
    return " ".join(parts)


def commands() -> dict[str, click.Command]:
    """Every command of both programs."""
    return {
        words: command
        for program in ("kmerengine", "modelkit")
        for words, command in leaves(import_module(f"{program}.cli").main, program)
    }


def surface() -> str:
    """All that is public, a line each."""
    lines = []
    for module in public_modules():
        package = import_module(module)
        for name in sorted(package.__all__):
            lines += described(f"{module}.{name}", getattr(package, name))
    for words, command in commands().items():
        lines += ["", f"$ {words}", *(f"    {parameter(each)}" for each in command.params)]
    return "\n".join(lines) + "\n"


def test_the_public_interface_is_the_one_that_was_agreed() -> None:
    golden, found = GOLDEN.read_text().splitlines(), surface().splitlines()
    changes = "\n".join(difflib.unified_diff(golden, found, "golden/api.txt", "now", "", "", 1, ""))
    assert golden == found, (
        f"the public interface is another:\n{changes}\n\n"
        "If that is meant, accept it with: python tests/test_api.py"
    )


def test_each_kind_of_change_is_seen() -> None:
    """A new parameter, another default, a member that is gone, a result of another type."""

    def lines(source: str) -> list[str]:
        node = ast.parse(source).body[0]
        if isinstance(node, ast.ClassDef):
            return [text for _, text in members(node)]
        assert isinstance(node, ast.FunctionDef)
        return [signature(node)]

    before = lines("def f(a: int, *, b: str='x') -> int: ...")
    assert before == ["f(a: int, *, b: str='x') -> int"]
    for other in (
        "def f(a: int, *, b: str='y') -> int: ...",
        "def f(a: int, *, b: str='x', c: int=1) -> int: ...",
        "def f(a: int, b: str='x') -> int: ...",
        "def f(a: int, *, b: str='x') -> float: ...",
    ):
        assert lines(other) != before
    held = "class A:\n x: int = 1\n _y: int\n def __init__(self): self.z = self._w = 1\n"
    held += " @property\n def p(self) -> int: ...\n def _q(self): ...\n"
    assert lines(held) == ["x: int = 1", "__init__(self)", "z", "@property p(self) -> int"]
    option = click.Option(["-k", "--size"], type=int, default=8)
    assert parameter(option) == "-k/--size integer default 8"
    assert parameter(click.Option(["--on/--off"])) == "--on --off"
    assert parameter(click.Argument(["files"], nargs=-1)) == "FILES text any number"


def of_the_file(package: str) -> tuple[dict[str, str], dict[str, str]]:
    """What a package imports for type checkers, and what it finds when a name is used."""
    tree = ast.parse((ROOT / package / "__init__.py").read_text())
    checked = {
        name.name: str(each.module)
        for node in tree.body
        if isinstance(node, ast.If)
        for each in node.body
        if isinstance(each, ast.ImportFrom)
        for name in each.names
    }
    tables = [ast.literal_eval(each) for each in ast.walk(tree) if isinstance(each, ast.Dict)]
    return checked, tables[0]


@pytest.mark.parametrize("package", ["kmerengine", "modelkit"])
def test_type_checkers_see_the_names_that_are_found(package: str) -> None:
    checked, found = of_the_file(package)
    assert checked == found
    assert list(import_module(package).__all__) == sorted(found)


def test_programs_are_the_commands_that_are_listed() -> None:
    from importlib.metadata import entry_points

    found = {
        each.name: each.value
        for each in entry_points(group="console_scripts")
        if each.value.partition(".")[0] in OURS
    }
    assert found == {"kmerengine": "kmerengine.cli:main", "modelkit": "modelkit.cli:main"}


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(surface())
