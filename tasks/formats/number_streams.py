"""Recurrent networks of numbers, in whichever format their folder is."""

from __future__ import annotations

from pathlib import Path

from tasks.formats import recurrent_case, torch_state
from tasks.networks.number_streams import NumberStreams


def number_streams(folder: Path, *, column: int = 0) -> NumberStreams:
    """The network of numbers in ``folder``, however many different steps it has, read at output ``column``.

    Raises NetworkError where it is none, as where its steps are symbols.
    """
    read = torch_state.number_streams if torch_state.is_here(folder) else recurrent_case.number_streams
    return read(folder, column=column)
