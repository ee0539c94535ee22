"""The table's rows, one file for each or for a family; importing one registers its cases."""
