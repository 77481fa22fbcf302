"""Handles SIGTERM and Ctrl-C between two steps."""

import signal
import threading

# The exit code that shells report for a terminated process. Schedulers take it
# for a preemption and start the program again.
EXIT_CODE = 128 + signal.SIGTERM
INTERRUPTED = 128 + signal.SIGINT  # What shells report after Ctrl-C.

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Terminated(SystemExit):
    """Ends the program with exit code 143, or 130 after Ctrl-C, unless caught.

    When training is interrupted, it is raised after the state is saved.

    Args:
        message: String, what happened and where the run resumes.
        number: Integer, the number of the signal. Defaults to SIGTERM.
    """

    def __init__(self, message: str, number: int | None = None):
        super().__init__(128 + (number or signal.SIGTERM))
        self.message = message

    def __str__(self) -> str:
        return self.message


class Termination:
    """Records SIGTERM and SIGINT instead of dying of them, while it listens.

    A second SIGINT goes to the previous handler: users who press Ctrl-C twice
    do not want to wait. Only the main thread can set signal handlers;
    elsewhere `listen` is a no-op.

    Attributes:
        asked: The number of the signal received, or `None`.
    """

    def __init__(self):
        self.asked = None
        self._before = {}

    def listen(self):
        """Installs the signal handlers."""
        if threading.current_thread() is not threading.main_thread():
            return
        self.asked = None
        for number in _SIGNALS:
            before = signal.getsignal(number)
            # Signals ignored by nohup or a shell's "&" stay ignored. A handler
            # not set from Python (`None`) could not be restored.
            if before not in (signal.SIG_IGN, None):
                self._before[number] = signal.signal(number, self._note)

    def ignore(self):
        """Restores the signal handlers from before `listen`."""
        for number in list(self._before):
            self._give_back(number)

    def _note(self, number, frame):
        del frame
        self.asked = number
        if number == signal.SIGINT:
            self._give_back(number)

    def _give_back(self, number):
        before = self._before.pop(number, None)
        if before is not None:
            signal.signal(number, before)
