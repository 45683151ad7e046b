"""What stands on a page as it was sent: marks, tables and examples, read from its HTML."""

import re
from html import unescape


def marks(text: str, name: str) -> list[str]:
    """The values of `data-NAME`, in their order."""
    return [unescape(value) for value in re.findall(rf'\bdata-{name}="([^"]*)"', text)]


def cells(text: str, label: str) -> list[list[str]]:
    """The cells of the table of that name, row by row; code stands between backticks, as in the README."""
    table = re.search(rf'aria-label="{re.escape(label)}".*?<tbody>(.*?)</tbody>', text, re.DOTALL)
    assert table, label
    rows = re.findall(r"<tr\b.*?>(.*?)</tr>", table[1], re.DOTALL)
    return [[_words(cell) for cell in re.findall(r"<td\b.*?>(.*?)</td>", row, re.DOTALL)] for row in rows]


def examples(text: str) -> dict[str, str]:
    """Name -> the lines to copy."""
    found = re.findall(r'<pre [^>]*aria-label="([^"]*)"><code data-copy>(.*?)</code>', text, re.DOTALL)
    return {unescape(name): unescape(lines) for name, lines in found}


def links(text: str) -> set[str]:
    """Where the content of a page leads to."""
    return {unescape(to) for to in re.findall(r'<a [^>]*href="([^"]*)"', text.partition("<main")[2])}


def _words(cell: str) -> str:
    ticked = re.sub(r"</?code\b[^>]*>", "`", cell)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", ticked)).split())
