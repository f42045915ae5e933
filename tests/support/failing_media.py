"""Files whose decoders fail after the first picture, each in a different way."""

import os
import signal
from dataclasses import dataclass

import numpy as np

from gog_pose.media.frames import Frame, ImageFile


@dataclass(frozen=True)
class FailingFile(ImageFile):
    """Its name says how it fails."""

    def frames(self, every=1):
        """Yield one frame, then fail."""
        yield Frame(self, np.zeros((8, 8, 3), np.uint8))
        match self.path.name:
            case "crash":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "memory":
                raise MemoryError
            case "surprise":
                raise KeyError("tag")
