"""Whether a certificate is refused, for the tests that change one."""

import copy

from cegis.certificate import Certificate
from tasks.checker.evidence import check, establish
from tasks.checker.files import Rejected, UnreadableError

REFUSED = (Rejected, UnreadableError)


def refused(statement, files, folder):
    """Whether the check of this statement about these files, saved in ``folder``, ends without finding it true."""
    try:
        check(Certificate(statement, files).save(folder))
    except REFUSED:
        return True
    return False


def refused_if(parts, change):
    """Whether ``parts``, what is given and its files, are not found true once ``change(given, files)`` was made."""
    given, files = copy.deepcopy(parts[0]), dict(parts[1])
    change(given, files)
    try:
        establish(given, files)
    except REFUSED:
        return True
    return False
