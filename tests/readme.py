"""What the README says, for tests that hold the code and the pages against it."""

import typing
from collections.abc import Iterator
from pathlib import Path

import msgspec

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """The text below a heading, up to the next heading of any level above it."""
    _, _, rest = README.partition(f"\n## {title}\n")
    return rest.partition("\n## ")[0]


def rows(title: str, first: str = "| ") -> list[list[str]]:
    """The cells of a section's table, without its head; of several, of the one whose head begins with `first`."""
    _, begins, rest = section(title).partition(f"\n{first}")
    lines = (begins + rest).strip().partition("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def keys(table: type[msgspec.Struct], path: str) -> Iterator[tuple[str, str]]:
    """(path, default as TOML has it) of every key of a configuration."""
    for field in msgspec.structs.fields(table):
        inner = next((t for t in typing.get_args(field.type) if _is_table(t)), None)
        if _is_table(field.type):
            yield from keys(field.type, f"{path}{field.name}.")
        elif inner is not None and path == "":
            yield from keys(inner, f"{field.name}[].")
        else:
            yield path + field.name, _default(field)


def _is_table(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    if field.default is msgspec.UNSET:
        return "its kind's"
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if value is None:
        return "none"
    shown = {(): "[]", "": '""'}.get(value) if isinstance(value, tuple | str) else None
    return shown or ("{}" if value == {} else str(value).lower() if isinstance(value, bool) else f'"{value}"'
                     if isinstance(value, str) else str(value))  # fmt: skip
