"""The wire: routes, handlers, and the rendering of what they answer."""
