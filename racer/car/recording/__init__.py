"""Recorded drives: MCAP files, and those of version 1.

file         rows, header, events and limits, whatever the file's format
schema       topics and JSON schemas of the MCAP file
write        packs a drive into the bytes of an MCAP file
storage      where a drive is written to
recorder     records without ever holding up the pilot
read         reads a drive of any version without trusting it
mcap_reader  reads an MCAP file for `read`
legacy       reads a file of version 1 for `read`
summary      what a drive was, in lines of text; and whether this build would send the same pulses
picture      a contact sheet
"""
