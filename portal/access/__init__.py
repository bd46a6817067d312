"""WHO may do WHAT for WHICH company."""
