"""Jobs played against the simulator in virtual time, and the promises checked afterwards."""
