"""The container side: images on this host, and the containers run from them."""
