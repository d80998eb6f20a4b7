"""Whether a certificate is refused, for the tests that change one."""

from cegis.certificate import Certificate
from tasks.checker.evidence import check
from tasks.checker.files import Rejected, UnreadableError

REFUSED = (Rejected, UnreadableError)


def refused(statement, files, folder):
    """Whether the check of this statement about these files, saved in ``folder``, ends without finding it true."""
    try:
        check(Certificate(statement, files).save(folder))
    except REFUSED:
        return True
    return False
