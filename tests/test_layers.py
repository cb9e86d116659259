"""Imports point one way, and what is optional or heavy is imported only where it is used."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAY_IMPORT: dict[str, set[str]] = {
    "native_kernels": set(),
    "kmerengine": {"native_kernels"},
    "modelkit": {"native_kernels", "kmerengine"},
}
# their absence must not stop an import
LAZY = {"polars", "pysam", "cupy", "triton", "anndata", "matplotlib", "figwig"}
MODULES = [
    pytest.param(package, path, id=path.relative_to(ROOT).as_posix())
    for package in MAY_IMPORT
    for path in sorted((ROOT / package).rglob("*.py"))
]


def imported(nodes: Iterable[ast.AST]) -> set[str]:
    """Dotted names that import statements among `nodes` ask for."""
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def roots(names: set[str]) -> set[str]:
    """The top packages of dotted names."""
    return {name.partition(".")[0] for name in names}


def at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """Nodes that run when the module is imported: no function bodies, nothing for types alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        yield node
        yield from at_import(node)


@pytest.mark.parametrize(("package", "path"), MODULES)
def test_imports_point_one_way(package: str, path: Path) -> None:
    everywhere = roots(imported(ast.walk(ast.parse(path.read_text()))))
    assert everywhere & MAY_IMPORT.keys() <= MAY_IMPORT[package] | {package}
    if package == "kmerengine":
        assert "torch" not in everywhere


@pytest.mark.parametrize(("package", "path"), MODULES)
def test_optional_libraries_are_imported_where_they_are_used(package: str, path: Path) -> None:
    names = imported(at_import(ast.parse(path.read_text())))
    if package == "native_kernels" and path.name == "gpu.py":
        names = {name for name in names if not name.startswith("triton")} - triton_modules()
    assert not roots(names) & LAZY
    assert not names & triton_modules(), "the modules of Triton kernels too"


def triton_modules() -> set[str]:
    """Modules whose import needs Triton: its kernels are decorated where they are defined."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "native_kernels").rglob("gpu.py")
        if "triton" in roots(imported(at_import(ast.parse(path.read_text()))))
    }


def test_function_bodies_and_types_are_not_run_at_import() -> None:
    source = """
import one
from two.three import four
if TYPE_CHECKING:
    import five
try:
    import six
except ImportError:
    pass
class A:
    import seven
    def method(self):
        import eight
def function():
    import nine
"""
    found = imported(at_import(ast.parse(source)))
    assert found == {"one", "two.three", "two.three.four", "six", "seven"}
    assert "nine" in imported(ast.walk(ast.parse(source)))
