"""What a run is: closed, frozen pydantic values only."""
