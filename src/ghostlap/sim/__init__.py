"""The embedded simulator: tracks, scenery, pictures, cars, and the expert who drives them."""
