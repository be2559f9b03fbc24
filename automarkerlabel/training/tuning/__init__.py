"""The search for good settings (`aml tune`)."""
