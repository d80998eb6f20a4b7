"""How a run becomes a row: a task, a process under limits, a file of rows, and who may be compared."""
