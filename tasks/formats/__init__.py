"""Networks that people already have, read from their own files into ``tasks.networks.transformer``."""

from tasks.formats.blackbox import from_callable
from tasks.formats.detect import load
from tasks.formats.network_folder import save_folder
from tasks.formats.sparse import from_circuit, model_of
from tasks.networks.model import BlackBox, Loaded, Question

__all__ = ["BlackBox", "Loaded", "Question", "from_callable", "from_circuit", "load", "model_of", "save_folder"]
