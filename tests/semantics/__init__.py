"""What clients must see under transaction pooling, checked against any proxy; see tests/README.md."""
