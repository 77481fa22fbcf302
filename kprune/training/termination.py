"""SIGTERM as a wish that is granted between two steps."""

import signal
import threading

# 128 + SIGTERM: what a shell reports of a terminated process, and what
# schedulers take for a preemption: to be started again.
EXIT_CODE = 143


class Terminated(SystemExit):
    """Ends the program with the exit code 143, unless it is caught.

    Raised once all is saved that a later start needs to go on. `message` says
    what happened and where it goes on.
    """

    def __init__(self, message):
        super().__init__(EXIT_CODE)
        self.message = message

    def __str__(self):
        return self.message


class Termination:
    """Notes a SIGTERM instead of dying of it, while it listens.

    Python delivers signals to the main thread alone; elsewhere `listen` does
    nothing, and SIGTERM does what it did before.
    """

    def __init__(self):
        self.asked = False
        self._before = None

    def listen(self):
        """Starts to note the signal."""
        if threading.current_thread() is not threading.main_thread():
            return
        self.asked = False
        self._before = signal.signal(signal.SIGTERM, self._note)

    def ignore(self):
        """Lets the signal do again what it did before `listen`."""
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)
            self._before = None

    def _note(self, number, frame):
        del number, frame
        self.asked = True
