"""Handles SIGTERM and Ctrl-C between two steps."""

import signal
import threading

# 128 + SIGTERM: what a shell reports of a terminated process, and what
# schedulers take for a preemption: to be started again.
EXIT_CODE = 128 + signal.SIGTERM
INTERRUPTED = 128 + signal.SIGINT  # What a shell reports after Ctrl-C.

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Terminated(SystemExit):
    """Ends the program with the exit code 143, or 130 after Ctrl-C, unless it
    is caught.

    Raised once all is saved that a later start needs to go on. `message` says
    what happened and where it goes on.
    """

    def __init__(self, message, number=None):
        super().__init__(128 + (number or signal.SIGTERM))
        self.message = message

    def __str__(self):
        return self.message


class Termination:
    """Notes SIGTERM and SIGINT instead of dying of them, while it listens.

    `asked` is the number of the signal that came, or `None`. A second SIGINT
    does what it did before: who presses Ctrl-C twice does not want to wait.
    Python delivers signals to the main thread alone; elsewhere `listen` does
    nothing, and signals do what they did before.
    """

    def __init__(self):
        self.asked = None
        self._before = {}

    def listen(self):
        """Starts to note the signals."""
        if threading.current_thread() is not threading.main_thread():
            return
        self.asked = None
        for number in _SIGNALS:
            before = signal.getsignal(number)
            # What nohup or a shell's "&" lets a process ignore stays ignored;
            # what is not of Python (`None`) could not be put back.
            if before not in (signal.SIG_IGN, None):
                self._before[number] = signal.signal(number, self._note)

    def ignore(self):
        """Lets the signals do again what they did before `listen`."""
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
