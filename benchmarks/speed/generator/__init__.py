"""What the measurements of the generator share: the histories, and the peer from transformers."""
