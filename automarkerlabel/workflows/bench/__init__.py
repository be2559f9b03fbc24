"""What `aml bench` measures, and the machine's own floor beside it."""
