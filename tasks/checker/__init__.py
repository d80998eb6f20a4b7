"""An independent checker of certificates: Python's standard library and ball arithmetic, nothing else of this project.

``python -m tasks.checker FOLDER`` reads the weight file itself, covers the whole domain again, and prints what it
found to be true. Read ``evidence`` first (what is established), then ``network`` and ``formats`` (what the weights
mean), ``arithmetic`` (what rounding may do), ``programs`` and ``files``; for claims over more sequences than can be
listed ``machines``, ``attending``, ``counts`` and ``paths``.
"""
