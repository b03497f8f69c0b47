"""The benchmark house: what bench/run is made of."""
