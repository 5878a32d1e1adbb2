"""How a worker process starts: first with what ends it together with its parent, then with all that takes time.

It is imported by the process before anything large is.
"""

import os
import pickle
from multiprocessing import parent_process
from threading import Thread


def start(content: bytes, *shared: object) -> None:
    """Watch the parent, and make ready to work.

    Args:
        content: a function and its first arguments, pickled: what they need is imported here, and not before.
        *shared: arguments that only a process that is being started can be given, such as events.
    """
    Thread(target=_end_with_parent, daemon=True).start()
    make_ready, arguments = pickle.loads(content)  # what the parent has pickled
    make_ready(*arguments, *shared)


def _end_with_parent() -> None:
    """A pool's process would wait for ever for work from one that was killed."""
    if parent := parent_process():
        parent.join()
        os._exit(1)
