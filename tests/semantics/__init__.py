"""What clients must see under transaction pooling, against any proxy; see tests/README.md."""
