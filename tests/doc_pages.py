"""The blocks of code in Markdown pages: found, checked against the commands there are, and run."""

import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import click

ROOT = Path(__file__).parents[1]
PROGRAMS = ("kmerengine", "modelkit")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
MARK = re.compile(r"<!-- not run: ([^>]+) -->\n+\Z")
TOOLS = {
    *("awk", "bowtie2", "bowtie2-build", "bedtools", "cp", "curl", "done", "do", "exit"),
    *("fasterq-dump", "for", "git", "grep", "gunzip", "macs3", "mkdir", "mv", "printf", "python"),
    *("samtools", "tar", "."),
}  # fmt: skip


class Block(NamedTuple):
    """Code between fences.

    Attributes
    ----------
    page : Path
    line : int
        Of the page, from 1.
    language : str
    text : str
    reason : str
        Why it is not run; "" of those that are.
    section : str
        The heading that it stands under.
    """

    page: Path
    line: int
    language: str
    text: str
    reason: str
    section: str

    @property
    def where(self) -> str:
        return f"{self.page.name}:{self.line}"

    @property
    def lines(self) -> list[str]:
        """What a shell is given, a command each."""
        joined = re.sub(r"\\\n\s*", "", self.text)
        lines = joined.splitlines()
        if any(line.startswith("$ ") for line in lines):  # the others are what they show
            lines = [line[2:] for line in lines if line.startswith("$ ")]
        return [line for line in lines if line.strip() and not line.startswith("#")]

    @property
    def is_shell(self) -> bool:
        return self.language in ("console", "bash", "sh") or (
            not self.language and self.text.startswith((*PROGRAMS, "$ ", "make ", "python -m "))
        )


def blocks(page: Path) -> list[Block]:
    """Those of a page, in order."""
    text = page.read_text()
    found = []
    for match in FENCE.finditer(text):
        mark = MARK.search(text[: match.start()])
        headings = re.findall(r"^## (.+)$", text[: match.start()], re.M)
        line = text.count("\n", 0, match.start()) + 1
        reason = mark[1] if mark else ""
        section = headings[-1] if headings else ""
        found.append(Block(page, line, match[1], match[2], reason, section))
    return found


def inline(page: Path) -> Iterator[str]:
    """Commands in the text of a page."""
    text = FENCE.sub("", page.read_text())
    for code in re.findall(r"`([^`]+)`", text):
        if code.startswith(tuple(f"{name} " for name in PROGRAMS)):
            yield re.sub(r"(?<= )\[|\](?= |$)", "", " ".join(code.split()))


@cache
def program(name: str) -> click.Command:
    found = import_module(f"{name}.cli").main
    assert isinstance(found, click.Command)
    return found


def leaf(words: list[str]) -> tuple[click.Command, click.Context, list[str]]:
    """The command that words call, and what it is given."""
    command, rest = program(words[0]), words[1:]
    context = click.Context(command, info_name=words[0])
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        under = command.get_command(context, rest[0])
        if under is None:
            raise click.UsageError(f"{context.command_path}: no command {rest[0]!r}")
        command, rest = under, rest[1:]
        context = click.Context(command, context, info_name=under.name)
    return command, context, rest


def check_call(words: list[str], *, whole: bool = True) -> None:
    """UsageError where a call has an option, a choice or an argument that the command has not, or
    lacks one, unless it is only a part of a call.
    """
    command, context, rest = leaf(words)
    whole = whole and "..." not in rest
    rest = [word for word in rest if word != "..."]
    if rest and rest[-1].startswith("-") and not whole:  # an option that is named without a value
        known = {name: p for p in command.params for name in (*p.opts, *p.secondary_opts)}
        if rest[-1] not in known and rest[-1] not in ("--help", "--version"):
            raise click.NoSuchOption(rest[-1])
        rest = rest[:-1]
    if isinstance(command, click.Group):
        return
    given, left, _ = command.make_parser(context).parse_args(list(rest))
    if left:
        raise click.UsageError(f"{' '.join(words)}: {left} is too much")
    for parameter in command.params:
        value = given.get(str(parameter.name))
        missing = value is None or value == () or "UNSET" in repr(value)
        if missing and parameter.required and whole:
            raise click.MissingParameter(param=parameter, ctx=context)
        if isinstance(parameter.type, click.Choice) and isinstance(value, str):
            for each in value.split("|"):  # capitals stand for any
                if not each.isupper():
                    parameter.type.convert(each, parameter, context)


def check_line(line: str) -> None:
    """The same of a line of a shell: of our programs, benches, make, pip and known tools."""
    line = re.split(r" {3,}(?=\w)", line.strip())[0]  # what a column beside it says
    words = shlex.split(line, comments=True)
    for i, word in enumerate(words):
        if word in (">", "|", "&&", "||", ";", "<"):
            if word in ("|", "&&", "||", ";"):
                check_line(shlex.join(words[i + 1 :]))
            words = words[:i]
            break
    while words and re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]
    if not words:
        return
    if words[0] == "torchrun":
        from torch.distributed.run import get_args_parser

        known = get_args_parser()._option_string_actions
        options, words = words[1 : words.index("-m")], words[words.index("-m") + 1 :]
        if wrong := [each for each in options if each.startswith("-") and each not in known]:
            raise click.UsageError(f"torchrun has no {wrong}")
    if words[0] in PROGRAMS:
        check_call(words)
    elif words[0] == "make":
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M)
        wrong = [each for each in words[1:] if "=" not in each and each not in targets]
        if wrong:
            raise click.UsageError(f"make has no {wrong}")
    elif words[:2] == ["python", "-m"] and words[2].startswith(("bench", *PROGRAMS)):
        source = (ROOT / f"{words[2].replace('.', '/')}.py").read_text()
        wrong = [each for each in words[3:] if each.startswith("--") and each not in source]
        if wrong:
            raise click.UsageError(f"{words[2]} has no {wrong}")
    elif words[:2] == ["pip", "install"]:
        check_extras(line)
    elif words[0] not in TOOLS:
        raise click.UsageError(f"{words[0]!r} is no command that the pages use")


def check_extras(text: str) -> None:
    """UsageError where an extra is named that the project has not."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for extras in re.findall(r"(?:kmerengine|\.)\[([\w,]+)\]", text):
        wrong = set(extras.split(",")) - set(project["optional-dependencies"])
        if wrong:
            raise click.UsageError(f"no extra {sorted(wrong)}")


def run_block(block: Block, namespace: dict[str, Any], more: dict[str, list[str]]) -> None:
    """Run what a block says in the current folder: our commands in this process, others by bash.

    `more` has arguments that are added to commands, by their first words.
    """
    if block.language == "python":
        exec(compile("\n" * block.line + block.text, str(block.page), "exec"), namespace)
        return
    for line in block.lines:
        if not line.startswith(PROGRAMS):
            subprocess.run(["bash", "-euo", "pipefail", "-c", line], check=True)
            continue
        # the shell's own reading of quotes and patterns
        shown = subprocess.run(
            ["bash", "-euc", f"printf '%s\\0' {line}"], check=True, capture_output=True, text=True
        ).stdout
        words = shown.split("\0")[:-1]
        command, context, rest = leaf(words)
        added = [word for start, each in more.items() if line.startswith(start) for word in each]
        command.main([*rest, *added], prog_name=context.info_name, standalone_mode=False)
