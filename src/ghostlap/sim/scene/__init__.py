"""Scenes: terrain, materials, props and light around a road."""
