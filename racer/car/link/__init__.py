"""Connects a pilot with its console: statuses and pictures go up, requests and heartbeats go down.

`protocol` holds what the console knows of a pilot; `process_link` implements it with a pilot in a separate process.
Console and pilot both import this room, and it imports neither.
"""
