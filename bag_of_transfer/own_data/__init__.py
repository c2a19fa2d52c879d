"""What a folder of own data holds, and a config that trains on it."""
