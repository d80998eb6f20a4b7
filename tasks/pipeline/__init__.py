"""From a network to a program and a proof: labels, search, approximation, extension to longer lengths, report."""
