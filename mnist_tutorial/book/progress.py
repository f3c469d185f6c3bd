"""One line that tells how far a training is."""

import sys
from typing import TextIO

from mnist_tutorial.training import History, TrainState


class Progress:
    """Shows the epoch, the accuracy so far and the seconds to go; give it to `fit`.

    In a terminal or a notebook the line is written over and wiped at the end. Where the
    output goes to a file, each epoch gets a line of its own.
    """

    def __init__(self, num_epochs: int, stream: TextIO | None = None, rewrite: bool = True):
        self._num_epochs = num_epochs
        self._stream = stream or sys.stdout
        self._rewrite = rewrite
        self._width = 0
        self._show("compiling, then training an epoch")

    def __call__(self, state: TrainState, history: History) -> None:
        """Shows the epoch that has just ended."""
        done = len(history.seconds)
        to_go = (self._num_epochs - done) * history.seconds[-1]
        self._show(
            f"epoch {done} of {self._num_epochs}: {history.train_accuracy[-1]:.1%} of the "
            f"training images right, about {to_go:.0f} s to go"
        )
        if done == self._num_epochs:
            self.wipe()

    def wipe(self) -> None:
        """Takes the line away where it is written over, so that what follows has its own."""
        if self._rewrite:
            self._show("")

    def _show(self, text: str) -> None:
        if self._rewrite:
            self._stream.write(f"\r{' ' * self._width}\r{text}")
        else:
            self._stream.write(f"{text}\n")
        self._stream.flush()
        self._width = len(text)
