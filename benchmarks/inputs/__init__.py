"""What is asked about: circuits with their labels, surrogates, recorded queries, SyGuS problems, published figures."""
