"""The story: one file for each thing that a person or the machine does, in one short transaction each."""
