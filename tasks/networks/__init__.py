"""What is distilled: networks, prompts, read-outs, and their execution in floating point."""
