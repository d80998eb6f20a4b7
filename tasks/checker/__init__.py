"""An independent checker of certificates: Python's standard library and ball arithmetic, nothing else of this project.

``python -m tasks.checker FOLDER`` reads the weight file itself, covers the whole domain again, and prints what it
found to be true. Read ``evidence`` first (what is established, and on what), then ``network`` and ``arithmetic`` (what
a network computes, and what rounding may do), ``sets`` (more sequences than can be listed), and ``programs``,
``readouts``, ``formats`` and ``files`` (what is read, and what it means).
"""
