"""The stylesheet: one file for all pages, put together from a file for each room."""

import re
from collections import defaultdict
from pathlib import Path

import haze_proxy

STYLE = Path(haze_proxy.__file__).parent / "web" / "static" / "style"
NOTE = re.compile(r"/\*.*?\*/", re.DOTALL)
# Paper may look alike everywhere; a narrow screen's rules belong to the class that they change.
MEDIA = re.compile(r"@media[^{]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}")
RULE = re.compile(r"([^{}]+)\{[^{}]*\}")
CLASS = re.compile(r"\.[\w-]+")


def test_a_class_is_one_rooms_own() -> None:
    """Two rooms that call different things by one name would dress each other's."""
    rooms = defaultdict(set)
    for file in STYLE.glob("*.css"):
        plain = MEDIA.sub("", NOTE.sub("", file.read_text()))
        for selector in (part.strip() for rule in RULE.findall(plain) for part in rule.split(",")):
            if CLASS.fullmatch(selector):
                rooms[selector].add(file.name)
    assert rooms
    assert {name: files for name, files in rooms.items() if len(files) > 1} == {}
