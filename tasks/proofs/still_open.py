"""What a method raises where it shows nothing, with the reason."""


class StillOpenError(Exception):
    """What is not shown, and why."""
