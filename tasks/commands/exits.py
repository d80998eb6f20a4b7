"""How a command ends: exit codes, and which errors are meant for the user."""

from __future__ import annotations

PROVED, NOT_PROVED, BAD_INPUT = 0, 1, 2  # proved (or checked); finished but not proved; one line on standard error


def is_ours(error: Exception) -> bool:
    """Whether the error is one our rooms raise on purpose: its message is meant for the user."""
    from backends import BackendError
    from cegis import DomainError, GrammarError
    from cegis.certificate import CertificateError
    from tasks.bounds.workers import WorkersError
    from tasks.networks.sparse_transformer import NetworkError

    return isinstance(error, (BackendError, DomainError, GrammarError, CertificateError, NetworkError, WorkersError))
