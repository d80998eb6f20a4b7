"""Methods that prove a program equal to a network, or find where it is not: one protocol, a file a method."""
