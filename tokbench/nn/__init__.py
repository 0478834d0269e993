"""The torch maths: knows arrays and tensors only, no catalogues, no files."""
