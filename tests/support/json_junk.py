"""Put junk at every place of the JSON files of a folder; whoever reads them must read or refuse, never stumble."""

import contextlib
import json

from quick import examples

from cegis.domain import DomainError
from tasks.networks.sparse_transformer import NetworkError

JUNK = (None, [], {}, "x", -1, 0, 1.5, True, 10**9, [[1]], {"a": []})


def read_junk(folder, files, read):
    """``read(folder)`` for each junk at each place of ``files`` (name to content); anything but a refusal is raised.

    In the quick suite some of the junk is put at each place, in turn.
    """
    for name, whole in files.items():
        for number, path in enumerate(leaves(whole)):
            for junk in [*JUNK[number % len(JUNK) :], *JUNK][: examples(len(JUNK))]:
                (folder / name).write_text(json.dumps(changed(whole, path, junk)))
                with contextlib.suppress(NetworkError, DomainError):
                    read(folder)
        (folder / name).write_text(json.dumps(whole))
    read(folder)  # as it was, it is read


def leaves(value, path=()):
    """Every place in nested JSON, inner ones included."""
    yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from leaves(inner, (*path, key))


def changed(value, path, junk):
    """``value`` with ``junk`` at ``path``."""
    if not path:
        return junk
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(value[path[0]], path[1:], junk)
    return copy
