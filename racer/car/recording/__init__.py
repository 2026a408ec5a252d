"""Recorded drives.

file        the records of the file, written and described
storage     where a drive is written to
recorder    records without ever holding up the pilot
read        reads a drive without trusting it
summary     what a drive was, in lines of text; and whether this build would send the same pulses
picture     a contact sheet
"""
