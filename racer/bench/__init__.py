"""Measures how fast racer simulates, renders, races and learns (`racer bench`).

Each module measures one part and returns figures under frozen keys of the record in `measure`, so that figures of
different days can be compared. A workload is validated before it is timed.
"""
