"""Trials in tables of text: TRC, and the CSV and TSV files of Motive, Nexus, Qualisys and our own."""
