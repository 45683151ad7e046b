"""Where tests keep their figures until they are printed together at the end."""

import pytest

FIGURES = pytest.StashKey[list[str]]()
