"""DonkeySim (Self Driving Sandbox), which a pilot joins as a client: JSON over TCP, port 9091."""
