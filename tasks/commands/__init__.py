"""The command line: a file a subcommand, which parses, calls and prints."""
