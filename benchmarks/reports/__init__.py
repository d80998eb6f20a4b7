"""Pages, tables and drawings, made from rows alone."""
