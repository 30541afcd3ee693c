"""The parts of bench/run: programs, servers, one measurement, the rows, the table."""
