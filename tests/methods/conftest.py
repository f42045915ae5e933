"""A method that is not part of the package: found like the others because its folder is on the path of methods."""

from pathlib import Path

import gog_pose.methods

ADDED = Path(__file__).parent / "added"
gog_pose.methods.__path__.append(str(ADDED / "methods"))
