"""The wall: what every cloud assembly, this project's or another's, is judged by."""
