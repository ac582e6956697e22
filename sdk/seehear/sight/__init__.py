"""Pictures to landmarks: crops, tracker, the order of the points."""
