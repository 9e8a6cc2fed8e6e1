"""The methods that a run can use, one file each."""
