"""Fixtures for a method outside the package, which is found because its folder is on the path of methods."""

from pathlib import Path

import gog_pose.methods

ADDED = Path(__file__).parent / "added"
gog_pose.methods.__path__.append(str(ADDED / "methods"))
