"""The commands of `aml`: each parses, calls one function, and prints. What pulls in torch is imported inside."""
